package wire

import (
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

var benchOptions = &CallOptions{Timeout: 500 * time.Millisecond}

// The steady state of a call's four steps, each into memory that is there already, allocates nothing.
func TestStepsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector, sync.Pool drops some of what it is given")
	}
	for name, f := range steps(t) {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkAppendCall(b *testing.B)      { benchmark(b, "AppendCall") }
func BenchmarkParseCallHeader(b *testing.B) { benchmark(b, "ParseCallHeader") }
func BenchmarkAppendReply(b *testing.B)     { benchmark(b, "AppendReply") }
func BenchmarkDecodeReply(b *testing.B)     { benchmark(b, "DecodeReply") }

// These have a string of 64 KiB.
func BenchmarkAppendLargeCall(b *testing.B)    { benchmark(b, "AppendCall, large") }
func BenchmarkAppendCallSplices(b *testing.B)  { benchmark(b, "AppendCallSplices") }
func BenchmarkAppendReplySplices(b *testing.B) { benchmark(b, "AppendReplySplices") }

func benchmark(b *testing.B, name string) {
	f := steps(b)[name]
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}

// steps returns what happens to a call with a small struct, between a client's user and a server's handler.
func steps(t testing.TB) map[string]func() {
	d := new(Dialect)
	args := &echoed{Text: "a small struct", Number: 7}
	result := &echoed{Text: args.Text, result: true}
	call := &rpc.Call{ID: 1, Handler: &rpc.Handler{Method: echo}}

	frame, err := d.AppendCall(nil, 1, echo, args, benchOptions)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := ParseFrameHeader(frame)
	header := frame[FrameHeaderSize : FrameHeaderSize+int(f.HeaderLen)]
	reply := d.AppendReply(nil, call, rpc.Reply{Result: result})
	r, _ := ParseFrameHeader(reply)
	into := new(echoed)
	buf := make([]byte, 0, 1024)
	large, room, list := &echoed{Text: noise(64 << 10)}, make([]byte, 0, 128<<10), make(codec.Splices, 0, 4)

	return map[string]func(){
		"AppendCall, large": func() {
			if _, err := d.AppendCall(room, 1, echo, large, benchOptions); err != nil {
				t.Fatal(err)
			}
		},
		"AppendCallSplices": func() {
			if _, s, err := d.AppendCallSplices(buf, list, 1, echo, large, benchOptions); err != nil || len(s) != 1 {
				t.Fatal(len(s), err)
			}
		},
		"AppendReplySplices": func() {
			if _, s, _ := d.AppendReplySplices(buf, list, call, rpc.Reply{Result: large}); len(s) != 1 {
				t.Fatal(len(s))
			}
		},
		"AppendCall": func() {
			if _, err := d.AppendCall(buf, 1, echo, args, benchOptions); err != nil {
				t.Fatal(err)
			}
		},
		"ParseCallHeader": func() {
			if _, err := ParseCallHeader(header); err != nil {
				t.Fatal(err)
			}
		},
		"AppendReply": func() {
			if out := d.AppendReply(buf, call, rpc.Reply{Result: result}); len(out) != len(reply) {
				t.Fatal(len(out))
			}
		},
		"DecodeReply": func() {
			if err := d.DecodeReply(echo, r, reply[FrameHeaderSize:], into); err != nil {
				t.Fatal(err)
			}
		},
	}
}
