package thrift

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"strings"
	"testing"

	"github.com/golang/snappy"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const (
	callEcho  = "80010001 00000004 6563686f 00000007 | 0b 0001 00000002 6869 00"
	replyEcho = "80010002 00000004 6563686f 00000007 | 0b 0000 00000002 686f 00"
)

var theader = Dialect{Header: true}

// frame makes a THeader frame with sequence number 7 of a header after its size, padded here, and a payload.
func frame(t testing.TB, head string, payload []byte) []byte {
	h := unhex(t, head)
	for len(h)%4 != 0 {
		h = append(h, 0)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(10+len(h)+len(payload)))
	b = append(b, unhex(t, "0fff 0000 00000007")...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h)/4))
	return append(append(b, h...), payload...)
}

// stored is b in zlib format, not compressed.
func stored(b []byte) []byte {
	out := []byte{0x78, 0x01, 0x01}
	out = binary.LittleEndian.AppendUint16(out, uint16(len(b)))
	out = binary.LittleEndian.AppendUint16(out, ^uint16(len(b)))
	out = append(out, b...)
	return binary.BigEndian.AppendUint32(out, adler32.Checksum(b))
}

// literal is b, of 60 bytes at most, as one literal of a raw Snappy block.
func literal(b []byte) []byte {
	return append([]byte{byte(len(b)), byte(len(b)-1) << 2}, b...)
}

func snappyStream(b []byte) []byte {
	var out bytes.Buffer
	w := snappy.NewBufferedWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func inflateAll(b []byte) []byte {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	out.ReadFrom(r)
	return out.Bytes()
}

// Calls with transforms are opened by the worker, and their replies have the same transforms in the same form.
func TestTransforms(t *testing.T) {
	call, reply := unhex(t, callEcho), unhex(t, replyEcho)
	block := func(b []byte) []byte { out, _ := snappy.Decode(nil, b); return out }
	for _, tt := range []struct {
		name   string
		ids    string // with their number before them
		pack   func([]byte) []byte
		unpack func([]byte) []byte
	}{
		{"zlib", "01 01", stored, inflateAll},
		{"raw snappy", "01 03", literal, block},
		{"framed snappy", "01 03", snappyStream, func(b []byte) []byte {
			var out bytes.Buffer
			out.ReadFrom(snappy.NewReader(bytes.NewReader(b)))
			return out.Bytes()
		}},
		{"zlib of raw snappy", "02 03 01", func(b []byte) []byte { return stored(literal(b)) }, func(b []byte) []byte { return block(inflateAll(b)) }},
		{"none and zlib", "02 00 01", stored, inflateAll},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &theader
			c := new(rpc.Call)
			if err := d.ReadCall(one(t, d, frame(t, "00"+tt.ids, tt.pack(call))), c); err != nil {
				t.Fatal(err)
			}
			if c.Name != "" || c.ID != 7 {
				t.Errorf("before Open: name %q, id %d", c.Name, c.ID)
			}
			if err := d.Open(c); err != nil {
				t.Fatal(err)
			}
			if c.Name != "echo" || c.ID != 7 || !bytes.Equal(c.Body, call[16:]) {
				t.Errorf("after Open: name %q, id %d, body %x", c.Name, c.ID, c.Body)
			}
			c.Handler = &rpc.Handler{Method: echo}
			got := one(t, d, d.AppendReply(nil, c, rpc.Reply{Result: &text{0, "ho"}}))
			h, payload, err := parseHeader(got)
			if err != nil || h.seq != 7 || h.encoding != codec.Binary || !bytes.Equal(tt.unpack(payload), reply) {
				t.Errorf("reply is %x, %v; its payload %x", got, err, tt.unpack(payload))
			}
			r, err := d.ReadReply(got)
			result := text{id: 0}
			if err != nil || r.Seq != 7 || r.Decode(&result) != nil || result.s != "ho" {
				t.Errorf("reply reads as %+v, %q, %v", r, result.s, err)
			}
		})
	}
}

