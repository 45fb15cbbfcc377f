package gentest_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

var encodings = []codec.Encoding{codec.Binary, codec.Compact}

// encode returns the bytes of m.
func encode(t testing.TB, enc codec.Encoding, m codec.Encodable) []byte {
	t.Helper()
	b, err := tryEncode(enc, m)
	if err != nil {
		t.Fatalf("%s encoding of %v: %v", enc, m, err)
	}
	return b
}

func tryEncode(enc codec.Encoding, m codec.Encodable) ([]byte, error) {
	e := codec.NewEncoder(enc, nil)
	m.EncodeThrift(e)
	return e.Bytes(), e.Err()
}

// decode fills m from b, all of it.
func decode(t testing.TB, enc codec.Encoding, b []byte, m codec.Decodable) {
	t.Helper()
	if err := tryDecode(enc, b, m); err != nil {
		t.Fatalf("%s decoding of %x: %v", enc, b, err)
	}
}

func tryDecode(enc codec.Encoding, b []byte, m codec.Decodable) error {
	d := codec.NewDecoder(enc, b)
	m.DecodeThrift(d)
	if d.Err() == nil && d.Remaining() != 0 {
		return fmt.Errorf("%d bytes remain", d.Remaining())
	}
	return d.Err()
}

// TestRoundTrip writes and reads random values of every struct.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, m := range messages {
		if fmt.Sprintf("%T", m) == "*kitchen.Hollow" {
			continue // a union without members cannot be written
		}
		for i := range 50 {
			enc := encodings[i%2]
			want := random(r, m)
			got := blank(m)
			if i%4 < 2 {
				got = random(r, m) // what was there before must not show
			}
			decode(t, enc, encode(t, enc, want), got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%T, %s (-want +got):\n%s", m, enc, diff)
			}
			if want.String() == "" {
				t.Fatalf("%T has no text", m)
			}
		}
	}
}

// TestTruncated cuts every message at every place: each is an error, none a panic.
func TestTruncated(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, m := range messages {
		if fmt.Sprintf("%T", m) == "*kitchen.Hollow" {
			continue
		}
		for _, enc := range encodings {
			b := encode(t, enc, random(r, m))
			for n := range b {
				if err := tryDecode(enc, b[:n], blank(m)); codec.KindOf(err) == 0 {
					t.Fatalf("%T, %s, %d of %d bytes: error %v", m, enc, n, len(b), err)
				}
			}
		}
	}
}

// FuzzGeneratedRoundTrip decodes anything as any struct. Memory stays within the codec's bound, and what was decoded can
// be written and read again.
func FuzzGeneratedRoundTrip(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for i, m := range messages {
		for _, enc := range encodings {
			if b, err := tryEncode(enc, random(r, m)); err == nil {
				f.Add(uint8(i), enc == codec.Compact, b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, compact bool, b []byte) {
		m := messages[int(which)%len(messages)]
		enc := codec.Binary
		if compact {
			enc = codec.Compact
		}
		limit := uint64(codec.AllocFactor*len(b) + codec.AllocBase)
		got := blank(m)
		var err error
		var used uint64
		for range 3 { // somebody else may allocate meanwhile, but hardly three times
			used = allocated(func() { err = tryDecode(enc, b, got) })
			if used <= limit {
				break
			}
		}
		if used > limit {
			t.Fatalf("decoding %d bytes as %T allocated %d bytes, limit %d", len(b), m, used, limit)
		}
		if err != nil {
			return
		}
		again, err := tryEncode(enc, got)
		if codec.KindOf(err) == codec.BadUnion {
			return // a union whose member is not known here
		}
		if err != nil {
			t.Fatalf("%T cannot be written again: %v", m, err)
		}
		second := blank(m)
		decode(t, enc, again, second)
		if diff := cmp.Diff(got, second, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("%T (-first +second):\n%s", m, diff)
		}
	})
}

// allocated returns how many bytes run allocates.
func allocated(run func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
