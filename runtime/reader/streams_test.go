package reader

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// A client may have more on its way where it makes no calls, and a call ends that.
func TestConnWindow(t *testing.T) {
	b := newBench(t, nil)
	b.feed(wire.AppendPreamble(nil, wire.Preamble{ID: rpc.ClientID{7}, Features: wire.FeatureStreams, Window: wire.MinWindow}))
	b.feed(nativeCall(t, 1, "first", nil))
	const pieces = 300 // of 64 KiB, of a stream that is over
	data := append(wire.AppendDataHeader(nil, 1, 0, 64<<10), make([]byte, 64<<10)...)
	scratch := make([]byte, 0, 1<<20)
	for range pieces {
		b.feed(data)
		b.fill(nil, scratch, 1<<20) // or it would have no credit left
	}
	window := func() uint64 {
		b.session.streams.mu.Lock()
		defer b.session.streams.mu.Unlock()
		return b.session.streams.mux.ConnWindow()
	}
	if got := window(); got != stream.WideWindow {
		t.Errorf("%d without a call", got)
	}
	b.feed(nativeCall(t, 2, "second", nil))
	if got := window(); got != stream.DefaultWindow {
		t.Errorf("%d after a call", got)
	}
}

// opened is a server's end of a stream whose client has granted credit without end.
func opened(b *bench) *serverStream {
	b.t.Helper()
	b.feed(wire.AppendPreamble(nil, wire.Preamble{ID: rpc.ClientID{7}, Features: wire.FeatureStreams, Window: 1 << 30}))
	n := b.session.proto.(*native)
	m := &rpc.Method{Service: "Test", Name: "both", FullName: "Test.both", Stream: rpc.StreamBoth}
	c := &rpc.Call{ID: 1, Handler: &rpc.Handler{Method: m}, Dialect: n.dialect, Replier: b.session}
	if err := n.openStream(b.session, c, 1<<30); err != nil {
		b.t.Fatal(err)
	}
	return c.Stream.(*serverStream)
}

// TestLentMessage: the memory of a message that is being written is its sender's again when the write ends, or is held up,
// and not before: not even if its context ends.
func TestLentMessage(t *testing.T) {
	for _, held := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, nil)
			x := opened(b)
			ctx, cancel := context.WithCancel(t.Context())
			message, sent := bytes.Repeat([]byte("m"), 64<<10), false
			go func() {
				if err := x.SendBytes(ctx, message); err != nil {
					t.Error(err)
				}
				clear(message)
				sent = true
			}()
			synctest.Wait()
			if b.flushes != 1 || sent {
				t.Fatalf("%d flushes, sent %v", b.flushes, sent)
			}
			bufs := b.fill(nil, make([]byte, 0, 1<<20), 1<<20)
			if len(bufs) != 2 || &bufs[1][0] != &message[0] {
				t.Fatalf("%d buffers, or the message was copied", len(bufs))
			}
			cancel()
			synctest.Wait()
			if sent {
				t.Fatal("the sender has gone on during the write")
			}
			if held {
				b.hold(bufs)
				synctest.Wait()
			}
			if sent != held || bytes.Count(bufs[1], []byte("m")) != len(message) {
				t.Errorf("sent %v, %d bytes are right", sent, bytes.Count(bufs[1], []byte("m")))
			}
			b.written()
			synctest.Wait()
			if !sent {
				t.Error("the sender still waits")
			}
			x.finish(rpc.Reply{Result: &word{}})
		})
	}
}

// TestPlace: messages that are read into place are the same as those that are fed, wherever they are cut.
func TestPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := newBench(t, nil)
	x := opened(b)
	scratch, placed := make([]byte, 0, 1<<20), 0
	for i := range 300 {
		want := bytes.Repeat([]byte{byte(i)}, 1+rng.IntN([]int{100, 20_000, 70_000}[rng.IntN(3)]))
		for rest := append(wire.AppendDataHeader(nil, 1, 0, len(want)), want...); len(rest) > 0; {
			n := min(1+rng.IntN([]int{30, 40_000}[rng.IntN(2)]), len(rest))
			if place := b.session.Place(); len(place) > 0 && rng.IntN(2) == 0 {
				n = copy(place, rest[:n])
				placed += n
				if err := b.session.Placed(n); err != nil {
					t.Fatal(err)
				}
			} else {
				b.feed(rest[:n])
			}
			rest = rest[n:]
		}
		got, err := x.RecvBytes(t.Context())
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("message %d: %d bytes of %d, %v", i, len(got), len(want), err)
		}
		rpc.Recycle(got)
		b.fill(nil, scratch, 1<<20) // or it would have no credit left
	}
	if b.session.Partial() || b.session.Place() != nil {
		t.Error("a place after the last message")
	}
	if placed < 1<<20 {
		t.Errorf("%d bytes were read into place", placed)
	}
	if err := b.check(0); err != nil {
		t.Error(fmt.Errorf("after that: %w", err))
	}
}
