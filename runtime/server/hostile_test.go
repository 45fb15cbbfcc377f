package server_test

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/compress"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// Bad input. In every test a second client calls all the time, and must not notice; memory stays bounded; and what
// ends, ends with a reason.

// abused starts a server with a witness and a bound on memory.
func abused(t testing.TB, limit int, opts ...server.Option) *host {
	t.Helper()
	h := start(t, opts...)
	h.watch()
	t.Cleanup(bounded(t, limit))
	return h
}

// modest is what no hostile message of a few bytes may make the heap grow by.
const modest = 32 << 20

var (
	framedBinary    = thrift.Dialect{Framed: true, Strict: true}
	framedCompact   = thrift.Dialect{Framed: true, Encoding: codec.Compact}
	unframedBinary  = thrift.Dialect{Strict: true}
	unframedCompact = thrift.Dialect{Encoding: codec.Compact}
)

func nativeFrame(h wire.FrameHeader, payload ...byte) []byte {
	return slices.Concat(preamble(), wire.AppendFrameHeader(nil, h), payload)
}

// word is a big-endian 32 bit number.
func word(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// Input after which nothing that follows can be understood: the connection ends.
func TestBrokenFraming(t *testing.T) {
	call := func(d thrift.Dialect) []byte { return thriftCall(t, d, 1, "refuse", size32(0)) }
	binaryBody := func(body ...byte) []byte { return thriftRaw(t, unframedBinary, 1, "echo", body) }
	compactBody := func(body ...byte) []byte { return thriftRaw(t, unframedCompact, 1, "echo", body) }
	overlong := bytes.Repeat([]byte{0x80}, 11)

	cases := []struct {
		name   string
		in     []byte
		reason string   // in the log
		code   rpc.Code // of the goaway; 0 for protocols without one
	}{
		{"native: frame over the limit", nativeFrame(wire.FrameHeader{Length: wire.DefaultMaxFrame + 1, Kind: wire.KindCall, Stream: 1}), "16384001 bytes, at most 16384000", rpc.ResourceExhausted},
		{"native: negative length", nativeFrame(wire.FrameHeader{Length: 1 << 31, Kind: wire.KindCall, Stream: 1}), "2147483648 bytes", rpc.ResourceExhausted},
		{"native: largest length", nativeFrame(wire.FrameHeader{Length: math.MaxUint32, Kind: wire.KindCall, Stream: 1}), "4294967295 bytes", rpc.ResourceExhausted},
		{"native: header longer than its frame", nativeFrame(wire.FrameHeader{Length: 4, HeaderLen: 5, Kind: wire.KindCall, Stream: 1}), "header of 5 bytes in a frame of 4", rpc.InvalidArgument},
		{"native: header over the limit", nativeFrame(wire.FrameHeader{Length: 1 << 20, HeaderLen: wire.MaxHeader + 1, Kind: wire.KindCall, Stream: 1}), "header of 16385 bytes", rpc.ResourceExhausted},
		{"native: unknown kind", nativeFrame(wire.FrameHeader{Kind: 0x33}), "unknown frame kind 51", rpc.Unimplemented},
		{"native: a server's frame", nativeFrame(wire.FrameHeader{Kind: wire.KindReply, Stream: 1}), "reply frame from a client", rpc.InvalidArgument},
		{"native: oversized ping", nativeFrame(wire.FrameHeader{Length: 1 << 20, Kind: wire.KindPing}), "ping frame: length 1048576", rpc.InvalidArgument},
		{"native: call without an id", nativeFrame(wire.FrameHeader{Length: 10, Kind: wire.KindCall}), "stream 0", rpc.InvalidArgument},
		{"native: id used twice", nativeCall(t, 5, "refuse", size32(0), nativeCall(t, 5, "refuse", size32(0), preamble())), "call 5 after call 5", rpc.InvalidArgument},
		{"native: broken preamble", append([]byte("KUAF"), make([]byte, 28)...), "preamble of version 0", rpc.InvalidArgument},

		{"framed: frame over the limit", append(word(wire.DefaultMaxFrame+1), call(unframedBinary)...), "16384001 bytes, at most 16384000", 0},
		{"framed: largest frame that may be claimed", append(word(0x3fffffff), call(unframedBinary)...), "1073741823 bytes", 0},
		{"framed: negative length", append(call(framedBinary), word(math.MaxUint32)...), "4294967295 bytes", 0},
		{"framed: no length", append(call(framedBinary), word(0)...), "a frame of length 0", 0},
		{"framed: negative name", append(call(framedBinary), append(word(40), append([]byte{0x80, 1, 0, 1}, append(word(math.MaxUint32), make([]byte, 32)...)...)...)...), "name", 0},
		{"framed: truncated envelope", append(call(framedBinary), append(word(6), 0x80, 1, 0, 1, 0, 0)...), "ends inside its header", 0},
		{"framed: another dialect in between", append(call(framedBinary), call(framedCompact)...), "", 0},
		{"framed: a reply", append(call(framedBinary), append(word(13), 0x80, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0)...), "message of type 2", 0},

		{"unframed: negative name", append([]byte{0x80, 1, 0, 1}, word(math.MaxUint32)...), "name", 0},
		{"unframed: huge name", append([]byte{0x80, 1, 0, 1}, word(1<<30)...), "name", 0},
		{"unframed: negative string", binaryBody(append([]byte{11, 0, 9}, word(math.MaxUint32)...)...), "length -1", 0},
		{"unframed: string over the limit", binaryBody(append([]byte{11, 0, 9}, word(math.MaxInt32)...)...), "2147483647", 0},
		{"unframed: negative list", binaryBody(append([]byte{15, 0, 9, 8}, word(1<<31)...)...), "-2147483648", 0},
		{"unframed: list over the limit", binaryBody(append([]byte{15, 0, 9, 8}, word(math.MaxInt32)...)...), "2147483647", 0},
		{"unframed: map over the limit", binaryBody(append([]byte{13, 0, 9, 8, 8}, word(math.MaxInt32)...)...), "2147483647", 0},
		{"unframed: unknown type", binaryBody(99, 0, 9), "99", 0},
		{"unframed: nested structs", binaryBody(bytes.Repeat([]byte{12, 0, 9}, 10_000)...), "64", 0},
		{"unframed: nested lists", binaryBody(append([]byte{15, 0, 9}, bytes.Repeat([]byte{15, 0, 0, 0, 1}, 10_000)...)...), "64", 0},
		{"unframed compact: overlong varint", compactBody(append([]byte{0x18}, overlong...)...), "varint", 0},
		{"unframed compact: varint over 32 bits", compactBody(0x18, 0xff, 0xff, 0xff, 0xff, 0x7f), "varint", 0},
		{"unframed compact: huge string", compactBody(0x18, 0xff, 0xff, 0xff, 0xff, 0x07), "2147483647", 0},
		{"unframed compact: huge list", compactBody(0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x07), "2147483647", 0},
		{"unframed compact: huge map", compactBody(0x1b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x55), "2147483647", 0},
		{"unframed compact: nested structs", compactBody(bytes.Repeat([]byte{0x1c}, 10_000)...), "64", 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			h := abused(t, modest)
			nc := h.raw()
			if _, err := nc.Write(tc.in); err != nil {
				t.Fatal(err)
			}
			sent := drained(t, nc)
			h.ended(nc, tc.reason)
			if tc.code == 0 {
				return
			}
			if g := farewell(t, sent); g.Code != tc.code || !strings.Contains(g.Message, tc.reason) {
				t.Errorf("told %+v", g)
			}
		})
	}
}

