package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// unhex reads hex digits, in which blanks are only there for the eye.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFrameHeaderBytes(t *testing.T) {
	h := FrameHeader{Length: 0x01020304, Kind: KindCall, Flags: FlagOneway, HeaderLen: 0x0506, Stream: 0x0708090a0b0c0d0e}
	want := unhex(t, "01020304 01 01 0506 0708090a0b0c0d0e")
	if got := AppendFrameHeader(nil, h); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	got, ok := ParseFrameHeader(want)
	if !ok || got != h {
		t.Errorf("got %+v, want %+v", got, h)
	}
	for n := range want {
		if _, ok := ParseFrameHeader(want[:n]); ok {
			t.Errorf("%d bytes are taken for a header", n)
		}
	}
}

func TestFrameHeaderCheck(t *testing.T) {
	const limit = 100_000
	for _, tc := range []struct {
		name string
		h    FrameHeader
		code rpc.Code // 0: sound
	}{
		{"call", FrameHeader{Length: limit, Kind: KindCall, HeaderLen: 100, Stream: 1}, 0},
		{"highest stream", FrameHeader{Length: 10, Kind: KindCall, HeaderLen: 10, Stream: math.MaxUint64}, 0},
		{"unknown flags", FrameHeader{Kind: KindCall, Flags: 0xff, Stream: 1}, 0},
		{"over the limit", FrameHeader{Length: limit + 1, Kind: KindCall, Stream: 1}, rpc.ResourceExhausted},
		{"longest length", FrameHeader{Length: math.MaxUint32, Kind: KindReply, Stream: 1}, rpc.ResourceExhausted},
		{"length that is negative as an int32", FrameHeader{Length: 1 << 31, Kind: KindReply, Stream: 1}, rpc.ResourceExhausted},
		{"longest header", FrameHeader{Length: limit, Kind: KindCall, HeaderLen: MaxHeader, Stream: 1}, 0},
		{"header too long", FrameHeader{Length: limit, Kind: KindCall, HeaderLen: MaxHeader + 1, Stream: 1}, rpc.ResourceExhausted},
		{"header longer than the frame", FrameHeader{Length: 9, Kind: KindReply, HeaderLen: 10, Stream: 1}, rpc.InvalidArgument},
		{"call on the connection", FrameHeader{Kind: KindCall}, rpc.InvalidArgument},
		{"reply on the connection", FrameHeader{Kind: KindReply}, rpc.InvalidArgument},
		{"error on the connection", FrameHeader{Kind: KindError}, rpc.InvalidArgument},

		{"cancel", FrameHeader{Kind: KindCancel, Stream: 1}, 0},
		{"cancel with a payload", FrameHeader{Length: 1, Kind: KindCancel, Stream: 1}, rpc.InvalidArgument},
		{"cancel of the connection", FrameHeader{Kind: KindCancel}, rpc.InvalidArgument},
		{"ping", FrameHeader{Length: 8, Kind: KindPing}, 0},
		{"pong", FrameHeader{Length: 8, Kind: KindPong}, 0},
		{"short ping", FrameHeader{Length: 7, Kind: KindPing}, rpc.InvalidArgument},
		{"long pong", FrameHeader{Length: 9, Kind: KindPong}, rpc.InvalidArgument},
		{"ping with a header", FrameHeader{Length: 8, Kind: KindPing, HeaderLen: 8}, rpc.InvalidArgument},
		{"ping of a call", FrameHeader{Length: 8, Kind: KindPing, Stream: 1}, rpc.InvalidArgument},
		{"goaway", FrameHeader{Length: 10, Kind: KindGoAway}, 0},
		{"longest goaway", FrameHeader{Length: MaxHeader, Kind: KindGoAway}, 0},
		{"short goaway", FrameHeader{Length: 9, Kind: KindGoAway}, rpc.InvalidArgument},
		{"long goaway", FrameHeader{Length: MaxHeader + 1, Kind: KindGoAway}, rpc.InvalidArgument},

		{"kind 0", FrameHeader{}, rpc.Unimplemented},
		{"data", FrameHeader{Length: 1, Kind: KindData, Flags: FlagMore | FlagBlocked, Stream: 1}, 0},
		{"empty message", FrameHeader{Kind: KindData, Stream: 1}, 0},
		{"longest data", FrameHeader{Length: limit, Kind: KindData, Stream: 1}, 0},
		{"data over the limit", FrameHeader{Length: limit + 1, Kind: KindData, Stream: 1}, rpc.ResourceExhausted},
		{"data on the connection", FrameHeader{Length: 1, Kind: KindData}, rpc.InvalidArgument},
		{"data with a header", FrameHeader{Length: 1, Kind: KindData, HeaderLen: 1, Stream: 1}, rpc.InvalidArgument},
		{"nothing, and more", FrameHeader{Kind: KindData, Flags: FlagMore, Stream: 1}, rpc.InvalidArgument},
		{"end", FrameHeader{Kind: KindData, Flags: FlagEnd, Stream: 1}, 0},
		{"end with data", FrameHeader{Length: 1, Kind: KindData, Flags: FlagEnd, Stream: 1}, rpc.InvalidArgument},
		{"end, and more", FrameHeader{Kind: KindData, Flags: FlagEnd | FlagMore, Stream: 1}, rpc.InvalidArgument},
		{"credit", FrameHeader{Length: 8, Kind: KindCredit, Stream: 1}, 0},
		{"credit of the connection", FrameHeader{Length: 8, Kind: KindCredit}, 0},
		{"short credit", FrameHeader{Length: 7, Kind: KindCredit}, rpc.InvalidArgument},
		{"long credit", FrameHeader{Length: 9, Kind: KindCredit}, rpc.InvalidArgument},
		{"credit with a header", FrameHeader{Length: 8, Kind: KindCredit, HeaderLen: 8}, rpc.InvalidArgument},
		{"reset", FrameHeader{Length: 10, Kind: KindReset, Stream: 1}, 0},
		{"longest reset", FrameHeader{Length: MaxHeader, Kind: KindReset, Stream: 1}, 0},
		{"short reset", FrameHeader{Length: 9, Kind: KindReset, Stream: 1}, rpc.InvalidArgument},
		{"long reset", FrameHeader{Length: MaxHeader + 1, Kind: KindReset, Stream: 1}, rpc.InvalidArgument},
		{"reset of the connection", FrameHeader{Length: 10, Kind: KindReset}, rpc.InvalidArgument},

		{"kind 11", FrameHeader{Kind: 11, Stream: 1}, rpc.Unimplemented},
		{"kind 127", FrameHeader{Kind: 127}, rpc.Unimplemented},
		{"ignorable", FrameHeader{Length: limit, Kind: 0x80, HeaderLen: math.MaxUint16}, 0},
		{"ignorable, highest", FrameHeader{Kind: 0xff, Stream: 5}, 0},
		{"ignorable over the limit", FrameHeader{Length: limit + 1, Kind: 0xff}, rpc.ResourceExhausted},
	} {
		err := tc.h.Check(limit)
		if tc.code == 0 {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		var ce *ConnError
		if !errors.As(err, &ce) || ce.Code != tc.code || ce.Reason == "" {
			t.Errorf("%s: %v, want a ConnError, %v", tc.name, err, tc.code)
		}
	}
	for length, ok := range map[uint32]bool{DefaultMaxFrame: true, DefaultMaxFrame + 1: false} {
		if err := (FrameHeader{Length: length, Kind: KindCall, Stream: 1}).Check(0); (err == nil) != ok {
			t.Errorf("%d bytes with the default limit: %v", length, err)
		}
	}
}

func TestKinds(t *testing.T) {
	for k := range 256 {
		kind := Kind(k)
		if want := k >= 1 && k <= 10; kind.Known() != want {
			t.Errorf("%v: known %v", kind, !want)
		}
		if want := k >= 128; kind.Ignorable() != want {
			t.Errorf("%v: ignorable %v", kind, !want)
		}
	}
	if KindGoAway.String() != "goaway" || KindReset.String() != "reset" || Kind(11).String() != "kind(11)" || Kind(0).String() != "kind(0)" {
		t.Errorf("%v, %v, %v", KindGoAway, Kind(11), Kind(0))
	}
}

var testPreamble = Preamble{Version: 1, Flags: 0x02, Features: 0x0304, MaxFrame: 0x05060708, ID: rpc.ClientID([]byte("0123456789abcdef"))}

func TestPreambleBytes(t *testing.T) {
	want := unhex(t, "4b554146 01 02 0304 05060708 00000000 30313233343536373839616263646566")
	if got := AppendPreamble(nil, testPreamble); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	p, ok, err := ParsePreamble(append(bytes.Clone(want), "a frame"...))
	if !ok || err != nil || p != testPreamble {
		t.Errorf("got %+v, %v, %v", p, ok, err)
	}
	for n := range want {
		if _, ok, err := ParsePreamble(want[:n]); ok || err != nil {
			t.Errorf("of %d bytes: %v, %v", n, ok, err)
		}
	}
	// Zero fields have defaults.
	p, ok, err = ParsePreamble(AppendPreamble(nil, Preamble{}))
	if !ok || err != nil || p != (Preamble{Version: Version, MaxFrame: DefaultMaxFrame}) || p.FrameLimit() != DefaultMaxFrame {
		t.Errorf("got %+v, %v, %v", p, ok, err)
	}
}

func TestPreambleIsRefused(t *testing.T) {
	change := func(f func(b []byte)) []byte {
		b := AppendPreamble(nil, testPreamble)
		f(b)
		return b
	}
	for _, tc := range []struct {
		name string
		b    []byte
		good bool
	}{
		{"first byte", []byte("G"), false},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), false},
		{"last byte of the magic", change(func(b []byte) { b[3] = 'f' }), false},
		{"version 0", change(func(b []byte) { b[4] = 0 }), false},
		{"a later version", change(func(b []byte) { b[4] = 255 }), true},
		{"unknown flags and features", change(func(b []byte) { b[5], b[6], b[7] = 255, 255, 254 }), true},
		{"a window without streams", change(func(b []byte) { b[12], b[15] = 1, 1 }), true},
		{"streams and the smallest window", change(func(b []byte) { b[7], b[13] = 1, 1 }), true},
		{"streams and too small a window", change(func(b []byte) { b[7], b[14], b[15] = 1, 255, 255 }), false},
		{"streams without a window", change(func(b []byte) { b[7] = 1 }), false},
		{"smallest frame limit", change(func(b []byte) { copy(b[8:], "\x00\x01\x00\x00") }), true},
		{"frame limit too small", change(func(b []byte) { copy(b[8:], "\x00\x00\xff\xff") }), false},
		{"no frame limit", change(func(b []byte) { copy(b[8:], "\x00\x00\x00\x00") }), false},
		{"largest frame limit", change(func(b []byte) { copy(b[8:], "\xff\xff\xff\xff") }), true},
	} {
		p, ok, err := ParsePreamble(tc.b)
		if tc.good {
			if !ok || err != nil {
				t.Errorf("%s: %v, %v", tc.name, ok, err)
			}
			if n := p.FrameLimit(); n < MinMaxFrame || n > math.MaxInt32 {
				t.Errorf("%s: frame limit %d", tc.name, n)
			}
			continue
		}
		var ce *ConnError
		if ok || !errors.As(err, &ce) || ce.Reason == "" {
			t.Errorf("%s: %v, %v; want a ConnError", tc.name, ok, err)
		}
	}
}

