package codec_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// TestSplices: a message whose long strings were left out is, with them in their places, what it is without that. Strings
// that are left out are the caller's own, not copies, and binary is never among them.
func TestSplices(t *testing.T) {
	const least = 100
	random := rand.New(rand.NewPCG(64, 64))
	text := func() string { return strings.Repeat("x", random.IntN(3*least)) }
	for range 300 {
		m := &Everything{Int: random.Int32(), Text: text(), Blob: []byte(text()), Child: &Everything{Text: text()}}
		for range random.IntN(5) {
			m.Names = append(m.Names, text())
		}
		long := 0
		for _, s := range append([]string{m.Text, m.Child.Text}, m.Names...) {
			if len(s) >= least {
				long++
			}
		}
		for _, enc := range encodings {
			want := encode(t, enc, m)
			prefix := []byte("what was there before")
			e := codec.NewEncoder(enc, prefix)
			e.SpliceFrom(least, nil)
			m.EncodeThrift(e)
			splices := e.Splices()
			if e.Err() != nil || len(splices) != long {
				t.Fatalf("%s: %d splices, want %d; error %v", enc, len(splices), long, e.Err())
			}
			got := splices.AppendTo(nil, e.Bytes())
			if len(got) != len(e.Bytes())+splices.Size() || !bytes.Equal(got, append(prefix, want...)) {
				t.Fatalf("%s: the message differs", enc)
			}
			for _, s := range splices {
				if len(s.Text) < least {
					t.Errorf("a splice of %d bytes", len(s.Text))
				}
			}
		}
	}
}

// TestSplicesEnd: Reset ends what SpliceFrom began, and an error's offset counts what was left out.
func TestSplicesEnd(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, enc := range encodings {
		e := codec.NewEncoder(enc, nil)
		e.String(long)
		e.List(codec.Bool, -1)
		want := e.Err().(*codec.Error).Offset

		e.Reset(enc, nil)
		e.SpliceFrom(1000, make(codec.Splices, 0, 1))
		e.String(long)
		e.List(codec.Bool, -1)
		if got := e.Err().(*codec.Error).Offset; got != want {
			t.Errorf("%s: offset %d, want %d", enc, got, want)
		}
		if e.String(long); len(e.Splices()) != 1 {
			t.Errorf("%s: %d splices after an error", enc, len(e.Splices()))
		}
		e.Reset(enc, nil)
		if e.String(long); len(e.Splices()) != 0 || len(e.Bytes()) < len(long) {
			t.Errorf("%s: %d splices, %d bytes after Reset", enc, len(e.Splices()), len(e.Bytes()))
		}
	}
}
