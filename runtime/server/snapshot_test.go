package server_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

func TestSnapshot(t *testing.T) {
	fresh := server.New()
	if p := fresh.Snapshot(10); p.State != "new" || len(p.Conns.List) != 0 {
		t.Errorf("a new server: %+v", p)
	}
	if err := fresh.Close(); err != nil {
		t.Fatal(err)
	}
	if p := fresh.Snapshot(10); p.State != "closed" {
		t.Errorf("a closed server is %q", p.State)
	}

	h := start(t, server.WithWorkers(1), server.WithQueue(7), server.WithMaxConns(100, 50), server.WithMaxCalls(9), server.WithMaxPending(1<<20),
		server.WithFrameTimeouts(3*time.Second, 0), server.WithIdleTimeout(-1))
	one, two := echotest.NewEchoClient(h.dial(h.tcp)), echotest.NewEchoClient(h.dial(h.unix))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running := one.SlowAsync(ctx, "running")
	h.awaitArrival()
	queued := two.SlowAsync(ctx, "queued")
	var p observe.Snapshot
	await(t, "a queued call", func() bool { p = h.srv.Snapshot(10); return p.Calls.Queued == 1 })
	if want := (observe.Calls{Queued: 1, Running: 1, InFlight: 2}); p.Calls != want {
		t.Errorf("calls %+v, want %+v", p.Calls, want)
	}
	if p.State != "serving" || len(p.Addresses) != 2 || !strings.HasPrefix(p.Addresses[0], "tcp://127.0.0.1:") || !strings.HasPrefix(p.Addresses[1], "unix:///") {
		t.Errorf("%s on %v", p.State, p.Addresses)
	}
	if !slices.Contains(p.Services, "Echo") || !slices.Contains(p.Services, "Clock") {
		t.Errorf("services %v", p.Services)
	}
	if p.Conns.Open != 2 || p.Conns.Accepted != 2 || len(p.Conns.List) != 2 {
		t.Errorf("connections: %+v", p.Conns)
	}
	for _, c := range p.Conns.List {
		want := observe.Conn{Network: "tcp", UID: -1, PID: -1, Identity: "anonymous", Protocol: "native", InFlight: 1}
		if c.Network == "unix" {
			want = observe.Conn{Network: "unix", UID: os.Getuid(), PID: os.Getpid(), Protocol: "native", InFlight: 1}
			if !strings.HasPrefix(c.Identity, "unix:") {
				t.Errorf("identity %q of a Unix socket's peer", c.Identity)
			}
			c.Identity = ""
		} else if c.Peer == "" {
			t.Error("a TCP peer without an address")
		}
		if c.BytesIn <= 0 || c.Age < 0 || c.Age > time.Minute {
			t.Errorf("%d bytes held, age %v", c.BytesIn, c.Age)
		}
		if diff := cmp.Diff(want, c, cmpopts.IgnoreFields(observe.Conn{}, "Peer", "Age", "BytesIn")); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.Network, diff)
		}
	}
	for name, want := range map[string]int64{
		"workers": 1, "queued_calls": 7, "connections": 100, "connections_per_address": 50, "calls_per_connection": 9,
		"pending_bytes_per_connection": 1 << 20, "frame_bytes": 16_384_000, "first_frame_timeout_ms": 3000, "frame_timeout_ms": 30_000, "idle_timeout_ms": 0,
	} {
		if got := p.Limits[name]; got != want {
			t.Errorf("limit %s is %d, want %d", name, got, want)
		}
	}
	if short := h.srv.Snapshot(1); len(short.Conns.List) != 1 || short.Conns.Open != 2 || short.Calls.InFlight != 2 {
		t.Errorf("asked for one connection: %+v", short)
	}
	if b, err := json.Marshal(h.srv.Snapshot(0)); err != nil || !strings.Contains(string(b), `"list":[]`) {
		t.Errorf("as JSON: %s, %v", b, err)
	}
	close(h.impl.gate("running"))
	close(h.impl.gate("queued"))
	for _, call := range []*echotest.EchoSlowCall{running, queued} {
		if _, err := call.Wait(ctx); err != nil {
			t.Error(err)
		}
	}
}
