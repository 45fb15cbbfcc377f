package server_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Peers that open a connection, or a frame, and leave it at that.
func TestHeldOpen(t *testing.T) {
	const first, later = time.Second, 2 * time.Second // long beside what a busy machine holds up what is sent at once
	native := nativeCall(t, 1, "echo", message(1), preamble())
	framed := thriftCall(t, framedBinary, 1, "refuse", size32(0))
	unframed := thriftCall(t, unframedBinary, 1, "refuse", size32(0))
	h := abused(t, modest, server.WithFrameTimeouts(first, later))
	var wg sync.WaitGroup
	for _, tc := range []struct {
		name   string
		in     []byte
		reason string
		after  time.Duration
	}{
		{"nothing", nil, "no complete frame in time", first},
		{"two bytes", []byte{0x80, 1}, "no complete frame in time", first},
		{"half a preamble", native[:20], "no complete frame in time", first},
		{"half a frame header", native[:wire.PreambleSize+8], "a frame was not completed in time", later},
		{"half a frame", native[:len(native)-1], "a frame was not completed in time", later},
		{"half a framed message", framed[:len(framed)-1], "no complete frame in time", first},
		{"half an unframed message", unframed[:len(unframed)-1], "no complete frame in time", first},
		{"half a second message", append(slices.Clone(framed), framed[:len(framed)-1]...), "a frame was not completed in time", later},
	} {
		begin := time.Now()
		nc := h.raw()
		if _, err := nc.Write(tc.in); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { // all at once
			sent, err := io.ReadAll(nc)
			if d := time.Since(begin); d < tc.after || d > tc.after+5*time.Second {
				t.Errorf("%s: it ended after %v: %v", tc.name, d, err)
			}
			h.ended(nc, tc.reason)
			if len(tc.in) > wire.PreambleSize && string(tc.in[:4]) == wire.Magic {
				if g := farewell(t, sent); g.Code != rpc.DeadlineExceeded || !strings.Contains(g.Message, tc.reason) {
					t.Errorf("%s: told %+v", tc.name, g)
				}
			}
		})
	}
	wg.Wait()
}

// A peer that sends a frame byte by byte, always just in time for whoever looks at the last byte only.
func TestSlowDrip(t *testing.T) {
	h := abused(t, modest, server.WithFrameTimeouts(time.Second, 900*time.Millisecond))
	nc := h.raw()
	if _, err := nc.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	b := nativeCall(t, 1, "echo", message(1), nil)
	begin := time.Now()
	for i := range b {
		if _, err := nc.Write(b[i : i+1]); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
		if time.Since(begin) > 10*time.Second {
			t.Fatal("it may go on for ever")
		}
	}
	h.ended(nc, "a frame was not completed in time")
}

func TestIdle(t *testing.T) {
	h := start(t, server.WithIdleTimeout(300*time.Millisecond))
	nc := h.raw()
	if _, err := nc.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	if g := farewell(t, drained(t, nc)); g.Code != 0 || !strings.Contains(g.Message, "idle") {
		t.Errorf("told %+v", g)
	}
	h.log.wants(t, slog.LevelDebug, "connection ended", "peer="+nc.LocalAddr().String(), "idle for too long")
	// A client does not even notice: its next call goes over a new connection.
	e := h.echo(client.WithWaitForReady())
	for i := range int64(3) {
		check(t, e, i)
		time.Sleep(time.Second)
	}
}

// A peer that asks and asks, and reads no answer.
func TestNeverReads(t *testing.T) {
	for _, tc := range []struct {
		name, reason string
		opts         []server.Option
	}{
		{"by size", "slow consumer", []server.Option{server.WithMaxPending(2 << 20)}},
		{"by time", "slow consumer", []server.Option{server.WithStallTimeout(300 * time.Millisecond)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := abused(t, 100<<20, tc.opts...)
			nc := h.raw()
			if _, err := nc.Write(preamble()); err != nil {
				t.Fatal(err)
			}
			for id := uint64(1); ; id++ {
				if _, err := nc.Write(nativeCall(t, id, "big", size32(1<<18), nil)); err != nil {
					break // which is a reset, and soon: nobody reads
				}
				if id == 1000 {
					t.Fatal("250 MiB are waiting for a peer that does not read")
				}
				if id > 40 { // enough for every buffer on the way
					time.Sleep(10 * time.Millisecond)
				}
			}
			h.ended(nc, tc.reason)
		})
	}
}

