package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// letters is a result of several strings.
type letters struct {
	texts []string
	fail  error
}

func (m *letters) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	for i, s := range m.texts {
		e.StringField(int16(i+1), s)
	}
	e.Fail(m.fail)
	e.EndStruct(outer)
}

// noise returns a string that cannot be compressed.
func noise(n int) string {
	b := make([]byte, n)
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}

// TestSplicedFrames: with the strings that are left out of them in their places, frames are what they are in one piece. Those
// that are compressed, or too large, or errors, are in one piece.
func TestSplicedFrames(t *testing.T) {
	short, text := noise(SpliceSize-1), noise(SpliceSize)
	always, never := *echo, *echo
	always.Compress, never.Compress = rpc.CompressSnappy, rpc.CompressNone
	for _, tc := range []struct {
		name   string
		d      Dialect
		m      *rpc.Method
		args   letters
		pieces int
	}{
		{"empty", Dialect{}, echo, letters{}, 0},
		{"just not", Dialect{}, echo, letters{texts: []string{short}}, 0},
		{"one", Dialect{}, echo, letters{texts: []string{text}}, 1},
		{"many", Dialect{}, echo, letters{texts: []string{"a", text, short, text, text, "", text, text}}, 5},
		{"too short for the threshold", Dialect{Threshold: 1 << 20}, echo, letters{texts: []string{long(100_000)}}, 1},
		{"compressible", Dialect{}, echo, letters{texts: []string{long(100_000)}}, 0},
		{"compressible but for a little", Dialect{}, echo, letters{texts: []string{long(100_000), text}}, 0},
		{"nearly incompressible", Dialect{}, echo, letters{texts: []string{noise(400_000), long(SpliceSize)}}, 2},
		{"compressible, in short strings", Dialect{}, echo, letters{texts: []string{text, long(15_000), long(15_000)}}, 0},
		{"compression wanted", Dialect{Threshold: -1}, &always, letters{texts: []string{long(100_000)}}, 0},
		{"wanted in vain", Dialect{}, &always, letters{texts: []string{noise(100_000)}}, 1},
		{"compression off", Dialect{}, &never, letters{texts: []string{long(100_000)}}, 1},
		{"too long for a frame", Dialect{MaxFrame: 50_000}, echo, letters{texts: []string{noise(60_000)}}, 0},
		{"too long for a message", Dialect{MaxMessage: 50_000}, echo, letters{texts: []string{noise(60_000)}}, 0},
		{"compressed, a frame has room", Dialect{MaxFrame: 50_000}, &always, letters{texts: []string{long(60_000)}}, 0},
		{"failing", Dialect{}, echo, letters{texts: []string{text}, fail: errors.New("no")}, 0},
	} {
		for _, enc := range []codec.Encoding{codec.Binary, codec.Compact} {
			t.Run(fmt.Sprint(tc.name, " ", enc), func(t *testing.T) {
				d := tc.d
				d.Encoding = enc
				o := &CallOptions{Number: 77}
				old := append(make(codec.Splices, 0, 4), codec.Splice{At: 1, Text: "of another call"})
				want, wantErr := d.AppendCall([]byte("before"), 5, tc.m, &tc.args, o)
				b, splices, err := d.AppendCallSplices([]byte("before"), old, 5, tc.m, &tc.args, o)
				if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
					t.Fatalf("error %v, want %v", err, wantErr)
				}
				if got := splices.AppendTo(nil, b); !bytes.Equal(got, want) || len(splices) != tc.pieces {
					t.Errorf("call: %d bytes with %d splices, want %d with %d", len(got), len(splices), len(want), tc.pieces)
				}

				c := &rpc.Call{ID: 5, Encoding: enc, Handler: &rpc.Handler{Method: tc.m}}
				r := rpc.Reply{Result: &tc.args}
				want, wantReport := d.AppendReplyReport([]byte("before"), c, r)
				b, splices, report := d.AppendReplySplices([]byte("before"), old, c, r)
				if got := splices.AppendTo(nil, b); !bytes.Equal(got, want) || len(splices) != tc.pieces {
					t.Errorf("reply: %d bytes with %d splices, want %d with %d", len(got), len(splices), len(want), tc.pieces)
				}
				if report.Plain != wantReport.Plain || fmt.Sprint(report.Err) != fmt.Sprint(wantReport.Err) {
					t.Errorf("report %+v, want %+v", report, wantReport)
				}
				split(t, bytes.TrimPrefix(want, []byte("before"))) // whole, and nothing behind it
			})
		}
	}
}