// A client's transforms and info headers arrive.
func TestClientHeader(t *testing.T) {
	info := AppendInfo(AppendInfo(nil, "trace-id", "42"), "Empty", "")
	for _, transforms := range [][]Transform{nil, {Zlib}, {Snappy}, {Zlib, Snappy}, {Snappy, Zlib}} {
		for _, enc := range []codec.Encoding{codec.Binary, codec.Compact} {
			d := &Dialect{Header: true, Encoding: enc, Strict: true, Transforms: transforms, Info: info}
			long := strings.Repeat("0123456789", 1000)
			b, err := d.AppendCall(nil, -7, "Echo:echo", echo, &text{1, long})
			if err != nil {
				t.Fatal(err)
			}
			if len(transforms) > 0 && len(b) > 2000 {
				t.Errorf("%v: %d bytes", transforms, len(b))
			}
			c := open(t, &theader, b)
			if c.Name != "Echo:echo" || int32(c.ID) != -7 || !bytes.Equal(c.Metadata, info) {
				t.Errorf("%v: name %q, id %d, metadata %q", transforms, c.Name, int32(c.ID), c.Metadata)
			}
			args := text{id: 1}
			dec := codec.NewDecoder(c.Encoding, c.Body)
			if args.DecodeThrift(dec); dec.Err() != nil || args.s != long {
				t.Errorf("%v: %d bytes of arguments, %v", transforms, len(args.s), dec.Err())
			}
			// A multiplexed call is answered by the bare name, which is what clients compare it with.
			r, err := d.ReadReply(one(t, d, theader.AppendReply(nil, c, rpc.Reply{Result: &text{0, long}})))
			result := text{id: 0}
			if err != nil || r.Seq != -7 || string(r.Name) != "echo" || r.Decode(&result) != nil || result.s != long {
				t.Errorf("%v: reply %d %q with %d bytes, %v", transforms, r.Seq, r.Name, len(result.s), err)
			}
		}
	}
	for _, d := range []Dialect{
		{Header: true, Transforms: []Transform{2}},
		{Header: true, Transforms: make([]Transform, 5)},
		{Header: true, Info: make([]byte, MaxInfoBytes+1)},
		{Header: true, Info: make([]byte, 2*(MaxInfoPairs+1))},
	} {
		if b, err := d.AppendCall(nil, 1, "echo", echo, nothing{}); err == nil || b != nil {
			t.Errorf("%+v: %x, %v", d, b, err)
		}
	}
}

func TestInfoHeaders(t *testing.T) {
	pairs := func(n int) string { return strings.Repeat("01 6b 01 76", n) }
	for _, tt := range []struct {
		name, head string
		want       string // the pairs
		refused    rpc.Code
	}{
		{"none", "00 00", "", 0},
		{"one", "00 00 01 01 01 61 02 6262", "a=bb ", 0},
		{"two, one of them empty", "00 00 01 02 01 61 00 00 01 62", "a= =b ", 0},
		{"two blocks", "00 00 01 01 01 61 01 62 01 01 01 63 01 64", "a=b c=d ", 0},
		{"padding ends them", "00 00 01 01 01 61 01 62 00 00 01 01 01 63 01 64", "a=b ", 0},
		{"an unknown id ends them", "00 00 01 01 01 61 01 62 07 ff ff ff ff ff ff ff ff", "a=b ", 0},
		{"64", "00 00 01 40" + pairs(64), strings.Repeat("k=v ", 64), 0},
		{"65", "00 00 01 41" + pairs(65), "", rpc.ResourceExhausted},
		{"65 in two blocks", "00 00 01 40" + pairs(64) + "01 01" + pairs(1), "", rpc.ResourceExhausted},
		{"4 Gi of them", "00 00 01 ffffffff0f", "", rpc.ResourceExhausted},
		{"8 KiB", "00 00 01 01 00 fe3f" + strings.Repeat("61", 8190), "", rpc.ResourceExhausted},
		{"a line break", "00 00 01 01 01 61 03 620d0a", "", rpc.InvalidArgument},
	} {
		c := new(rpc.Call)
		if err := theader.ReadCall(one(t, &theader, frame(t, tt.head, unhex(t, callEcho))), c); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got strings.Builder
		for k, v := range InfoHeaders(c.Metadata) {
			fmt.Fprintf(&got, "%s=%s ", k, v)
		}
		var e *rpc.Error
		if err := theader.Open(c); (err != nil) != (tt.refused != 0) || err != nil && (!errors.As(err, &e) || e.Code != tt.refused || e.Execution != rpc.NotExecuted) {
			t.Errorf("%s: Open: %v", tt.name, err)
		}
		if got.String() != tt.want || c.Name != "echo" || c.ID != 7 {
			t.Errorf("%s: %q of %s %d, want %q", tt.name, got.String(), c.Name, c.ID, tt.want)
		}
	}
	for range InfoHeaders([]byte{1, 'a', 200}) {
		t.Error("a broken pair is yielded")
	}
}