// Peers that stop inside a message, at every place.
func TestTruncated(t *testing.T) {
	h := abused(t, modest)
	streams := map[string][]byte{"native": nativeCall(t, 1, "echo", message(1), preamble())}
	for name, d := range map[string]thrift.Dialect{
		"framed": framedBinary, "framed compact": framedCompact, "unframed": unframedBinary, "unframed compact": unframedCompact} {
		streams[name] = thriftCall(t, d, 1, "echo", one{message(1)})
	}
	for name, s := range streams {
		for _, n := range []int{1, 3, 4, 7, 8, 17, 31, 33, 40, 60, 100, 500, len(s) - 1} {
			nc := h.raw()
			if _, err := nc.Write(s[:n]); err != nil {
				t.Fatal(err)
			}
			if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			sent := drained(t, nc)
			if name == "native" && n >= 32 {
				for _, f := range frames(t, sent) {
					t.Errorf("%s, %d bytes: answered with %v", name, n, f.header)
				}
			} else if len(sent) > 0 {
				t.Errorf("%s, %d bytes: answered %q", name, n, sent)
			}
		}
	}
	h.log.wants(t, slog.LevelInfo, "connection ended", "closed in the middle of a frame")
}

// hostileBodies are arguments in Thrift's binary encoding that no decoder may believe.
var hostileBodies = map[string][]byte{
	"empty":                        {},
	"cut in a header":              {12, 0},
	"no stop":                      {12, 0, 1, 10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0},
	"negative string":              append([]byte{12, 0, 1, 11, 0, 2}, word(math.MaxUint32)...),
	"string of 2 GiB":              append([]byte{12, 0, 1, 11, 0, 2}, word(math.MaxInt32)...),
	"string beyond the end":        append([]byte{12, 0, 1, 11, 0, 2}, append(word(6), "short"...)...),
	"negative list":                append([]byte{12, 0, 1, 15, 0, 3, 11}, word(1<<31)...),
	"list of 2^31-1":               append([]byte{12, 0, 1, 15, 0, 3, 11}, word(math.MaxInt32)...),
	"list longer than the message": append([]byte{12, 0, 1, 15, 0, 3, 11}, append(word(100), make([]byte, 300)...)...),
	"list of nothing":              append([]byte{12, 0, 1, 15, 0, 3, 0}, word(1<<20)...),
	"map of 2^31-1":                append([]byte{12, 0, 1, 13, 0, 4, 11, 11}, word(math.MaxInt32)...),
	"map of 10,000 in 80 bytes":    append([]byte{12, 0, 1, 13, 0, 4, 11, 11}, append(word(10_000), make([]byte, 72)...)...),
	"unknown type":                 {12, 0, 1, 77, 0, 1},
	"unknown field, nested":        append([]byte{12, 0, 1}, bytes.Repeat([]byte{12, 0, 9}, 100_000)...),
	"unknown lists, nested":        append([]byte{12, 0, 1, 15, 0, 9}, bytes.Repeat([]byte{15, 0, 0, 0, 1}, 100_000)...),
	"unknown list of 2^31-1":       append([]byte{12, 0, 1, 15, 0, 9, 2}, word(math.MaxInt32)...),
}

