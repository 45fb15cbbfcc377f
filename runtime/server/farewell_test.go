package server_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// A connection that ends for a fault of its peer's sends what is ready: replies from before the GoAway, and one that is made
// while the GoAway waits for its turn.
func TestRepliesAroundAFarewell(t *testing.T) {
	for done, round := false, 0; round < 10; round++ {
		t.Run(fmt.Sprint(round), func(t *testing.T) { done = repliesAroundAFarewell(t) })
		if done {
			return
		}
	}
	t.Error("the connection was cut off each time, before its peer had read everything")
}

// repliesAroundAFarewell reports whether the peer could read everything before the listener lost its patience.
func repliesAroundAFarewell(t *testing.T) bool {
	h := start(t)
	nc := h.raw()
	const size = 12 << 20 // more than all buffers on the way
	b := nativeCall(t, 1, "big", size32(size), preamble())
	b = nativeCall(t, 2, "slow", text("behind"), b)
	b = nativeCall(t, 3, "slow", text("never"), b)
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1000)
	if _, err := io.ReadFull(nc, first); err != nil { // the big reply has begun
		t.Fatal(err)
	}
	for range 2 {
		h.awaitArrival()
	}
	pending := func() int {
		s := h.srv.Snapshot(1)
		if len(s.Conns.List) == 0 {
			return -1
		}
		return s.Conns.List[0].BytesOut
	}
	grows := func() bool {
		for before, end := pending(), time.Now().Add(soon); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if now := pending(); now != before {
				return now > before
			}
		}
		return false
	}
	time.Sleep(50 * time.Millisecond) // until every buffer is full
	more := make(chan bool)
	go func() { more <- grows() }()
	time.Sleep(5 * time.Millisecond)
	if _, err := nc.Write(nativeFrame(wire.FrameHeader{Kind: 0x33})[wire.PreambleSize:]); err != nil {
		t.Fatal(err)
	}
	if !<-more { // by the GoAway
		return false
	}
	close(h.impl.gate("behind"))
	sent, err := io.ReadAll(nc)
	if err != nil {
		return false
	}
	sent = append(first, sent...)
	if g := farewell(t, sent); g.Code != rpc.Unimplemented || g.Last != 3 {
		t.Errorf("told %+v", g)
	}
	var order []wire.Kind
	var ids []uint64
	for _, f := range frames(t, sent) {
		order, ids = append(order, f.header.Kind), append(ids, f.header.Stream)
	}
	if len(order) != 3 || order[0] != wire.KindReply || ids[0] != 1 || order[1] != wire.KindGoAway || order[2] != wire.KindReply || ids[2] != 2 {
		t.Errorf("it sent %v of %v", order, ids)
	}
	return true
}
