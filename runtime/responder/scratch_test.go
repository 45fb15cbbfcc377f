package responder

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// strings of a result.
type letters []string

func (m letters) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	for i, s := range m {
		if s == "panic" {
			panic(s)
		}
		e.StringField(int16(i+1), s)
	}
	e.EndStruct(outer)
}

var plain = &wire.Dialect{Threshold: -1}

func nativeCall(id uint64, body int) *rpc.Call {
	return &rpc.Call{ID: id, Dialect: plain, Body: make([]byte, body)}
}

// wholeFrames reports whether b is whole frames.
func wholeFrames(b []byte) bool {
	for len(b) > 0 {
		h, ok := wire.ParseFrameHeader(b)
		if !ok || len(b) < wire.FrameHeaderSize+int(h.Length) {
			return false
		}
		b = b[wire.FrameHeaderSize+int(h.Length):]
	}
	return true
}

// TestSplicedReplies: replies with long strings leave as if they were in one piece, no Next ends within one, and the strings
// themselves are what is written.
func TestSplicedReplies(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 4))
	r := newResponder(t, newConn(), Options{})
	text := strings.Repeat("a long string; ", 10_000)
	var want, got []byte
	spliced := 0
	take := func() {
		bufs := r.Next(50_000)
		piece := bytes.Join(bufs, nil)
		if !wholeFrames(piece) {
			t.Fatal("what is written together ends within a frame, where a stream's frames would follow")
		}
		for _, b := range bufs {
			if from := unsafe.StringData(text); len(b) > 0 && unsafe.SliceData(b) == from {
				spliced++
			}
		}
		got = append(got, piece...)
		r.Written()
	}
	for id := range uint64(300) {
		m := letters{"", text[:random.IntN(100)], ""}
		if random.IntN(2) == 0 {
			m[random.IntN(3)] = text[:wire.SpliceSize+random.IntN(100_000)]
		}
		c := nativeCall(id+1, 0)
		want = plain.AppendReply(want, c, rpc.Reply{Result: m})
		r.Reply(c, rpc.Reply{Result: m})
		for random.IntN(3) == 0 {
			take()
		}
	}
	for r.Pending() > 0 {
		take()
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes left, want %d others", len(got), len(want))
	}
	if spliced < 100 {
		t.Errorf("%d strings were written from where they are", spliced)
	}
}

// TestSpliceKeepsLittle: a reply that waits for a slow peer does not keep a much longer message in memory, of which its string may
// be a part.
func TestSpliceKeepsLittle(t *testing.T) {
	text := strings.Repeat("x", 20_000)
	for body, pieces := range map[int]int{0: 3, 40_000: 3, 70_000: 3, 100_000: 1, 1 << 20: 1} {
		r := newResponder(t, newConn(), Options{})
		r.Reply(nativeCall(1, body), rpc.Reply{Result: letters{text}})
		if bufs := r.Next(1 << 20); len(bufs) != pieces {
			t.Errorf("the reply of 20,000 bytes to a call of %d is in %d pieces, want %d", body, len(bufs), pieces)
		}
	}
}

// TestSplicePanics: a result that panics behind a long string is answered as any other that panics.
func TestSplicePanics(t *testing.T) {
	r := newResponder(t, newConn(), Options{Logger: slog.New(slog.DiscardHandler)})
	r.Reply(nativeCall(9, 0), rpc.Reply{Result: letters{strings.Repeat("x", 20_000), "panic"}})
	b := bytes.Join(r.Next(1<<20), nil)
	if h, _ := wire.ParseFrameHeader(b); h.Kind != wire.KindError || h.Stream != 9 || !wholeFrames(b) {
		t.Errorf("%d bytes that begin with %+v, want an Error frame", len(b), h)
	}
	r.Written()
	r.Reply(nativeCall(10, 0), rpc.Reply{Result: letters{"x"}}) // with the same scratch, as a rule
	if b := bytes.Join(r.Next(1<<20), nil); !wholeFrames(b) || len(b) > 100 {
		t.Errorf("the next reply has %d bytes", len(b))
	}
}

// TestScratchForgets: what goes back to the pool holds no string of a reply.
func TestScratchForgets(t *testing.T) {
	f, err := NewFactory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &scratch{splices: codec.Splices{{At: 1, Text: "secret"}}}
	f.keepScratch(s)
	if all := s.splices[:cap(s.splices)]; len(s.splices) != 0 || all[0].Text != "" {
		t.Errorf("%+v is kept", all)
	}
}

// TestScratchForgetsTakenBack: not even a string that was left out of a reply at first, and then was not.
func TestScratchForgetsTakenBack(t *testing.T) {
	f, err := NewFactory(Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", wire.SpliceSize)
	for name, test := range map[string]struct {
		dialect *wire.Dialect
		result  letters
	}{
		"compressed": {&wire.Dialect{}, letters{long}},
		"too large":  {&wire.Dialect{Threshold: -1, MaxMessage: 100}, letters{long}},
		"panic":      {plain, letters{long, "panic"}},
	} {
		s := &scratch{splices: make(codec.Splices, 0, 4)}
		c := &rpc.Call{ID: 1, Dialect: test.dialect}
		if f.encode(s, c, rpc.Reply{Result: test.result}, nil); len(s.splices) > 0 {
			t.Errorf("%s: %d strings were left out", name, len(s.splices))
		}
		f.keepScratch(s)
		for _, kept := range s.splices[:cap(s.splices)] {
			if kept.Text != "" {
				t.Errorf("%s: a string of %d bytes is kept", name, len(kept.Text))
			}
		}
	}
}