// A transform that nobody knows is an error reply; the connection goes on.
func TestUnknownTransform(t *testing.T) {
	for _, ids := range []string{"01 02 00", "01 04", "02 01 05", "01 ffffffff0f", "05 01 01 01 01 01"} {
		c := new(rpc.Call)
		if err := theader.ReadCall(one(t, &theader, frame(t, "00"+ids, unhex(t, callEcho))), c); err != nil {
			t.Fatalf("%s: %v", ids, err)
		}
		err := theader.Open(c)
		var e *rpc.Error
		if !errors.As(err, &e) || e.Execution != rpc.NotExecuted {
			t.Fatalf("%s: Open: %v", ids, err)
		}
		// The handler stage may turn it into any code: what is sent is the type that Thrift has for it.
		b := theader.AppendReply(nil, c, rpc.Reply{Err: &rpc.Error{Code: rpc.InvalidArgument, Message: "no", Execution: rpc.NotExecuted}})
		want := "0000002b | 0fff 0000 00000007 0001 | 00 00 0000 | 80010003 00000000 00000007 | 0b 0001 00000002 6e6f 08 0002 00000008 00"
		if !bytes.Equal(b, unhex(t, want)) {
			t.Errorf("%s: the reply is %x", ids, b)
		}
		if _, err := theader.ReadReply(frame(t, "00"+ids, unhex(t, replyEcho))[4:]); err == nil {
			t.Errorf("%s: the client accepts it", ids)
		}
	}
}

