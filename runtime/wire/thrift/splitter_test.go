package thrift

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// split feeds b in pieces whose sizes cycle through chunks (no chunks: all at once) and returns the messages.
func split(t testing.TB, d *Dialect, b []byte, chunks ...int) (msgs [][]byte, partial bool, err error) {
	t.Helper()
	s := NewSplitter(d)
	for i := 0; len(b) > 0; i++ {
		size := len(b)
		if len(chunks) > 0 {
			size = min(size, max(chunks[i%len(chunks)], 1))
		}
		piece := bytes.Clone(b[:size])
		for rest := piece; len(rest) > 0; {
			n, msg, err := s.Next(rest)
			if err != nil {
				if n2, msg2, err2 := s.Next(rest); n2 != 0 || msg2 != nil || err2 != err {
					t.Fatalf("after the error %v: %d, %x, %v", err, n2, msg2, err2)
				}
				return msgs, s.Partial(), err
			}
			if msg == nil && n != len(rest) {
				t.Fatalf("%d of %d bytes taken, and no message", n, len(rest))
			}
			if msg != nil {
				msgs = append(msgs, msg)
			}
			rest = rest[n:]
		}
		clear(piece) // whoever kept it is found out
		b = b[size:]
	}
	return msgs, s.Partial(), nil
}