func TestControlFrames(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"cancel", AppendCancel(nil, 5), "00000000 04 00 0000 0000000000000005"},
		{"ping", AppendPing(nil, 6), "00000008 05 00 0000 0000000000000000 0000000000000006"},
		{"pong", AppendPong(nil, 6), "00000008 06 00 0000 0000000000000000 0000000000000006"},
		{"goaway", AppendGoAway(nil, GoAway{Last: 7, Message: "bye"}), "0000000d 07 00 0000 0000000000000000 0000000000000007 00 03 627965"},
	} {
		if want := unhex(t, tc.want); !bytes.Equal(tc.got, want) {
			t.Errorf("%s: got %x, want %x", tc.name, tc.got, want)
		}
		split(t, tc.got)
	}
	for n := range 10 {
		token, err := ParsePing(unhex(t, "01020304050607080900")[:n])
		if ok := n == 8; ok != (err == nil) || (ok && token != 0x0102030405060708) {
			t.Errorf("ping of %d bytes: %x, %v", n, token, err)
		}
	}
}

func TestGoAway(t *testing.T) {
	for _, g := range []GoAway{
		{},
		{Last: 12, Message: "the server is shutting down"},
		{Last: math.MaxUint64, Code: rpc.ResourceExhausted, Message: strings.Repeat("é", MaxMessageText/2)},
	} {
		_, header, payload := split(t, AppendGoAway([]byte("before"), g)[len("before"):])
		if len(header) > 0 {
			t.Errorf("a header of %d bytes", len(header))
		}
		if got, err := ParseGoAway(payload); err != nil || got != g {
			t.Errorf("got %+v, %v; want %+v", got, err, g)
		}
		if got, err := ParseGoAway(append(payload, "from a later version"...)); err != nil || got != g {
			t.Errorf("got %+v, %v; want %+v", got, err, g)
		}
		for n := range payload {
			if _, err := ParseGoAway(payload[:n]); err == nil {
				t.Errorf("%d of %d bytes are taken", n, len(payload))
			}
		}
	}
	payload := append(make([]byte, 8), 77, 2, 0xff, 'x')
	if got, err := ParseGoAway(payload); err != nil || got.Code != rpc.Unknown || got.Message != "\uFFFDx" {
		t.Errorf("got %+v, %v", got, err)
	}
	tooLong := slices.Concat(make([]byte, 9), appendText(nil, make([]byte, MaxMessageText+1)))
	if _, err := ParseGoAway(tooLong); err == nil {
		t.Error("a message over the limit is taken")
	}
}
