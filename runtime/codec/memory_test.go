package codec_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

func TestAllocations(t *testing.T) {
	for _, enc := range encodings {
		m := newMessage()
		buf := encode(t, enc, m)
		var e codec.Encoder
		var d codec.Decoder
		if n := testing.AllocsPerRun(100, func() { e.Reset(enc, buf[:0]); m.EncodeThrift(&e) }); n != 0 {
			t.Errorf("%s: encoding allocates %v times", enc, n)
		}
		if n := testing.AllocsPerRun(100, func() { d.Reset(enc, buf); m.DecodeThrift(&d) }); n > 4 {
			t.Errorf("%s: decoding allocates %v times", enc, n)
		}
		if n := testing.AllocsPerRun(100, func() { d.ResetShared(enc, buf); m.DecodeThrift(&d) }); n > 3 {
			t.Errorf("%s: decoding a shared message allocates %v times", enc, n)
		}
		everything := encode(t, enc, newEverything())
		if n := testing.AllocsPerRun(100, func() { d.Reset(enc, everything); d.Skip(codec.Struct) }); n != 0 {
			t.Errorf("%s: skipping allocates %v times", enc, n)
		}
		if d.Err() != nil {
			t.Error(d.Err())
		}
	}
}

// TestOwnership overwrites the input after decoding: strings must not change, unless they were to be shared.
func TestOwnership(t *testing.T) {
	for _, enc := range encodings {
		e := codec.NewEncoder(enc, nil)
		e.String("before")
		e.Binary([]byte("bytes"))
		e.String("after")
		d := codec.NewDecoder(enc, bytes.Clone(e.Bytes()))
		before, middle, after := d.String(), d.Binary(), d.String()
		if _ = append(middle, "XXXX"...); cap(middle) != 5 {
			t.Errorf("%s: Binary has capacity %d", enc, cap(middle))
		}
		copy(middle, "BYTES")
		b := bytes.Clone(e.Bytes())
		d.Reset(enc, b)
		copied := d.String()
		d.ResetShared(enc, b)
		shared := d.String()
		d.ResetLent(enc, b)
		kept, lent := d.String(), d.Binary()
		copy(b, bytes.Repeat([]byte("#"), len(b)))
		if before != "before" || after != "after" || copied != "before" {
			t.Errorf("%s: copied strings became %q, %q and %q", enc, before, after, copied)
		}
		if kept != "before" || string(lent) != "#####" {
			t.Errorf("%s: of a lent message, the string became %q, the bytes %q", enc, kept, lent)
		}
		if shared != "######" {
			t.Errorf("%s: shared string is %q, not a part of the input", enc, shared)
		}
	}
}

// TestLargeStrings has strings that get an allocation of their own: a message is not copied twice, nor once for each of
// its strings, whatever their order.
func TestLargeStrings(t *testing.T) {
	large, small := strings.Repeat("L", 100<<10), strings.Repeat("s", 100)
	tests := map[string][]string{
		"one":         {large},
		"small first": {small, large},
		"alternating": {small, large, small, large, small},
		"many small":  strings.Split(strings.Repeat(small+" ", 5000), " "),
	}
	for name, values := range tests {
		for _, enc := range encodings {
			e := codec.NewEncoder(enc, nil)
			for _, v := range values {
				e.String(v)
			}
			size := int64(len(e.Bytes()))
			var d codec.Decoder
			limit := size + size/4 + 64<<10 // size classes, and the chunks that reach into a large string
			if got := allocated(limit, func() {
				d.Reset(enc, e.Bytes())
				for i, want := range values {
					if got := d.String(); got != want {
						t.Fatalf("%s: string %d of %d has length %d, error %v", name, i, len(values), len(got), d.Err())
					}
				}
			}); got > limit {
				t.Errorf("%s, %s: %d bytes of strings take %d bytes of memory", name, enc, size, got)
			}
		}
	}
}
