package gentest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/bench"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// kibibyte is a message of about 1 KiB.
func kibibyte() *bench.Msg {
	return &bench.Msg{
		ID:   1 << 40,
		Body: strings.Repeat("b", 640),
		Tags: []string{strings.Repeat("t", 64), strings.Repeat("u", 64), strings.Repeat("v", 64)},
		Attributes: map[string]string{
			"first attribute":  strings.Repeat("x", 64),
			"second attribute": strings.Repeat("y", 64),
		},
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			m := kibibyte()
			e := codec.NewEncoder(enc, nil)
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(enc, e.Bytes()[:0])
				m.EncodeThrift(e)
			}
			if e.Err() != nil {
				b.Fatal(e.Err())
			}
			b.SetBytes(int64(len(e.Bytes())))
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			data := encode(b, enc, kibibyte())
			var d codec.Decoder
			var m bench.Msg
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				d.Reset(enc, data)
				m.DecodeThrift(&d)
			}
			if d.Err() != nil {
				b.Fatal(d.Err())
			}
		})
	}
}

// TestAllocations holds the aims that do not depend on the machine: none to encode, four to decode.
func TestAllocations(t *testing.T) {
	m := kibibyte()
	for _, enc := range encodings {
		e := codec.NewEncoder(enc, make([]byte, 0, 4096))
		if n := testing.AllocsPerRun(100, func() {
			e.Reset(enc, e.Bytes()[:0])
			m.EncodeThrift(e)
		}); n != 0 {
			t.Errorf("%s: %v allocations to encode", enc, n)
		}
		data := encode(t, enc, m)
		if len(data) < 1000 || len(data) > 1100 {
			t.Errorf("%s: the message has %d bytes", enc, len(data))
		}
		var d codec.Decoder
		var got bench.Msg
		if n := testing.AllocsPerRun(100, func() {
			d.Reset(enc, data)
			got.DecodeThrift(&d)
		}); n > 4 {
			t.Errorf("%s: %v allocations to decode", enc, n)
		}
		if diff := cmp.Diff(m, &got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
