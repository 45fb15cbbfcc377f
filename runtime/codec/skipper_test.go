package codec_test

import (
	"math/rand/v2"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// pushAll feeds b to s in pieces of the sizes that next returns, and returns how many bytes it consumed.
func pushAll(t *testing.T, s *codec.Skipper, b []byte, next func() int) (n int, done bool, err error) {
	t.Helper()
	for {
		piece := b[n:min(len(b), n+next())]
		k, done, err := s.Push(piece)
		if k < 0 || k > len(piece) || !done && err == nil && k != len(piece) {
			t.Fatalf("Push took %d of %d bytes, done %t, error %v", k, len(piece), done, err)
		}
		n += k
		if done || err != nil || n == len(b) {
			return n, done, err
		}
	}
}

// checkSkipper compares a Skipper's verdict on b, in one piece, in bytes and in random pieces, with a Decoder's. The
// Skipper has the limit of the Decoder: len(b).
func checkSkipper(t *testing.T, enc codec.Encoding, typ codec.Type, b []byte, r *rand.Rand) {
	t.Helper()
	d := codec.NewDecoder(enc, b)
	d.Skip(typ)
	want := len(b) - d.Remaining()
	for name, next := range map[string]func() int{
		"whole":  func() int { return len(b) },
		"bytes":  func() int { return 1 },
		"random": func() int { return r.IntN(20) },
	} {
		s := codec.NewSkipper(enc, typ)
		s.SetLimit(len(b))
		n, done, err := pushAll(t, s, b, next)
		switch {
		case d.Err() == nil:
			if !done || err != nil || n != want {
				t.Fatalf("%s %s %x in %s: took %d, done %t, error %v; a Decoder skips %d", enc, typ, b, name, n, done, err, want)
			}
			if n, done, err := s.Push(b); n != 0 || !done || err != nil {
				t.Fatalf("Push after the end: %d, %t, %v", n, done, err)
			}
		case codec.KindOf(d.Err()) == codec.Truncated:
			// What a Decoder knows to be cut off may, for a Skipper, be too long or still to come.
			if done || err != nil && codec.KindOf(err) != codec.LimitReached {
				t.Fatalf("%s %s %x in %s: done %t, error %v; a Decoder says: %v", enc, typ, b, name, done, err, d.Err())
			}
		default:
			if done || codec.KindOf(err) != codec.KindOf(d.Err()) {
				t.Fatalf("%s %s %x in %s: done %t, error %v; a Decoder says: %v", enc, typ, b, name, done, err, d.Err())
			}
		}
	}
}

func TestSkipperAgreesWithDecoder(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		v := random(r, allTypes[r.IntN(len(allTypes))], 1+r.IntN(4))
		for _, enc := range encodings {
			b := append(reference(nil, enc, v), "what follows"...)
			checkSkipper(t, enc, v.typ, b, r)
			for range 5 { // damage it
				c := append([]byte(nil), b...)
				for range 1 + r.IntN(3) {
					c[r.IntN(len(c))] = byte(r.Uint32())
				}
				checkSkipper(t, enc, v.typ, c, r)
			}
		}
	}
}