func TestBrokenHeader(t *testing.T) {
	for _, tt := range []struct{ name, frame string }{
		{"empty", ""},
		{"short", "0fff 0000 00000007 00"},
		{"another magic", "0ffe 0000 00000007 0001 00 00 0000" + callEcho},
		{"framed message", callEcho},
		{"header longer than the frame", "0fff 0000 00000007 ffff 00 00 0000" + callEcho},
		{"header of no size", "0fff 0000 00000007 0000" + callEcho},
		{"protocol 1", "0fff 0000 00000007 0001 01 00 0000" + callEcho},
		{"protocol 2^31", "0fff 0000 00000007 0002 8080808008 00 0000" + callEcho},
		{"endless varint", "0fff 0000 00000007 0002 ffffffffffffffff" + callEcho},
		{"transforms missing", "0fff 0000 00000007 0001 00 04 01 01" + callEcho},
		{"pair missing", "0fff 0000 00000007 0001 00 00 01 01" + callEcho},
		{"value longer than the header", "0fff 0000 00000007 0002 00 00 01 01 00 7f 61 61" + callEcho},
		{"no message", "0fff 0000 00000007 0001 00 00 0000"},
		{"reply", "0fff 0000 00000007 0001 00 00 0000" + replyEcho},
		{"compact in the name of binary", "0fff 0000 00000007 0001 00 00 0000 82 21 07 04 6563686f 00"},
	} {
		if err := theader.ReadCall(unhex(t, tt.frame), new(rpc.Call)); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
}

func TestBrokenTransforms(t *testing.T) {
	call := unhex(t, callEcho)
	flipped := stored(call)
	flipped[20] ^= 1
	stream := snappyStream(call)
	stream[len(stream)-1] ^= 1
	for _, tt := range []struct {
		name    string
		id      string
		payload []byte
	}{
		{"zlib: nothing", "01", nil},
		{"zlib: not zlib", "01", call},
		{"zlib: cut", "01", stored(call)[:20]},
		{"zlib: no checksum", "01", stored(call)[:len(stored(call))-4]},
		{"zlib: changed", "01", flipped},
		{"zlib: more after it", "01", append(stored(call), 0)},
		{"zlib: no message in it", "01", stored(nil)},
		{"zlib: a reply in it", "01", stored(unhex(t, replyEcho))},
		{"snappy: nothing", "03", nil},
		{"snappy: cut", "03", literal(call)[:20]},
		{"snappy: 4 GiB of 5 bytes", "03", unhex(t, "ffffffff0f")},
		{"snappy: endless size", "03", unhex(t, "ffffffffffffffffffff")},
		{"snappy: stream changed", "03", stream},
		{"snappy: only the identifier", "03", []byte(snappyIdentifier)},
		{"snappy: stream that says 4 GiB", "03", append([]byte(snappyIdentifier), unhex(t, "00 0a0000 00000000 ffffffff0f 00")...)},
	} {
		c := new(rpc.Call)
		if err := theader.ReadCall(one(t, &theader, frame(t, "00 01"+tt.id, tt.payload)), c); err != nil {
			t.Fatal(err)
		}
		var e *rpc.Error
		if err := theader.Open(c); !errors.As(err, &e) || e.Code != rpc.InvalidArgument || e.Execution != rpc.NotExecuted {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		// The call is still answered, through the same transform.
		r, err := theader.ReadReply(one(t, &theader, theader.AppendReply(nil, c, rpc.Reply{Err: e})))
		if err != nil || r.Seq != 7 || rpc.CodeOf(r.Decode(nil)) != rpc.InvalidArgument {
			t.Errorf("%s: the reply is %+v, %v", tt.name, r, err)
		}
	}
}

// What a bomb may cost is the limit, once, plus what its own bytes cost.
func TestBombs(t *testing.T) {
	const limit = 1 << 20
	zeros := make([]byte, 16<<20)
	zlibBomb := deflate(zeros)
	for _, tt := range []struct {
		name    string
		ids     string
		payload []byte
		most    int
	}{
		{"zlib", "01 01", zlibBomb, 3 * limit},
		{"zlib twice", "02 01 01", deflate(zlibBomb), 4 * limit},
		{"snappy", "01 03", snappy.Encode(nil, zeros), 0},
		{"snappy stream", "01 03", snappyStream(zeros), 0},
		{"snappy that lies", "01 03", unhex(t, "80808020 00 61"), 0}, // 64 MiB
	} {
		d := &Dialect{Header: true, MaxMessage: limit}
		c := new(rpc.Call)
		if err := d.ReadCall(one(t, d, frame(t, "00"+tt.ids, tt.payload)), c); err != nil {
			t.Fatal(err)
		}
		d.Open(&rpc.Call{State: c.State, Body: stored(nil)}) // fills the pool of readers
		var err error
		got := allocated(func() { err = d.Open(c) })
		if err == nil || got > uint64(tt.most+128<<10) {
			t.Errorf("%s: %d bytes allocated, %v", tt.name, got, err)
		}
	}
	// Exactly the limit is allowed.
	d := &Dialect{Header: true, MaxMessage: len(unhex(t, callEcho))}
	for _, p := range [][]byte{stored(unhex(t, callEcho)), deflate(unhex(t, callEcho))} {
		if c := open(t, d, frame(t, "00 01 01", p)); c.Name != "echo" {
			t.Errorf("name %q", c.Name)
		}
	}
	d.MaxMessage--
	c := new(rpc.Call)
	if err := d.ReadCall(one(t, d, frame(t, "00 01 01", stored(unhex(t, callEcho)))), c); err != nil {
		t.Fatal(err)
	}
	if err := d.Open(c); !errors.Is(err, errTooLarge) {
		t.Errorf("one byte more than the limit: %v", err)
	}
}

func FuzzTHeader(f *testing.F) {
	call := unhex(f, callEcho)
	for _, b := range [][]byte{
		frame(f, "00 00", call),
		frame(f, "00 01 01", stored(call)),
		frame(f, "00 01 01", deflate(call)),
		frame(f, "00 01 03", literal(call)),
		frame(f, "00 01 03", snappyStream(call)),
		frame(f, "00 02 03 01", stored(literal(call))),
		frame(f, "02 00 01 02 01 61 00 00 01 62", unhex(f, "82 21 07 04 6563686f | 18 02 6869 00")),
		frame(f, "00 00 02 01 01 61 01 62", call),
		frame(f, "00 01 05", call),
	} {
		f.Add(b[4:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &Dialect{Header: true, MaxMessage: 1 << 20}
		orig := bytes.Clone(b)
		c := new(rpc.Call)
		if err := d.ReadCall(b, c); err != nil {
			return
		}
		if len(c.Metadata) > MaxInfoBytes || countInfo(c.Metadata) > MaxInfoPairs {
			t.Fatalf("%d bytes of metadata", len(c.Metadata))
		}
		reply := rpc.Reply{Result: &text{0, "ho"}}
		if err := d.Open(c); err != nil {
			var e *rpc.Error
			if !errors.As(err, &e) || e.Execution != rpc.NotExecuted {
				t.Fatalf("Open: %v", err)
			}
			reply = rpc.Reply{Err: e}
		}
		if len(c.Name) > MaxName || len(c.Body) > max(len(b), 1<<20) {
			t.Fatalf("a name of %d bytes, a body of %d", len(c.Name), len(c.Body))
		}
		if !bytes.Equal(b, orig) {
			t.Fatal("the message was changed")
		}
		out := d.AppendReply(nil, c, reply)
		if c.Oneway {
			if out != nil {
				t.Fatal("a oneway call is answered")
			}
			return
		}
		r, err := d.ReadReply(one(t, d, out))
		if err != nil || r.Seq != int32(c.ID) {
			t.Fatalf("the reply to %d is %+v, %v", int32(c.ID), r, err)
		}
		if err := r.Decode(&text{id: 0}); (err == nil) != (reply.Err == nil) {
			t.Fatalf("the reply decodes to %v", err)
		}
	})
}
