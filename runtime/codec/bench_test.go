package codec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// newMessage returns a Message of about 1 KiB.
func newMessage() *Message {
	return &Message{
		ID:         1234567890123,
		Body:       strings.Repeat("b", 841),
		Tags:       []string{strings.Repeat("x", 24), strings.Repeat("y", 24), strings.Repeat("z", 24)},
		Attributes: map[string]string{"tenant": strings.Repeat("t", 32), "region": strings.Repeat("r", 32)},
	}
}

var encodings = []codec.Encoding{codec.Binary, codec.Compact}

func encode(t testing.TB, enc codec.Encoding, m codec.Encodable) []byte {
	t.Helper()
	e := codec.NewEncoder(enc, nil)
	m.EncodeThrift(e)
	if err := e.Err(); err != nil {
		t.Fatal(err)
	}
	return e.Bytes()
}

func TestMessageRoundTrip(t *testing.T) {
	for _, enc := range encodings {
		want := newMessage()
		b := encode(t, enc, want)
		for _, shared := range []bool{false, true} {
			var d codec.Decoder
			if d.Reset(enc, b); shared {
				d.ResetShared(enc, b)
			}
			var got Message
			got.DecodeThrift(&d)
			if d.Err() != nil || d.Remaining() != 0 {
				t.Fatalf("%s: error %v, %d bytes remain", enc, d.Err(), d.Remaining())
			}
			if diff := cmp.Diff(want, &got); diff != "" {
				t.Errorf("%s, shared %t: %s", enc, shared, diff)
			}
		}
		d := codec.NewDecoder(enc, b)
		if d.Skip(codec.Struct); d.Err() != nil || d.Remaining() != 0 {
			t.Errorf("%s: skip: error %v, %d bytes remain", enc, d.Err(), d.Remaining())
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			m := newMessage()
			var e codec.Encoder
			buf := encode(b, enc, m)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(enc, buf[:0])
				m.EncodeThrift(&e)
			}
			if e.Err() != nil || len(e.Bytes()) != len(buf) {
				b.Fatal(e.Err(), len(e.Bytes()))
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, enc := range encodings {
		for _, shared := range []bool{false, true} {
			name := enc.String() + "/copying"
			if shared {
				name = enc.String() + "/shared"
			}
			b.Run(name, func(b *testing.B) {
				buf := encode(b, enc, newMessage())
				var d codec.Decoder
				var m Message
				b.SetBytes(int64(len(buf)))
				b.ReportAllocs()
				for b.Loop() {
					if shared {
						d.ResetShared(enc, buf)
					} else {
						d.Reset(enc, buf)
					}
					m.DecodeThrift(&d)
				}
				if d.Err() != nil || d.Remaining() != 0 {
					b.Fatal(d.Err(), d.Remaining())
				}
			})
		}
	}
}

func BenchmarkSkip(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			buf := encode(b, enc, newMessage())
			var d codec.Decoder
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				d.Reset(enc, buf)
				d.Skip(codec.Struct)
			}
			if d.Err() != nil || d.Remaining() != 0 {
				b.Fatal(d.Err(), d.Remaining())
			}
		})
	}
}
