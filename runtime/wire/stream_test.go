package wire

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestStreamFrames(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"data", append(AppendDataHeader(nil, 5, FlagMore|FlagBlocked, 2), "hi"...), "00000002 08 05 0000 0000000000000005 6869"},
		{"end", AppendEnd(nil, 5), "00000000 08 02 0000 0000000000000005"},
		{"credit", AppendCredit(nil, 5, 0x0102030405060708), "00000008 09 00 0000 0000000000000005 0102030405060708"},
		{"connection's credit", AppendCredit(nil, 0, 9), "00000008 09 00 0000 0000000000000000 0000000000000009"},
		{"reset", AppendReset(nil, 5, Reset{Final: 7, Code: rpc.Canceled, Message: "bye"}), "0000000d 0a 00 0000 0000000000000005 0000000000000007 01 03 627965"},
	} {
		if want := unhex(t, tc.want); !bytes.Equal(tc.got, want) {
			t.Errorf("%s: got %x, want %x", tc.name, tc.got, want)
		}
		if h, _, _ := split(t, tc.got); h.Check(MinMaxFrame) != nil {
			t.Errorf("%s: %v", tc.name, h.Check(MinMaxFrame))
		}
	}
}

func TestCredit(t *testing.T) {
	for limit, good := range map[uint64]bool{0: true, 1: true, flow.MaxOffset: true, flow.MaxOffset + 1: false, math.MaxUint64: false} {
		got, err := ParseCredit(AppendCredit(nil, 1, limit)[FrameHeaderSize:])
		if good != (err == nil) || good && got != limit {
			t.Errorf("%d: %d, %v", limit, got, err)
		}
	}
	for _, n := range []int{0, 7, 9} {
		var broken *ConnError
		if _, err := ParseCredit(make([]byte, n)); !errors.As(err, &broken) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestReset(t *testing.T) {
	for _, r := range []Reset{
		{Code: rpc.Canceled},
		{Final: flow.MaxOffset, Code: rpc.ResourceExhausted, Message: strings.Repeat("é", MaxMessageText/2)},
	} {
		_, _, payload := split(t, AppendReset([]byte("before"), 3, r)[len("before"):])
		if got, err := ParseReset(payload); err != nil || got != r {
			t.Errorf("got %+v, %v; want %+v", got, err, r)
		}
		if got, err := ParseReset(append(payload, "from a later version"...)); err != nil || got != r {
			t.Errorf("got %+v, %v; want %+v", got, err, r)
		}
		for n := range payload {
			if _, err := ParseReset(payload[:n]); err == nil {
				t.Errorf("%d of %d bytes are taken", n, len(payload))
			}
		}
	}
	tooFar := slices.Concat(bytes.Repeat([]byte{0xff}, 8), []byte{1, 0})
	if _, err := ParseReset(tooFar); err == nil {
		t.Error("an impossible offset is taken")
	}
	unknown := append(make([]byte, 8), 77, 2, 0xff, 'x')
	if got, err := ParseReset(unknown); err != nil || got.Code != rpc.Unknown || got.Message != "\uFFFDx" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, _, payload := split(t, AppendReset(nil, 1, Reset{})); payload[8] != byte(rpc.Unknown) {
		t.Errorf("no code is sent as %d", payload[8])
	}
}

func TestStreamOption(t *testing.T) {
	for window, good := range map[uint64]bool{0: true, 1: false, MinWindow - 1: false, MinWindow: true, flow.MaxOffset: true, flow.MaxOffset + 1: false} {
		frame, err := new(Dialect).AppendCall(nil, 1, echo, &echoed{}, &CallOptions{Stream: true, Window: window})
		if good != (err == nil) {
			t.Errorf("%d: %v", window, err)
		}
		if err != nil {
			continue
		}
		_, header, _ := split(t, frame)
		if h, err := ParseCallHeader(header); err != nil || !h.Stream || h.Window != window {
			t.Errorf("%d: %+v, %v", window, h, err)
		}
	}
}

func TestMessage(t *testing.T) {
	d := &Dialect{MaxMessage: 100}
	for _, enc := range []codec.Encoding{codec.Binary, codec.Compact} {
		b, err := d.AppendMessage([]byte("before"), enc, &echoed{Text: "hi"})
		if err != nil {
			t.Fatal(err)
		}
		b = b[len("before"):]
		var got echoed
		if err := d.DecodeMessage(enc, b, false, &got); err != nil || got.Text != "hi" {
			t.Errorf("%v: %+v, %v", enc, got, err)
		}
		for _, bad := range [][]byte{b[:len(b)-1], append(b, 0), make([]byte, 101)} {
			var e *rpc.Error
			if err := d.DecodeMessage(enc, bad, false, new(echoed)); !errors.As(err, &e) || !strings.HasPrefix(e.Message, "message: ") {
				t.Errorf("%v: %d bytes: %v", enc, len(bad), err)
			}
		}
		var e *rpc.Error
		if b, err := d.AppendMessage([]byte("before"), enc, &echoed{Text: strings.Repeat("x", 100)}); !errors.As(err, &e) || e.Code != rpc.ResourceExhausted || string(b) != "before" {
			t.Errorf("too large: %v, %q", err, b)
		}
	}
}

// FuzzStreamFrames covers what streams add: what Check lets through is parsed or refused, and comes back the same.
func FuzzStreamFrames(f *testing.F) {
	f.Add(AppendEnd(nil, 1))
	f.Add(append(AppendDataHeader(nil, 1, FlagMore, 2), "hi"...))
	f.Add(AppendCredit(nil, 0, 1<<20))
	f.Add(AppendReset(nil, 1, Reset{Final: 3, Code: rpc.Internal, Message: "bye"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := ParseFrameHeader(b)
		if !ok || h.Check(0) != nil || int(h.Length) != len(b)-FrameHeaderSize {
			return
		}
		payload := b[FrameHeaderSize:]
		switch h.Kind {
		case KindData:
			if h.Flags&FlagEnd != 0 && len(payload) > 0 || len(payload) > MaxData || h.Stream == 0 {
				t.Errorf("%+v passes", h)
			}
		case KindCredit:
			limit, err := ParseCredit(payload)
			if again := AppendCredit(nil, h.Stream, limit); err == nil && !bytes.Equal(again[FrameHeaderSize:], payload) {
				t.Errorf("%x came back as %x", b, again)
			}
		case KindReset:
			r, err := ParseReset(payload)
			if err != nil {
				return
			}
			if again, err := ParseReset(AppendReset(nil, 1, r)[FrameHeaderSize:]); len(r.Message) <= MaxMessageText && (err != nil || again != r) {
				t.Errorf("%+v came back as %+v, %v", r, again, err)
			}
		}
	})
}