func TestPanickingHandlers(t *testing.T) {
	h := abused(t, 64<<20)
	e := h.echo()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 25 {
				_, err := e.Explode(t.Context(), "the secret")
				wantError(t, err, rpc.Internal, rpc.Executed, "the handler panicked")
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the caller is told too much: %v", err)
				}
				check(t, e, int64(i))
			}
		})
	}
	wg.Wait()
	h.log.wants(t, slog.LevelError, "the handler panicked", "Echo.explode", "the secret", "helpers_test.go")
}

// One connection may have so many calls in flight; canceled ones count until their handlers have returned.
func TestCallsPerConnection(t *testing.T) {
	const limit = 10
	h := abused(t, modest, server.WithMaxCalls(limit))
	nc := h.raw()
	in := preamble()
	for id := uint64(1); id <= limit; id++ {
		in = nativeCall(t, id, "slow", text("stuck"), in)
		in = wire.AppendCancel(in, id)
	}
	in = nativeCall(t, limit+1, "refuse", size32(0), in)
	if _, err := nc.Write(in); err != nil {
		t.Fatal(err)
	}
	greeted(t, nc)
	_, err := nativeReply(t, nc, limit+1)
	if e, ok := err.(*rpc.Error); !ok || e.Code != rpc.ResourceExhausted || e.Execution != rpc.NotExecuted || !strings.Contains(e.Message, "10 calls of this connection") {
		t.Errorf("got %v", err)
	}
	// One that was canceled before a worker took it never starts, the others are stuck until they are let go.
	close(h.impl.gate("stuck"))
	for id := uint64(limit + 2); ; id++ {
		if _, err := nc.Write(nativeCall(t, id, "refuse", size32(0), nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := nativeReply(t, nc, id); err == nil {
			break // there is room again
		} else if rpc.CodeOf(err) != rpc.ResourceExhausted {
			t.Fatal(err)
		}
	}
}

// A Thrift connection runs one call at a time, so what is sent ahead waits; up to a limit.
func TestThriftPipelining(t *testing.T) {
	h := abused(t, modest, server.WithMaxCalls(10))
	nc := h.raw()
	in := thriftCall(t, framedBinary, 1, "slow", text("first"))
	for i := int32(2); i <= 11; i++ {
		in = append(in, thriftCall(t, framedBinary, i, "refuse", size32(0))...)
	}
	if _, err := nc.Write(in); err != nil {
		t.Fatal(err)
	}
	drained(t, nc)
	h.ended(nc, "too many calls sent ahead")
}

// When every worker is busy and the queue is full, callers are told at once, whoever they are.
func TestFullQueue(t *testing.T) {
	h := start(t, server.WithWorkers(2), server.WithQueue(3))
	e := h.echo()
	var calls []*echotest.EchoSlowCall
	for range 2 {
		calls = append(calls, e.SlowAsync(t.Context(), "busy"))
	}
	for range 2 {
		h.awaitArrival()
	}
	for range 3 {
		calls = append(calls, e.SlowAsync(t.Context(), "busy"))
	}
	call := e.SlowAsync(t.Context(), "too much")
	_, err := call.Wait(t.Context())
	wantError(t, err, rpc.ResourceExhausted, rpc.NotExecuted, "queue is full")
	close(h.impl.gate("busy"))
	for _, c := range calls {
		if _, err := c.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A thousand pings are answered; then it is a flood, whether the peer reads the answers or not.
func TestPingFlood(t *testing.T) {
	const allowed = 1000
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprintf("reading %v", reads), func(t *testing.T) {
			h := abused(t, modest)
			nc := h.raw()
			in := preamble()
			for i := range uint64(allowed) {
				in = wire.AppendPing(in, i)
			}
			if _, err := nc.Write(in); err != nil {
				t.Fatal(err)
			}
			if reads {
				greeted(t, nc)
				for i := range uint64(allowed) {
					pong := wire.AppendPong(nil, i)
					got := make([]byte, len(pong))
					if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, pong) {
						t.Fatalf("pong %d: % x, %v", i, got, err)
					}
				}
			}
			for err := error(nil); err == nil; { // until it is closed: at the first one more
				_, err = nc.Write(wire.AppendPing(nil, 0))
			}
			h.ended(nc, "more than 1000 pings in 10s")
		})
	}
}

// Frames of kinds that may be ignored are; there may be any number of them, of any size.
func TestIgnorableFrames(t *testing.T) {
	in := preamble() // all that is sent, before anybody looks at the heap: it is in that, too
	big := make([]byte, 100_000)
	for i := range 200 {
		in = wire.AppendFrameHeader(in, wire.FrameHeader{Length: uint32(i * 500), Kind: wire.Kind(0x80 + i%64), Stream: uint64(i)})
		in = append(in, big[:i*500]...)
	}
	in = nativeCall(t, 1, "refuse", size32(0), in)
	h := abused(t, modest)
	nc := h.raw()
	if _, err := nc.Write(in); err != nil {
		t.Fatal(err)
	}
	greeted(t, nc)
	if _, err := nativeReply(t, nc, 1); err != nil {
		t.Error(err)
	}
}

// Noise on eight connections at a time, for a second or a thousand times: pure, and as damage to sound messages.
func TestRandomBytes(t *testing.T) {
	h := abused(t, 128<<20)
	sound := [][]byte{
		nativeCall(t, 2, "echo", message(1), nativeCall(t, 1, "refuse", size32(0), preamble())),
		thriftCall(t, framedBinary, 1, "echo", one{message(1)}),
		thriftCall(t, framedCompact, 1, "echo", one{message(1)}),
		thriftCall(t, unframedBinary, 1, "echo", one{message(1)}),
		thriftCall(t, unframedCompact, 1, "echo", one{message(1)}),
	}
	address := strings.TrimPrefix(h.tcp, "tcp://")
	end := time.Now().Add(time.Second)
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			noise := rand.NewChaCha8([32]byte{byte(seed)})
			for n := 0; n < 1000 && time.Now().Before(end); n++ { // each takes a port for a while
				nc, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				b := make([]byte, rng.IntN(5000))
				noise.Read(b)
				if n%2 == 0 {
					b = slices.Clone(sound[n/2%len(sound)])
					for range 1 + rng.IntN(4) {
						b[rng.IntN(len(b))] = byte(rng.Uint32())
					}
				}
				nc.Write(b) // it may be closed already
				if n%3 == 0 {
					nc.(*net.TCPConn).SetLinger(0) // now and then without a good-bye
				}
				nc.Close()
			}
		})
	}
	wg.Wait()
	check(t, h.echo(), 1)
	if n := h.log.count(slog.LevelWarn); n > 100 {
		t.Errorf("%d warnings in about a second: whoever abuses the server fills its disk", n)
	}
}

// 1,000 connections from one address, and a limit.
func TestConnectionsPerAddress(t *testing.T) {
	h := abused(t, modest, server.WithMaxConns(0, 50))
	open := 0
	for range 200 {
		nc := h.raw()
		if _, err := nc.Write(wire.AppendPing(preamble(), 1)); err != nil {
			continue
		}
		if n, _ := io.ReadFull(nc, make([]byte, wire.PreambleSize)); n == wire.PreambleSize {
			open++
		}
	}
	if open != 49 { // the witness has one
		t.Errorf("%d connections were served", open)
	}
	// Unix sockets are not counted by address.
	check(t, echotest.NewEchoClient(h.dial(h.unix, client.WithConnections(3))), 1)
}

// count returns how many entries of a level there are.
func (l *logbook) count(level slog.Level) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.level == level {
			n++
		}
	}
	return n
}
