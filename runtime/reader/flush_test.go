package reader

import (
	"slices"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// TestFlushFollowsReply has each reply written when its call's place is free: by whoever answers if it was the last call, else
// by the loop.
func TestFlushFollowsReply(t *testing.T) {
	oneway, err := new(wire.Dialect).AppendCall(nil, 4, notify, &word{"x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, nil)
	b.feed(slices.Concat(preamble(), nativeCall(t, 1, "", nil), nativeCall(t, 2, "", nil), nativeCall(t, 3, "", nil), oneway))
	for _, i := range []int{1, 3, 0, 2} { // the oneway call, which is the second, has nothing to flush
		b.answer(b.calls[i])
	}
	if b.flushes != 1 || b.wakes != 2 {
		t.Errorf("native: flushed %d times, woken %d times; want 1 and 2", b.flushes, b.wakes)
	}
	// A call that was turned away is left to the loop.
	b.flushes, b.wakes = 0, 0
	b.feed(nativeCall(t, 5, "", nil))
	b.calls[4].Replier.Reply(b.calls[4], rpc.Reply{Err: &rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted}})
	if b.flushes != 0 || b.wakes != 1 {
		t.Errorf("turned away: flushed %d times, woken %d times", b.flushes, b.wakes)
	}
	for range b.config.MaxCalls {
		b.session.inFlight++
	}
	b.feed(nativeCall(t, 6, "", nil))
	if b.flushes != 1 || b.replies[len(b.replies)-1].Err.Code != rpc.ResourceExhausted {
		t.Errorf("a refusal was flushed %d times", b.flushes)
	}
	b = newBench(t, nil)
	d := thrift.Dialect{Framed: true, Strict: true}
	b.feed(slices.Concat(thriftCall(t, d, 1, "echo", "a"), thriftCall(t, d, 2, "echo", "b")))
	b.answer(b.calls[0])
	b.answer(b.calls[1])
	if b.flushes != 1 || b.wakes != 1 {
		t.Errorf("thrift: flushed %d times, woken %d times; want 1 and 1", b.flushes, b.wakes)
	}
}
