package codec_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// sameValues compares doubles by their bits and takes nil for empty.
var sameValues = cmp.Options{
	cmp.AllowUnexported(value{}), cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }),
}

// checkRoundTrip writes the value that seed stands for, compares the bytes with those of the reference, and reads,
// skips and truncates them.
func checkRoundTrip(t *testing.T, enc codec.Encoding, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	v := random(r, allTypes[r.IntN(len(allTypes))], 1+r.IntN(4))
	e := codec.NewEncoder(enc, []byte("before"))
	write(e, v)
	if e.Err() != nil {
		t.Fatalf("seed %d: %v", seed, e.Err())
	}
	b, found := bytes.CutPrefix(e.Bytes(), []byte("before"))
	if want := reference(nil, enc, v); !found || !bytes.Equal(b, want) {
		t.Fatalf("seed %d, %s: wrote\n%x, want\n%x", seed, enc, b, want)
	}
	var d codec.Decoder
	for how, reset := range map[string]func(codec.Encoding, []byte){"copied": d.Reset, "shared": d.ResetShared, "lent": d.ResetLent} {
		reset(enc, b)
		got := read(&d, v)
		if d.Err() != nil || d.Remaining() != 0 {
			t.Fatalf("seed %d, %s, %s: error %v, %d bytes remain", seed, enc, how, d.Err(), d.Remaining())
		}
		if diff := cmp.Diff(v, got, sameValues); diff != "" {
			t.Fatalf("seed %d, %s, %s: %s", seed, enc, how, diff)
		}
	}
	d.Reset(enc, append(b, 0xff))
	if d.Skip(v.typ); d.Err() != nil || d.Remaining() != 1 {
		t.Fatalf("seed %d, %s: skip: error %v, %d bytes remain, want 1", seed, enc, d.Err(), d.Remaining())
	}
	for _, n := range []int{0, len(b) / 2, len(b) - 1} {
		d := codec.NewDecoder(enc, b[:n])
		if read(d, v); codec.KindOf(d.Err()) != codec.Truncated {
			t.Fatalf("seed %d, %s: the first %d of %d bytes: error %v", seed, enc, n, len(b), d.Err())
		}
		d.Reset(enc, b[:n])
		if d.Skip(v.typ); codec.KindOf(d.Err()) != codec.Truncated {
			t.Fatalf("seed %d, %s: skipping the first %d of %d bytes: error %v", seed, enc, n, len(b), d.Err())
		}
	}
}

func TestRandomRoundTrip(t *testing.T) {
	for seed := range uint64(1000) {
		for _, enc := range encodings {
			checkRoundTrip(t, enc, seed)
		}
	}
}
