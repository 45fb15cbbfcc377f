package server_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
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

// rawCall appends a Call frame whose body is given as it is to travel.
func rawCall(id uint64, name string, h wire.CallHeader, body, dst []byte) []byte {
	h.Method = []byte(method(name).FullName)
	header := wire.AppendCallHeader(nil, &h)
	dst = wire.AppendFrameHeader(dst, wire.FrameHeader{
		Length: uint32(len(header) + len(body)), Kind: wire.KindCall, HeaderLen: uint16(len(header)), Stream: id})
	return append(append(dst, header...), body...)
}

// preamble returns a client's.
func preamble() []byte { return wire.AppendPreamble(nil, wire.Preamble{}) }

// thriftCall returns a whole message. args are one of ours, or an encoded struct.
func thriftCall(t testing.TB, d thrift.Dialect, seq int32, name string, args any) []byte {
	t.Helper()
	if body, ok := args.([]byte); ok {
		return thriftRaw(t, d, seq, name, body)
	}
	b, err := d.AppendCall(nil, seq, name, method(name), args.(codec.Encodable))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// empty is a struct without fields: one byte, in every encoding.
type empty struct{}

func (empty) EncodeThrift(e *codec.Encoder) { e.EndStruct(e.BeginStruct()) }

// thriftRaw returns a message with an encoded struct as its arguments.
func thriftRaw(t testing.TB, d thrift.Dialect, seq int32, name string, body []byte) []byte {
	t.Helper()
	b, err := d.AppendCall(nil, seq, name, method(name), empty{})
	if err != nil {
		t.Fatal(err)
	}
	b = append(b[:len(b)-1], body...)
	if d.Framed {
		binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	}
	return b
}

// thriftReply reads one message from a connection, and what it says.
func thriftReply(t testing.TB, d thrift.Dialect, nc net.Conn) (seq int32, err error) {
	t.Helper()
	s := thrift.NewSplitter(&d)
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(nc, b); err != nil {
			t.Fatal(err)
		}
		_, msg, err := s.Next(b)
		if err != nil {
			t.Fatal(err)
		}
		if msg != nil {
			r, err := d.ReadReply(msg)
			if err != nil {
				t.Fatal(err)
			}
			return r.Seq, r.Decode(new(ignored))
		}
	}
}

// ignored is a result that nobody looks at.
type ignored struct{}

func (*ignored) DecodeThrift(d *codec.Decoder) { d.Skip(codec.Struct) }

// nativeReply reads frames from a connection up to the reply of a call.
func nativeReply(t testing.TB, nc net.Conn, id uint64) (frame, error) {
	t.Helper()
	for {
		head := make([]byte, wire.FrameHeaderSize)
		if _, err := io.ReadFull(nc, head); err != nil {
			t.Fatal(err)
		}
		h, _ := wire.ParseFrameHeader(head)
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(nc, payload); err != nil {
			t.Fatal(err)
		}
		switch {
		case h.Kind == wire.KindGoAway:
			g, _ := wire.ParseGoAway(payload)
			t.Fatalf("the connection ends: %+v", g)
		case h.Stream != id:
		case h.Kind == wire.KindError:
			return frame{h, payload}, wire.ParseError(payload)
		default:
			return frame{h, payload}, nil
		}
	}
}

// greeted reads a server's preamble.
func greeted(t testing.TB, nc net.Conn) {
	t.Helper()
	b := make([]byte, wire.PreambleSize)
	if _, err := io.ReadFull(nc, b); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := wire.ParsePreamble(b); !ok || err != nil {
		t.Fatal(err)
	}
}

// farewell returns the GoAway that a native connection ended with, and checks that what follows it is what may: behind one
// with a code, what was ready to be sent for calls that were taken; behind one without, for which all calls have been
// answered, nothing.
func farewell(t testing.TB, sent []byte) wire.GoAway {
	t.Helper()
	var ends []wire.GoAway
	for _, f := range frames(t, sent) {
		if f.header.Kind == wire.KindGoAway {
			g, err := wire.ParseGoAway(f.payload)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, g)
		}
		if n := len(ends); n > 0 && (f.header.Kind != wire.KindGoAway || n > 1) {
			last := ends[0]
			switch f.header.Kind {
			case wire.KindReply, wire.KindError, wire.KindData, wire.KindReset:
				if last.Code != 0 && f.header.Stream <= last.Last {
					continue
				}
			case wire.KindCredit:
				if last.Code != 0 {
					continue
				}
			}
			t.Errorf("%v behind %+v", f.header, last)
		}
	}
	if len(ends) == 0 {
		t.Fatal("it ended without a goaway")
	}
	return ends[0]
}
