package wire

import (
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// TestReplyMetadata sends metadata with every form of answer, and breaks it in every place.
func TestReplyMetadata(t *testing.T) {
	for _, tt := range []struct {
		name string
		mark Kind
		r    rpc.Reply
	}{
		{"reply", KindReply, rpc.Reply{Result: &echoed{Text: "hi", result: true}}},
		{"compressed reply", KindReply, rpc.Reply{Result: &echoed{Text: strings.Repeat("hi", DefaultThreshold), result: true}}},
		{"error", KindError, rpc.Reply{Err: rpc.NewError(rpc.NotFound, "no such thing")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, pairs := range []int{0, 1, 3} {
				c := &rpc.Call{ID: 1, Handler: &rpc.Handler{Method: echo}}
				ctx := c.Context()
				for range pairs {
					if err := rpc.SetReplyMetadata(ctx, "key", "value"); err != nil {
						t.Fatal(err)
					}
				}
				frame := new(Dialect).AppendReply(nil, c, tt.r)
				h, _ := ParseFrameHeader(frame)
				payload := frame[FrameHeaderSize:]
				if h.Kind != tt.mark {
					t.Fatalf("a %v frame", h.Kind)
				}
				m := rpc.DecodeMetadata(ReplyMetadata(h, payload))
				if len(m.Values("key")) != pairs || m.Len() != pairs {
					t.Errorf("%d pairs, want %d", m.Len(), pairs)
				}
				var back echoed
				err := new(Dialect).DecodeReply(echo, h, payload, &back)
				if tt.r.Err == nil && (err != nil || back.Text != tt.r.Result.(*echoed).Text) {
					t.Errorf("with %d pairs: %.20q, %v", pairs, back.Text, err)
				}
				if tt.r.Err != nil && rpc.CodeOf(err) != tt.r.Err.Code {
					t.Errorf("with %d pairs: %v", pairs, err)
				}
				for cut := range int(h.HeaderLen) {
					short := h
					short.HeaderLen = uint16(cut)
					if got := rpc.DecodeMetadata(ReplyMetadata(short, payload)); got.Len() != 0 {
						t.Errorf("a header cut to %d of %d bytes has %d pairs", cut, h.HeaderLen, got.Len())
					}
				}
				h.HeaderLen = uint16(min(len(payload)+1, 1<<16-1))
				if ReplyMetadata(h, payload) != nil {
					t.Error("a header longer than the frame has metadata")
				}
			}
		})
	}
	bad := AppendReplyHeader(nil, ReplyHeader{})
	bad = appendOption(bad, TagMetadata, []byte("\x03Bad\x00"))
	if ReplyMetadata(FrameHeader{Kind: KindReply, HeaderLen: uint16(len(bad))}, bad) != nil {
		t.Error("took metadata with a bad key")
	}
}