func equalMessages(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// Pipelined messages come out the same however the bytes were cut.
func TestSplitterChunks(t *testing.T) {
	for _, tt := range dialects {
		t.Run(tt.name, func(t *testing.T) {
			var all []byte
			var want [][]byte
			for _, s := range []string{tt.call, tt.oneway, tt.exception, tt.call} {
				b := unhex(t, s)
				all = append(all, b...)
				if tt.dialect.framed() {
					b = b[4:]
				}
				want = append(want, b)
			}
			for size := 1; size <= len(all); size++ {
				msgs, partial, err := split(t, &tt.dialect, all, size)
				if err != nil || partial || !equalMessages(msgs, want) {
					t.Fatalf("in pieces of %d: %x, partial %v, %v", size, msgs, partial, err)
				}
			}
			for cut := 1; cut < len(all)/4; cut++ {
				if _, partial, err := split(t, &tt.dialect, all[:cut]); err != nil || !partial {
					t.Fatalf("the first %d bytes: partial %v, %v", cut, partial, err)
				}
			}
		})
	}
}

func TestSplitterRefuses(t *testing.T) {
	deep := strings.Repeat("0c0001", 100) // binary: structs in field 1 of structs
	small := Dialect{Encoding: codec.Binary, Strict: true, MaxMessage: 100}
	for _, tt := range []struct {
		name  string
		d     Dialect
		bytes string
	}{
		{"frame of 0", Dialect{Framed: true}, "00000000"},
		{"negative frame", Dialect{Framed: true}, "80000000"},
		{"frame of -1", Dialect{Header: true}, "ffffffff"},
		{"frame over the default", Dialect{Framed: true}, "00fa0001"},
		{"frame over the limit", Dialect{Framed: true, MaxFrame: 26}, "0000001b"},
		{"negative name", Dialect{Strict: true}, "80010001 80000000"},
		{"long name", Dialect{}, "00000101"},
		{"long compact name", Dialect{Encoding: codec.Compact}, "82 21 00 8102"},
		{"no version", Dialect{Encoding: codec.Compact}, "0000"},
		{"negative string", Dialect{Strict: true}, "80010001 00000000 00000000 | 0b0001 ffffffff"},
		{"string over the limit", small, "80010001 00000000 00000000 | 0b0001 00000060"},
		{"list over the limit", small, "80010001 00000000 00000000 | 0f0001 0a 00000040"},
		{"negative map", small, "80010001 00000000 00000000 | 0d0001 0a0a 80000001"},
		{"depth", Dialect{Strict: true}, "80010001 00000000 00000000 |" + deep},
		{"depth, compact", Dialect{Encoding: codec.Compact}, "82 21 00 00 |" + strings.Repeat("1c", 100)},
		{"depth of lists", Dialect{Encoding: codec.Compact}, "82 21 00 00 19 |" + strings.Repeat("19", 100)},
		{"unknown type", Dialect{Strict: true}, "80010001 00000000 00000000 | 050001"},
		{"second message", Dialect{Strict: true}, "80010001 00000000 00000000 00 | 47455420"},
	} {
		b := unhex(t, tt.bytes)
		for _, size := range []int{len(b), 1, 3} {
			if _, partial, err := split(t, &tt.d, b, size); err == nil {
				t.Errorf("%s: no error in pieces of %d (partial %v)", tt.name, size, partial)
			}
		}
	}
	// The limits themselves are allowed.
	if _, _, err := split(t, &Dialect{Framed: true}, unhex(t, "00fa0000")); err != nil {
		t.Error(err)
	}
	exact := unhex(t, "80010001 00000000 00000000 | 0b0001 00000050"+strings.Repeat("61", 80)+"00")
	if msgs, _, err := split(t, &small, exact, 7); err != nil || len(msgs) != 1 || len(exact) != small.MaxMessage {
		t.Errorf("a message of %d bytes: %d messages, %v", len(exact), len(msgs), err)
	}
}

// allocated returns the heap bytes that f allocates, in its goroutine or elsewhere.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A declared length costs nothing; what arrives costs in proportion.
func TestSplitterMemory(t *testing.T) {
	frame := binary.BigEndian.AppendUint32(nil, DefaultMaxFrame)
	str := unhex(t, "80010001 00000004 6563686f 00000007 | 0b0001 03f00000") // a string of 63 MiB
	for _, tt := range []struct {
		d     Dialect
		start []byte
	}{
		{Dialect{Framed: true, Strict: true}, frame},
		{Dialect{Header: true}, frame},
		{Dialect{Strict: true}, str},
	} {
		for _, sent := range []int{1, 5000, 1 << 20} {
			b := append(bytes.Clone(tt.start), make([]byte, sent)...)
			got := allocated(func() {
				s := NewSplitter(&tt.d)
				for rest := b; len(rest) > 0; {
					n, msg, err := s.Next(rest[:min(len(rest), 1000)])
					if err != nil || msg != nil {
						t.Fatal(n, msg, err)
					}
					rest = rest[n:]
				}
			})
			if limit := uint64(4*len(b) + 16<<10); got > limit {
				t.Errorf("%v: %d bytes arrived, %d were allocated, at most %d expected", &tt.d, len(b), got, limit)
			}
		}
	}
}

// A message that arrives whole is copied once, into memory of its size.
func TestSplitterAllocs(t *testing.T) {
	for _, tt := range dialects {
		b := unhex(t, tt.call)
		s := NewSplitter(&tt.dialect)
		if n := testing.AllocsPerRun(100, func() {
			if _, msg, err := s.Next(b); err != nil || msg == nil {
				t.Fatal(msg, err)
			}
		}); n != 1 {
			t.Errorf("%s: %v allocations for a message", tt.name, n)
		}
	}
}

func FuzzFrameSplit(f *testing.F) {
	for i, tt := range dialects {
		b := unhex(f, tt.call+tt.oneway+tt.reply)
		f.Add(b, byte(i), byte(1), byte(7))
		f.Add(append(b, 0xff, 0xff, 0xff, 0xff, 0xff), byte(i), byte(3), byte(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, which, x, y byte) {
		d := dialects[int(which)%len(dialects)].dialect
		d.MaxFrame, d.MaxMessage = 1<<16, 1<<16
		whole, partial, err := split(t, &d, b)
		total := 0
		for _, m := range whole {
			total += len(m)
			if len(m) > 1<<16 {
				t.Fatalf("a message of %d bytes", len(m))
			}
		}
		if err == nil && !partial && !d.framed() && total != len(b) {
			t.Fatalf("%d bytes in, %d out", len(b), total)
		}
		for _, chunks := range [][]int{{1}, {int(x)}, {int(x), int(y)}} {
			msgs, p, e := split(t, &d, b, chunks...)
			if !equalMessages(msgs, whole) || (e == nil) != (err == nil) || e == nil && p != partial {
				t.Fatalf("in pieces of %v: %x, partial %v, %v; at once %x, partial %v, %v", chunks, msgs, p, e, whole, partial, err)
			}
		}
	})
}
