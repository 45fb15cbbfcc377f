package server_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// TestStreamsAndPolicyChanges: a stream is authorized when it is opened, and goes on when the policy changes; the next one is
// judged anew. Its messages name no method, so there is nothing else to ask.
func TestStreamsAndPolicyChanges(t *testing.T) {
	var closed atomic.Bool
	var asked atomic.Int64
	h, _ := startStreams(t, server.WithAuthorizer(func(_ context.Context, _ rpc.Identity, m *rpc.Method) error {
		asked.Add(1)
		if closed.Load() {
			return rpc.NewError(rpc.PermissionDenied, "not any more")
		}
		return nil
	}))
	ctx := t.Context()
	c := h.streams()
	chat, err := c.Chat(ctx)
	if err != nil {
		t.Fatal(err)
	}
	say := func(line string) {
		t.Helper()
		if err := chat.Send(ctx, line); err != nil {
			t.Fatal(err)
		}
		if got, err := chat.Recv(ctx); got != strings.ToUpper(line) || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	say("before")
	closed.Store(true)
	for range 10 {
		say("after")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the authorizer was asked %d times about one stream", n)
	}
	later, err := c.Chat(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, later.Finish(ctx), rpc.PermissionDenied, rpc.NotExecuted, "not any more")
	if err := chat.CloseSend(ctx); err != nil {
		t.Error(err)
	}
}

// TestStreamSpellings opens a stream that is denied by every name that might lead there.
func TestStreamSpellings(t *testing.T) {
	h, impl := startStreams(t, server.WithAuthorizer(func(_ context.Context, _ rpc.Identity, m *rpc.Method) error {
		return rpc.NewError(rpc.PermissionDenied, "nobody may")
	}))
	r := h.rawStreams(t)
	id := uint64(0)
	for _, tt := range []struct {
		name string
		code rpc.Code
	}{
		{"Streams.hold", rpc.PermissionDenied},
		{"streams.hold", rpc.Unimplemented},
		{"Streams.Hold", rpc.Unimplemented},
		{"Streams:hold", rpc.Unimplemented},
		{"Streams/hold", rpc.Unimplemented},
		{"/Streams/hold", rpc.Unimplemented},
		{".Streams.hold", rpc.Unimplemented},
		{"Streams.hold ", rpc.Unimplemented},
		{"Streams.hold\x00", rpc.Unimplemented},
		{"streamtest.Streams.hold", rpc.Unimplemented},
		{"hold", rpc.Unimplemented},
	} {
		for _, asStream := range []bool{true, false} {
			id++
			code := tt.code
			if !asStream && code == rpc.PermissionDenied {
				code = rpc.Unimplemented // a stream's method called without one
			}
			r.send(r.call(nil, id, tt.name, text("x"), &wire.CallOptions{Stream: asStream}))
			if e := r.failure(id); e.Code != code || e.Execution != rpc.NotExecuted {
				t.Errorf("%q, stream %v: %v (%v), want %v", tt.name, asStream, e, e.Execution, code)
			}
		}
	}
	if n := len(impl.held); n != 0 {
		t.Errorf("%d streams reached the handler", n)
	}
}