// hostileNodes are arguments of Echo.depth.
var hostileNodes = map[string][]byte{
	"65 nodes":           append(append([]byte{12, 0, 1}, bytes.Repeat([]byte{12, 0, 2}, 64)...), make([]byte, 66)...),
	"a million nodes":    append([]byte{12, 0, 1}, bytes.Repeat([]byte{12, 0, 2}, 1<<20)...),
	"16 Mi empty nodes":  append(append([]byte{12, 0, 1, 15, 0, 3, 12}, word(8<<20)...), make([]byte, 8<<20+2)...),
	"children for ever":  append([]byte{12, 0, 1}, bytes.Repeat([]byte{15, 0, 3, 12, 0, 0, 0, 1}, 10_000)...),
	"children of no end": append([]byte{12, 0, 1, 15, 0, 3, 12}, word(math.MaxInt32)...),
}

// A message that is sound but for its arguments costs one call, and no more: the connection goes on.
func TestHostileBodies(t *testing.T) {
	h := abused(t, 200<<20) // 8 MiB may be believed up to 16 times
	type attack struct {
		method string
		body   []byte
	}
	attacks := make(map[string]attack)
	for name, body := range hostileBodies {
		attacks[name] = attack{"echo", body}
	}
	for name, body := range hostileNodes {
		attacks[name] = attack{"depth", body}
	}
	native := h.raw()
	if _, err := native.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	greeted(t, native)
	id := uint64(0)
	framed := h.raw()
	for name, a := range attacks {
		t.Run(name, func(t *testing.T) {
			id++
			if _, err := native.Write(rawCall(id, a.method, wire.CallHeader{}, a.body, nil)); err != nil {
				t.Fatal(err)
			}
			_, err := nativeReply(t, native, id)
			if code := rpc.CodeOf(err); code != rpc.InvalidArgument && code != rpc.ResourceExhausted {
				t.Errorf("native: %v", err)
			}
			if e := err.(*rpc.Error); e.Execution != rpc.NotExecuted || !strings.Contains(e.Message, "arguments: ") {
				t.Errorf("native: %v (%v)", err, e.Execution)
			}

			if _, err := framed.Write(thriftRaw(t, framedBinary, int32(id), a.method, a.body)); err != nil {
				t.Fatal(err)
			}
			seq, err := thriftReply(t, framedBinary, framed)
			if e, ok := err.(*rpc.Error); !ok || seq != int32(id) || e.Code != rpc.InvalidArgument || e.Execution != rpc.NotExecuted {
				t.Errorf("framed: reply %d: %v", seq, err)
			}
		})
	}
	id++
	if _, err := native.Write(nativeCall(t, id, "refuse", size32(0), nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := nativeReply(t, native, id); err != nil {
		t.Errorf("a good call after all that: %v", err)
	}
	if _, err := framed.Write(thriftCall(t, framedBinary, 99, "refuse", size32(0))); err != nil {
		t.Fatal(err)
	}
	if seq, err := thriftReply(t, framedBinary, framed); seq != 99 || err != nil {
		t.Errorf("a good Thrift call after all that: %d, %v", seq, err)
	}
}

func TestHostileCompactBodies(t *testing.T) {
	h := abused(t, modest)
	nc := h.raw()
	if _, err := nc.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	greeted(t, nc)
	id := uint64(0)
	for name, body := range map[string][]byte{
		"overlong varint":         append([]byte{0x1c, 0x28}, bytes.Repeat([]byte{0x80}, 11)...),
		"varint over 32 bits":     {0x1c, 0x28, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"i64 over 64 bits":        append([]byte{0x1c, 0x16}, append(bytes.Repeat([]byte{0xff}, 9), 0x7f)...),
		"string of 2 GiB":         {0x1c, 0x28, 0xff, 0xff, 0xff, 0xff, 0x07},
		"list of 2^31-1":          {0x1c, 0x39, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x07},
		"map of 2^31-1":           {0x1c, 0x4b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x88},
		"unknown map of 2^31-1":   {0x1c, 0x9b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x11},
		"nested structs":          bytes.Repeat([]byte{0x1c}, 100_000),
		"unknown type":            {0x1c, 0x1e},
		"field id over 16 bits":   {0x1c, 0x08, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00},
		"a varint without an end": {0x1c, 0x16, 0x80},
	} {
		t.Run(name, func(t *testing.T) {
			id++
			if _, err := nc.Write(rawCall(id, "echo", wire.CallHeader{Encoding: codec.Compact}, body, nil)); err != nil {
				t.Fatal(err)
			}
			_, err := nativeReply(t, nc, id)
			if e, ok := err.(*rpc.Error); !ok || e.Execution != rpc.NotExecuted || !strings.Contains(e.Message, "arguments: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Bodies that say they become much larger, and some that would.
func TestSnappyBombs(t *testing.T) {
	h := abused(t, 128<<20, server.WithMaxMessage(0, 1<<20)) // most of it is ours
	nc := h.raw()
	if _, err := nc.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	greeted(t, nc)
	zeros := compress.AppendSnappy(nil, make([]byte, 8<<20))
	id := uint64(0)
	cases := map[string]struct {
		rawSize int
		body    []byte
		code    rpc.Code
	}{
		"truthful, over the limit":   {8 << 20, zeros, rpc.ResourceExhausted},
		"declared at the limit":      {1 << 20, zeros, rpc.InvalidArgument},
		"declared as nothing":        {0, zeros, rpc.InvalidArgument},
		"2 GiB in a few bytes":       {math.MaxInt32, zeros[:100], rpc.ResourceExhausted},
		"a terabyte in a few bytes":  {1 << 40, zeros[:100], rpc.InvalidArgument},
		"more than Snappy can":       {1 << 20, zeros[:100], rpc.InvalidArgument},
		"as much as an int holds":    {math.MaxInt64, zeros, rpc.InvalidArgument},
		"a chunk that lies":          {65536, append([]byte(snappyMark), 0, 9, 0, 0, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0x0f), rpc.InvalidArgument},
		"a wrong checksum":           {5, append([]byte(snappyMark), 1, 9, 0, 0, 1, 2, 3, 4, 'h', 'e', 'l', 'l', 'o'), rpc.InvalidArgument},
		"identifiers without end":    {100, bytes.Repeat([]byte(snappyMark), 10_000), rpc.InvalidArgument},
		"skippable chunks":           {100, append([]byte(snappyMark), bytes.Repeat([]byte{0x80, 0, 0, 0}, 10_000)...), rpc.InvalidArgument},
		"a reserved chunk":           {100, append([]byte(snappyMark), 2, 0, 0, 0), rpc.InvalidArgument},
		"an uncompressed chunk of 0": {100, append([]byte(snappyMark), bytes.Repeat([]byte{1, 4, 0, 0, 0xd8, 0xea, 0x82, 0xa2}, 1000)...), rpc.InvalidArgument},
		"garbage":                    {100, []byte("this is not Snappy"), rpc.InvalidArgument},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			id++
			b := rawCall(id, "packed", wire.CallHeader{Compression: wire.CompressionSnappy, RawSize: tc.rawSize}, tc.body, nil)
			if _, err := nc.Write(b); err != nil {
				t.Fatal(err)
			}
			_, err := nativeReply(t, nc, id)
			if e, ok := err.(*rpc.Error); !ok || e.Code != tc.code || e.Execution != rpc.NotExecuted {
				t.Errorf("got %v, want %v", err, tc.code)
			}
		})
	}
	// The same through THeader: zlib makes 1,000 of 1.
	for name, transform := range map[string]thrift.Transform{"zlib": thrift.Zlib, "snappy": thrift.Snappy} {
		t.Run("THeader "+name, func(t *testing.T) {
			d := thrift.Dialect{Header: true, Strict: true, Transforms: []thrift.Transform{transform}}
			nc := h.raw()
			if _, err := nc.Write(thriftCall(t, d, 1, "packed", text(strings.Repeat("\x00", 8<<20)))); err != nil {
				t.Fatal(err)
			}
			seq, err := thriftReply(t, d, nc)
			if e, ok := err.(*rpc.Error); !ok || seq != 1 || e.Execution != rpc.NotExecuted {
				t.Errorf("reply %d: %v", seq, err)
			}
			if _, err := nc.Write(thriftCall(t, d, 2, "packed", text("fine"))); err != nil {
				t.Fatal(err)
			}
			if seq, err := thriftReply(t, d, nc); seq != 2 || err != nil {
				t.Errorf("a good call after that: %d, %v", seq, err)
			}
		})
	}
}

// Headers of calls that only their call is refused for.
func TestHostileCallHeaders(t *testing.T) {
	h := abused(t, modest)
	nc := h.raw()
	if _, err := nc.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	greeted(t, nc)
	good := wire.AppendCallHeader(nil, &wire.CallHeader{Method: []byte("Echo.refuse")})
	id := uint64(0)
	for name, tc := range map[string]struct {
		header []byte
		code   rpc.Code
	}{
		"empty":                 {nil, rpc.InvalidArgument},
		"cut":                   {good[:5], rpc.InvalidArgument},
		"unknown encoding":      {append([]byte{9}, good[1:]...), rpc.Unimplemented},
		"unknown compression":   {append([]byte{0, 9}, good[2:]...), rpc.Unimplemented},
		"long method":           {wire.AppendCallHeader(nil, &wire.CallHeader{Method: bytes.Repeat([]byte("x"), wire.MaxMethod+1)}), rpc.ResourceExhausted},
		"must be understood":    {append(slices.Clone(good), 77, 0), rpc.Unimplemented},
		"option beyond the end": {append(slices.Clone(good), 78, 200, 1), rpc.InvalidArgument},
		"overlong varint":       {append(slices.Clone(good), append([]byte{78}, bytes.Repeat([]byte{0x80}, 11)...)...), rpc.InvalidArgument},
		"metadata":              {wire.AppendCallHeader(nil, &wire.CallHeader{Method: []byte("Echo.refuse"), CallOptions: wire.CallOptions{Metadata: bytes.Repeat([]byte("x"), wire.MaxMetadata+1)}}), rpc.ResourceExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			id++
			b := wire.AppendFrameHeader(nil, wire.FrameHeader{
				Length: uint32(len(tc.header)), HeaderLen: uint16(len(tc.header)), Kind: wire.KindCall, Stream: id})
			if _, err := nc.Write(append(b, tc.header...)); err != nil {
				t.Fatal(err)
			}
			_, err := nativeReply(t, nc, id)
			if e, ok := err.(*rpc.Error); !ok || e.Code != tc.code || e.Execution != rpc.NotExecuted {
				t.Errorf("got %v, want %v", err, tc.code)
			}
		})
	}
}

// THeader frames whose header asks for too much: the call is refused, the connection goes on.
func TestHostileTHeaders(t *testing.T) {
	h := abused(t, modest)
	d := thrift.Dialect{Header: true, Strict: true}
	nc := h.raw()
	seq := uint32(0)
	for name, tc := range map[string]struct {
		header []byte // after the protocol id
		code   rpc.Code
	}{
		"five transforms":   {[]byte{5, 3, 3, 3, 3, 3}, rpc.Unimplemented},
		"2^32-1 transforms": {[]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 3}, rpc.Unimplemented},
		"unknown transform": {[]byte{1, 9}, rpc.Unimplemented},
		"65 info pairs":     {append([]byte{0, 1, 65}, bytes.Repeat([]byte{1, 'k', 1, 'v'}, 65)...), rpc.Internal},
		"2^32-1 info pairs": {[]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 'k'}, rpc.Internal},
		"9,000 info bytes":  {append([]byte{0, 1, 1, 1, 'k', 0xa8, 0x46}, bytes.Repeat([]byte("x"), 9000)...), rpc.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			seq++
			header := append([]byte{byte(codec.Binary)}, tc.header...)
			for len(header)%4 != 0 {
				header = append(header, 0)
			}
			frame := append([]byte{0x0f, 0xff, 0, 0}, word(seq)...)
			frame = binary.BigEndian.AppendUint16(frame, uint16(len(header)/4))
			frame = slices.Concat(frame, header, thriftCall(t, unframedBinary, int32(seq), "refuse", size32(0)))
			if _, err := nc.Write(append(word(uint32(len(frame))), frame...)); err != nil {
				t.Fatal(err)
			}
			got, err := thriftReply(t, d, nc)
			e, ok := err.(*rpc.Error)
			if !ok || e.Code != tc.code || uint32(got) != seq {
				t.Errorf("reply %d: %v", got, err)
			}
		})
	}
	if _, err := nc.Write(thriftCall(t, d, 99, "refuse", size32(0))); err != nil {
		t.Fatal(err)
	}
	if seq, err := thriftReply(t, d, nc); seq != 99 || err != nil {
		t.Errorf("a good call after all that: %d, %v", seq, err)
	}
}
