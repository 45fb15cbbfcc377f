package codec_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

func FuzzBinaryRead(f *testing.F)  { fuzzRead(f, codec.Binary) }
func FuzzCompactRead(f *testing.F) { fuzzRead(f, codec.Compact) }

// fuzzRead decodes anything as an Everything: it must not take more memory than it may, and what is accepted must
// survive being written and read again, and be skipped as exactly the same bytes.
func fuzzRead(f *testing.F, enc codec.Encoding) {
	f.Add([]byte{0})
	f.Add(encode(f, enc, newEverything()))
	f.Add(encode(f, enc, newMessage()))
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		f.Add(reference(nil, enc, random(r, codec.Struct, 4)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		if checkMemory(t, enc, b) != nil {
			return
		}
		var first, second Everything
		d := codec.NewDecoder(enc, b)
		first.DecodeThrift(d)
		read := len(b) - d.Remaining()
		again := encode(t, enc, &first)
		d.Reset(enc, again)
		second.DecodeThrift(d)
		if d.Err() != nil || d.Remaining() != 0 {
			t.Fatalf("read, written and read again: error %v, %d bytes remain", d.Err(), d.Remaining())
		}
		if diff := cmp.Diff(first, second, sameValues); diff != "" {
			t.Fatal(diff)
		}
		d.Reset(enc, b)
		if d.Skip(codec.Struct); d.Err() != nil || len(b)-d.Remaining() != read {
			t.Fatalf("reading took %d bytes, skipping %d with error %v", read, len(b)-d.Remaining(), d.Err())
		}
	})
}

// FuzzSkip skips anything, of any type, and a Skipper must come to the same result, whatever pieces it gets.
func FuzzSkip(f *testing.F) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		t := allTypes[seed%uint64(len(allTypes))]
		v := random(r, t, 4)
		f.Add(byte(t), false, seed, reference(nil, codec.Binary, v))
		f.Add(byte(t), true, seed, reference(nil, codec.Compact, v))
	}
	f.Add(byte(codec.List), true, uint64(0), bytes.Repeat([]byte{0x19}, 100))
	f.Add(byte(77), false, uint64(0), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, typ byte, compact bool, seed uint64, b []byte) {
		enc := codec.Binary
		if compact {
			enc = codec.Compact
		}
		checkSkipper(t, enc, codec.Type(typ), b, rand.New(rand.NewPCG(seed, 4)))
	})
}

// FuzzRoundTrip writes and reads the random value that a seed stands for.
func FuzzRoundTrip(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, compact bool) {
		enc := codec.Binary
		if compact {
			enc = codec.Compact
		}
		checkRoundTrip(t, enc, seed)
	})
}
