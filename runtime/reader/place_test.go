package reader

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// badInput is frames about streams 0 to 2, of which 1 is open, as a hostile client may cut and number them.
func badInput(rng *rand.Rand) (b []byte) {
	for range 1 + rng.IntN(30) {
		id := uint64(1)
		if rng.IntN(8) == 0 {
			id = rng.Uint64N(3)
		}
		size := 1 + rng.IntN([]int{100, 20_000, 70_000}[rng.IntN(3)])
		switch rng.IntN(24) {
		case 0:
			b = wire.AppendReset(b, id, wire.Reset{Final: rng.Uint64N(1 << 18), Code: rpc.Aborted})
		case 1:
			b = wire.AppendEnd(b, id)
		case 2:
			b = wire.AppendCredit(b, id, rng.Uint64())
		case 3:
			b = wire.AppendCancel(b, id)
		case 4:
			b = append(wire.AppendFrameHeader(b, wire.FrameHeader{Kind: 0x80, Length: uint32(size)}), make([]byte, size)...)
		case 5:
			b = append(wire.AppendDataHeader(b, id, 0, size+rng.IntN(1<<20)), make([]byte, size)...)
		case 6:
			b = wire.AppendPing(b, 1)
		default:
			flags := wire.Flags(0)
			if rng.IntN(3) == 0 {
				flags = wire.FlagMore
			}
			b = append(wire.AppendDataHeader(b, id, flags, size), bytes.Repeat([]byte{byte(size)}, size)...)
		}
	}
	return b
}

// TestPlaceIsFeed: what is read into place comes to the same as what is fed, whatever it is: the same messages, the same answers,
// the same end. Resets, ends and lies come in the midst of it.
func TestPlaceIsFeed(t *testing.T) {
	placed, failed := 0, 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 8))
		fed, put := newBench(t, nil), newBench(t, nil)
		x, y := opened(fed), opened(put)
		input := badInput(rng)
		for len(input) > 0 {
			n := min(1+rng.IntN([]int{30, 5000, 40_000}[rng.IntN(3)]), len(input))
			want, err := fed.session.Feed(input[:n]), error(nil)
			rest := input[:n]
			if place := put.session.Place(); len(place) > 0 {
				k := copy(place, rest)
				placed += k
				rest = rest[k:]
				err = put.session.Placed(k)
			}
			if err == nil && len(rest) > 0 {
				err = put.session.Feed(rest)
			}
			if (want == nil) != (err == nil) || want != nil && want.Error() != err.Error() {
				t.Fatalf("seed %d: %v, want %v", seed, err, want)
			}
			for {
				a, e := x.core.Recv()
				b, f := y.core.Recv()
				if e != f && e.Error() != f.Error() || !bytes.Equal(a.Bytes(), b.Bytes()) {
					t.Fatalf("seed %d: %d bytes, %v; want %d, %v", seed, b.Len(), f, a.Len(), e)
				}
				if e != nil {
					break
				}
				rpc.Recycle(a.Bytes())
				rpc.Recycle(b.Bytes())
			}
			if want != nil {
				failed++
				break
			}
			input = input[n:]
			if fed.fill != nil && rng.IntN(2) == 0 {
				a, b := fed.fill(nil, make([]byte, 0, 1<<18), 1<<18), put.fill(nil, make([]byte, 0, 1<<18), 1<<18)
				if !bytes.Equal(bytes.Join(a, nil), bytes.Join(b, nil)) {
					t.Fatalf("seed %d: what is sent differs", seed)
				}
			}
		}
		if p, q := fed.session.Partial(), put.session.Partial(); p != q || !bytes.Equal(fed.sent, put.sent) || x.core.String() != y.core.String() {
			t.Errorf("seed %d: partial %v and %v, %d and %d bytes sent, %v and %v", seed, p, q, len(fed.sent), len(put.sent), x.core, y.core)
		}
	}
	if placed < 1<<20 || failed < 20 {
		t.Errorf("%d bytes were read into place, %d connections were ended", placed, failed)
	}
}
