package reader

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// TestPings: 1,000 in 10 s are answered, again and again, however they are spread; one more ends the connection.
func TestPings(t *testing.T) {
	b := newBench(t, nil)
	b.feed(preamble())
	ping, sent := wire.AppendPing(nil, 7), len(wire.AppendPong(nil, 7))
	for round := range 3 {
		b.sent = nil
		for i := range maxPings {
			if i%100 == 99 {
				b.clock = b.clock.Add(90 * time.Millisecond)
			}
			b.feed(ping)
		}
		if n := len(b.sent) / sent; n != maxPings {
			t.Fatalf("round %d: %d pongs", round, n)
		}
		b.clock = b.clock.Add(pingPeriod)
	}
	b.feed(slices.Repeat(ping, maxPings))
	b.clock = b.clock.Add(pingPeriod - 1)
	err := b.session.Feed(ping)
	var broken *wire.ConnError
	if !errors.As(err, &broken) || broken.Code != rpc.ResourceExhausted {
		t.Fatalf("ping %d: %v", maxPings+1, err)
	}
	if g := goAways(t, slices.Concat(preamble(), b.sent)); len(g) != 1 || g[0].Code != broken.Code || g[0].Message != broken.Reason {
		t.Errorf("told %+v", g)
	}
}
