package server_test

import (
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// For tests that speak to the server without a client.

// one is an argument struct with v as its field 1.
type one struct{ v codec.Encodable }

func (o one) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.Field(1, codec.Struct)
	o.v.EncodeThrift(e)
	e.EndStruct(outer)
}

// size32 is an argument struct {1: i32}.
type size32 int32

func (s size32) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I32Field(1, int32(s))
	e.EndStruct(outer)
}

// text is an argument struct {1: string}.
type text string

func (s text) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(1, string(s))
	e.EndStruct(outer)
}

// raw is an encoded struct.
type raw []byte

func (b raw) EncodeThrift(*codec.Encoder) { panic("raw bodies are not encoded") }

func method(name string) *rpc.Method {
	return &rpc.Method{Service: "Echo", Name: name, FullName: "Echo." + name, Oneway: name == "note"}
}

// nativeCall appends a Call frame for a method of Echo.
func nativeCall(t testing.TB, id uint64, name string, args codec.Encodable, dst []byte) []byte {
	t.Helper()
	switch args.(type) {
	case size32, text:
	default:
		args = one{args}
	}
	b, err := new(wire.Dialect).AppendCall(dst, id, method(name), args, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// frame is one frame of what a server has sent.
type frame struct {
	header  wire.FrameHeader
	payload []byte
}

// frames takes apart what a server has sent, from its preamble on.
func frames(t testing.TB, b []byte) (all []frame) {
	t.Helper()
	if _, ok, err := wire.ParsePreamble(b); !ok || err != nil {
		t.Fatalf("no preamble: %v, %d bytes", err, len(b))
	}
	for b = b[wire.PreambleSize:]; len(b) > 0; {
		h, ok := wire.ParseFrameHeader(b)
		if !ok || len(b) < wire.FrameHeaderSize+int(h.Length) {
			t.Fatalf("the last frame is cut off: %d bytes", len(b))
		}
		end := wire.FrameHeaderSize + int(h.Length)
		all = append(all, frame{h, b[wire.FrameHeaderSize:end]})
		b = b[end:]
	}
	return all
}
