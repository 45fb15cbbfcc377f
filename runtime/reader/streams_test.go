package reader

import (
	"testing"

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
