package wire

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestReplyHeaderBytes(t *testing.T) {
	for _, tc := range []struct {
		h    ReplyHeader
		want string
	}{
		{ReplyHeader{}, "00 00"},
		{ReplyHeader{Encoding: codec.Compact}, "02 00"},
		{ReplyHeader{Encoding: codec.Compact, Compression: CompressionSnappy, RawSize: 5000}, "02 01 8827"},
		{ReplyHeader{Compression: CompressionSnappy, RawSize: math.MaxInt32}, "00 01 ffffffff07"},
	} {
		want := unhex(t, tc.want)
		if got := AppendReplyHeader(nil, tc.h); !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
		if got, err := ParseReplyHeader(want); err != nil || got != tc.h {
			t.Errorf("%x: got %+v, %v", want, got, err)
		}
		// An even option is nothing to stumble over.
		if got, err := ParseReplyHeader(append(want, "\x64\x01x"...)); err != nil || got != tc.h {
			t.Errorf("%x with an option: got %+v, %v", want, got, err)
		}
	}
}

func TestReplyHeaderIsRefused(t *testing.T) {
	for name, b := range map[string]string{
		"empty":             "",
		"one byte":          "\x00",
		"encoding":          "\x01\x00",
		"compression":       "\x00\x02",
		"no size":           "\x00\x01",
		"overlong size":     "\x00\x01\x81\x00",
		"size too large":    "\x00\x01\x80\x80\x80\x80\x08",
		"odd option":        "\x00\x00\x65\x00",
		"truncated option":  "\x00\x00\x64\x02x",
		"option 0":          "\x00\x00\x00\x00",
		"option twice":      "\x00\x00\x64\x00\x64\x00",
		"more than allowed": "\x00\x00" + string(appendOption(nil, 100, make([]byte, MaxHeader-4))),
	} {
		h, err := ParseReplyHeader([]byte(b))
		var e *rpc.Error
		if !errors.As(err, &e) || e.Code != rpc.Internal || e.Execution != rpc.Executed || h != (ReplyHeader{}) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

func TestErrorBytes(t *testing.T) {
	e := &rpc.Error{Code: rpc.NotFound, Message: "né", Execution: rpc.Executed, Method: "never sent", Cause: errors.New("never sent")}
	want := unhex(t, "00000006 03 00 0006 0000000000000009 05 02 03 6ec3a9")
	if got := AppendError(nil, 9, e); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	got := ParseError(want[FrameHeaderSize:])
	if diff := cmp.Diff(&rpc.Error{Code: rpc.NotFound, Message: "né", Execution: rpc.Executed, Remote: true}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestErrorCodes(t *testing.T) {
	for i := range 256 {
		code := rpc.Code(i)
		want := code
		if !code.Valid() {
			want = rpc.Unknown
		}
		if got := ParseError([]byte{byte(i), 0, 0}); got.Code != want || !got.Remote {
			t.Errorf("code %d came as %v", i, got.Code)
		}
		if got := AppendError(nil, 1, &rpc.Error{Code: code}); got[FrameHeaderSize] != byte(want) {
			t.Errorf("code %d was sent as %d", i, got[FrameHeaderSize])
		}
		execution := rpc.Execution(i)
		if i > 2 {
			execution = rpc.MaybeExecuted
		}
		got := ParseError([]byte{1, byte(i), 0})
		if got.Execution != execution || got.Error() == "" {
			t.Errorf("execution %d came as %v", i, got.Execution)
		}
	}
}

func TestErrorMessageIsCutAtARune(t *testing.T) {
	for name, tc := range map[string]struct {
		message string
		want    int
	}{
		"at the limit":    {strings.Repeat("x", MaxMessageText), MaxMessageText},
		"one more":        {strings.Repeat("x", MaxMessageText+1), MaxMessageText},
		"two bytes":       {"x" + strings.Repeat("é", MaxMessageText), MaxMessageText - 1},
		"four bytes":      {"xyz" + strings.Repeat("\U0001F600", MaxMessageText), MaxMessageText - 1},
		"four bytes less": {"x" + strings.Repeat("\U0001F600", MaxMessageText), MaxMessageText - 3},
		"not UTF-8":       {strings.Repeat("\x80", MaxMessageText+10), MaxMessageText - utf8.UTFMax},
	} {
		frame := AppendError(nil, 1, &rpc.Error{Code: rpc.Internal, Message: tc.message})
		_, header, _ := split(t, frame)
		text, _, ok := takeText(header[2:], MaxMessageText)
		if !ok || string(text) != tc.message[:tc.want] {
			t.Errorf("%s: %d bytes were sent, want %d", name, len(text), tc.want)
		}
		e := ParseError(header)
		if !e.Remote || !utf8.ValidString(e.Message) {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestErrorHeaderIsRefused(t *testing.T) {
	for name, b := range map[string]string{
		"empty":             "",
		"no message":        "\x01\x00",
		"truncated":         "\x01\x00\x02x",
		"overlong":          "\x01\x00\x81\x00x",
		"message too long":  "\x01\x00" + string(appendText(nil, strings.Repeat("x", MaxMessageText+1))),
		"odd option":        "\x01\x00\x00\x65\x00",
		"truncated option":  "\x01\x00\x00\x64\x02x",
		"more than allowed": "\x01\x00\x00" + string(appendOption(nil, 100, make([]byte, MaxHeader-5))),
	} {
		e := ParseError([]byte(b))
		if e.Remote || e.Code != rpc.Internal || e.Execution != rpc.MaybeExecuted {
			t.Errorf("%s: %#v", name, e)
		}
	}
	if e := ParseError([]byte("\x01\x00\x01x\x64\x01?")); !e.Remote || e.Message != "x" {
		t.Errorf("with an even option: %#v", e)
	}
}
