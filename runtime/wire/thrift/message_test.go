package thrift

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// text is a struct with one string, of field 1 in arguments and of field 0 in results.
type text struct {
	id int16
	s  string
}

func (t *text) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(t.id, t.s)
	e.EndStruct(outer)
}

func (t *text) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.ID == t.id && f.Type == codec.String {
			t.s = d.String()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

// nothing is a struct without fields.
type nothing struct{}

func (nothing) EncodeThrift(e *codec.Encoder) { e.EndStruct(e.BeginStruct()) }

// unsendable fails to encode, after it has written something.
type unsendable struct{}

func (unsendable) EncodeThrift(e *codec.Encoder) {
	e.BeginStruct()
	e.I32Field(1, 1)
	e.Fail(errors.New("no such enum value"))
}

var (
	echo = &rpc.Method{Service: "Echo", Name: "echo", FullName: "Echo.echo"}
	ping = &rpc.Method{Service: "Echo", Name: "ping", FullName: "Echo.ping", Oneway: true}
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Map(func(r rune) rune {
		if r == ' ' || r == '|' || r == '\n' || r == '\t' {
			return -1
		}
		return r
	}, s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dialects holds the same four messages in every dialect, written by hand from the specifications:
// a call echo("hi") with sequence id 7, the oneway call ping() with 8, the reply "ho" to the first, and an exception of
// type 1 with the text "no" in its place.
var dialects = []struct {
	name                           string
	dialect                        Dialect
	call, oneway, reply, exception string
}{{
	"unframed binary", Dialect{Encoding: codec.Binary, Strict: true},
	"80010001 00000004 6563686f 00000007 | 0b 0001 00000002 6869 00",
	"80010004 00000004 70696e67 00000008 | 00",
	"80010002 00000004 6563686f 00000007 | 0b 0000 00000002 686f 00",
	"80010003 00000004 6563686f 00000007 | 0b 0001 00000002 6e6f 08 0002 00000001 00",
}, {
	"unframed non-strict binary", Dialect{Encoding: codec.Binary},
	"00000004 6563686f 01 00000007 | 0b 0001 00000002 6869 00",
	"00000004 70696e67 04 00000008 | 00",
	"00000004 6563686f 02 00000007 | 0b 0000 00000002 686f 00",
	"00000004 6563686f 03 00000007 | 0b 0001 00000002 6e6f 08 0002 00000001 00",
}, {
	"unframed compact", Dialect{Encoding: codec.Compact},
	"82 21 07 04 6563686f | 18 02 6869 00",
	"82 81 08 04 70696e67 | 00",
	"82 41 07 04 6563686f | 08 00 02 686f 00",
	"82 61 07 04 6563686f | 18 02 6e6f 15 02 00",
}, {
	"framed binary", Dialect{Framed: true, Encoding: codec.Binary, Strict: true},
	"0000001a | 80010001 00000004 6563686f 00000007 | 0b 0001 00000002 6869 00",
	"00000011 | 80010004 00000004 70696e67 00000008 | 00",
	"0000001a | 80010002 00000004 6563686f 00000007 | 0b 0000 00000002 686f 00",
	"00000021 | 80010003 00000004 6563686f 00000007 | 0b 0001 00000002 6e6f 08 0002 00000001 00",
}, {
	"framed non-strict binary", Dialect{Framed: true, Encoding: codec.Binary},
	"00000017 | 00000004 6563686f 01 00000007 | 0b 0001 00000002 6869 00",
	"0000000e | 00000004 70696e67 04 00000008 | 00",
	"00000017 | 00000004 6563686f 02 00000007 | 0b 0000 00000002 686f 00",
	"0000001e | 00000004 6563686f 03 00000007 | 0b 0001 00000002 6e6f 08 0002 00000001 00",
}, {
	"framed compact", Dialect{Framed: true, Encoding: codec.Compact},
	"0000000d | 82 21 07 04 6563686f | 18 02 6869 00",
	"00000009 | 82 81 08 04 70696e67 | 00",
	"0000000e | 82 41 07 04 6563686f | 08 00 02 686f 00",
	"0000000f | 82 61 07 04 6563686f | 18 02 6e6f 15 02 00",
}, {
	"THeader binary", Dialect{Framed: true, Header: true, Encoding: codec.Binary, Strict: true},
	"00000028 | 0fff 0000 00000007 0001 | 00 00 0000 | 80010001 00000004 6563686f 00000007 | 0b 0001 00000002 6869 00",
	"0000001f | 0fff 0000 00000008 0001 | 00 00 0000 | 80010004 00000004 70696e67 00000008 | 00",
	"00000028 | 0fff 0000 00000007 0001 | 00 00 0000 | 80010002 00000004 6563686f 00000007 | 0b 0000 00000002 686f 00",
	"0000002f | 0fff 0000 00000007 0001 | 00 00 0000 | 80010003 00000004 6563686f 00000007 | 0b 0001 00000002 6e6f 08 0002 00000001 00",
}, {
	"THeader compact", Dialect{Framed: true, Header: true, Encoding: codec.Compact},
	"0000001b | 0fff 0000 00000007 0001 | 02 00 0000 | 82 21 07 04 6563686f | 18 02 6869 00",
	"00000017 | 0fff 0000 00000008 0001 | 02 00 0000 | 82 81 08 04 70696e67 | 00",
	"0000001c | 0fff 0000 00000007 0001 | 02 00 0000 | 82 41 07 04 6563686f | 08 00 02 686f 00",
	"0000001d | 0fff 0000 00000007 0001 | 02 00 0000 | 82 61 07 04 6563686f | 18 02 6e6f 15 02 00",
}}

// one returns the single message that b is.
func one(t testing.TB, d *Dialect, b []byte) []byte {
	t.Helper()
	n, msg, err := NewSplitter(d).Next(b)
	if err != nil || n != len(b) || msg == nil {
		t.Fatalf("Next = %d, %x, %v; want the whole of %x", n, msg, err, b)
	}
	return msg
}

// open makes a call of one message, as the reader and then a worker do.
func open(t testing.TB, d *Dialect, b []byte) *rpc.Call {
	t.Helper()
	c := new(rpc.Call)
	if err := d.ReadCall(one(t, d, b), c); err != nil {
		t.Fatal(err)
	}
	if err := d.Open(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBytesOnTheWire(t *testing.T) {
	for _, tt := range dialects {
		t.Run(tt.name, func(t *testing.T) {
			call, oneway, reply, exception := unhex(t, tt.call), unhex(t, tt.oneway), unhex(t, tt.reply), unhex(t, tt.exception)
			d := &tt.dialect

			// The client writes.
			got, err := d.AppendCall([]byte("x"), 7, "echo", echo, &text{1, "hi"})
			if want := append([]byte("x"), call...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("call is\n%x, %v, want\n%x", got, err, want)
			}
			if got, err := d.AppendCall(nil, 8, "ping", ping, nothing{}); err != nil || !bytes.Equal(got, oneway) {
				t.Errorf("oneway call is\n%x, %v, want\n%x", got, err, oneway)
			}

			// The server's detection finds the dialect, and reads.
			det, need, err := Detect(call)
			if need != 0 || err != nil || det.Kind != Thrift {
				t.Fatalf("Detect = %v, %d, %v", det, need, err)
			}
			s := &det.Dialect
			c := open(t, s, call)
			if c.ID != 7 || c.Name != "echo" || c.Oneway || c.Encoding != d.Encoding || c.Dialect != rpc.Dialect(s) {
				t.Errorf("call is %+v", c)
			}
			var args = text{id: 1}
			dec := codec.NewDecoder(c.Encoding, c.Body)
			if args.DecodeThrift(dec); dec.Err() != nil || args.s != "hi" || dec.Remaining() != 0 {
				t.Errorf("arguments are %q, %v", args.s, dec.Err())
			}
			if c := open(t, s, oneway); c.ID != 8 || c.Name != "ping" || !c.Oneway {
				t.Errorf("oneway call is %+v", c)
			} else if b := s.AppendReply(nil, c, rpc.Reply{Err: rpc.NewError(rpc.Internal, "x")}); b != nil {
				t.Errorf("a oneway call is answered: %x", b)
			}

			// The server writes.
			if got := s.AppendReply([]byte("x"), c, rpc.Reply{Err: &rpc.Error{Code: rpc.Unimplemented, Message: "no", Execution: rpc.NotExecuted}}); !bytes.Equal(got, append([]byte("x"), exception...)) {
				t.Errorf("exception is\n%x, want\n%x", got[1:], exception)
			}
			c.Handler = &rpc.Handler{Method: echo}
			if got := s.AppendReply([]byte("x"), c, rpc.Reply{Result: &text{0, "ho"}}); !bytes.Equal(got, append([]byte("x"), reply...)) {
				t.Errorf("reply is\n%x, want\n%x", got[1:], reply)
			}

			// The client reads.
			r, err := d.ReadReply(one(t, d, reply))
			if err != nil || r.Seq != 7 || string(r.Name) != "echo" {
				t.Fatalf("reply is %+v, %v", r, err)
			}
			result := text{id: 0}
			if err := r.Decode(&result); err != nil || result.s != "ho" {
				t.Errorf("result is %q, %v", result.s, err)
			}
			if r, err = d.ReadReply(one(t, d, exception)); err != nil || r.Seq != 7 {
				t.Fatalf("exception is %+v, %v", r, err)
			}
			var e *rpc.Error
			if !errors.As(r.Decode(&result), &e) || e.Code != rpc.Unimplemented || e.Message != "no" || e.Execution != rpc.NotExecuted || !e.Remote {
				t.Errorf("exception is %+v", e)
			}
		})
	}
}

// A message of the wrong direction, or of a type that does not exist, ends the connection on either side.
func TestMessageTypes(t *testing.T) {
	for _, tt := range dialects {
		d := &tt.dialect
		for _, b := range []string{tt.reply, tt.exception} {
			if err := d.ReadCall(one(t, d, unhex(t, b)), new(rpc.Call)); err == nil {
				t.Errorf("%s: the server takes a reply for a call", tt.name)
			}
		}
		for _, b := range []string{tt.call, tt.oneway} {
			if _, err := d.ReadReply(one(t, d, unhex(t, b))); err == nil {
				t.Errorf("%s: the client takes a call for a reply", tt.name)
			}
		}
	}
	for typ := range 256 {
		msg := unhex(t, "80010000 00000004 6563686f 00000007 00")
		msg[3] = byte(typ)
		d := &Dialect{Framed: true, Encoding: codec.Binary, Strict: true}
		err := d.ReadCall(msg, new(rpc.Call))
		if ok := typ == 1 || typ == 4; (err == nil) != ok {
			t.Errorf("binary message type %d: %v", typ, err)
		}
		if typ < 8 {
			d := &Dialect{Framed: true, Encoding: codec.Compact}
			err := d.ReadCall([]byte{0x82, byte(typ<<5 | 1), 0, 0, 0}, new(rpc.Call))
			if ok := typ == 1 || typ == 4; (err == nil) != ok {
				t.Errorf("compact message type %d: %v", typ, err)
			}
		}
	}
}

func TestEnvelopeLimits(t *testing.T) {
	long := strings.Repeat("n", MaxName)
	for _, tt := range dialects {
		d := &tt.dialect
		b, err := d.AppendCall(nil, -1, long, echo, nothing{})
		if err != nil {
			t.Fatal(err)
		}
		if c := open(t, d, b); c.Name != long || c.ID != 0xffffffff {
			t.Errorf("%s: name of %d bytes, id %#x", tt.name, len(c.Name), c.ID)
		}
		var e *rpc.Error
		if b, err := d.AppendCall([]byte("x"), 1, long+"n", echo, nothing{}); !errors.As(err, &e) || e.Execution != rpc.NotExecuted || string(b) != "x" {
			t.Errorf("%s: a name that is too long gives %q, %v", tt.name, b, err)
		}
	}
	for _, tt := range []struct {
		name string
		enc  codec.Encoding
		msg  string
	}{
		{"name of 257 bytes, strict", codec.Binary, "80010001 00000101" + strings.Repeat("61", 257) + "00000001 00"},
		{"name of 257 bytes, non-strict", codec.Binary, "00000101" + strings.Repeat("61", 257) + "01 00000001 00"},
		{"name of 257 bytes, compact", codec.Compact, "82 21 01 8102" + strings.Repeat("61", 257) + "00"},
		{"negative name length", codec.Binary, "80010001 ffffffff 6563686f 00000001 00"},
		{"name length beyond 32 bits", codec.Compact, "82 21 01 8080808010 00"},
		{"endless name length", codec.Compact, "82 21 01 808080808080808000 00"},
		{"endless sequence id", codec.Compact, "82 21 ffffffffffff01 00 00"},
		{"version 2", codec.Binary, "80020001 00000004 6563686f 00000007 00"},
		{"compact version 2", codec.Compact, "82 22 07 04 6563686f 00"},
		{"JSON", codec.Binary, "5b 31 2c 22 65 63 68 6f 22 2c"},
		{"nothing", codec.Binary, ""},
		{"ends in the name", codec.Binary, "80010001 00000004 6563"},
		{"ends in the sequence id", codec.Compact, "82 21 ff"},
	} {
		for _, strict := range []bool{true, false} {
			d := &Dialect{Framed: true, Encoding: tt.enc, Strict: strict}
			if err := d.ReadCall(unhex(t, tt.msg), new(rpc.Call)); err == nil {
				t.Errorf("%s: no error", tt.name)
			}
			if _, err := d.ReadReply(unhex(t, tt.msg)); err == nil {
				t.Errorf("%s: no error in a reply", tt.name)
			}
		}
	}
}

// A connection keeps the dialect that it began with.
func TestDialectDoesNotChange(t *testing.T) {
	for _, first := range dialects {
		for _, second := range dialects {
			d, b := first.dialect, unhex(t, second.call)
			if d.framed() != second.dialect.framed() || first.name == second.name || d.Header && second.dialect.Header {
				continue // another framing fails in the splitter, and within THeader each frame says what it holds
			}
			if d.framed() {
				b = b[4:]
			}
			if err := d.ReadCall(b, new(rpc.Call)); err == nil {
				t.Errorf("%s accepts %s", first.name, second.name)
			}
		}
	}
}
