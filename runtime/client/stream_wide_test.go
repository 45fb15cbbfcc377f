package client

import (
	"context"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
)

// What a server may have on its way is more where there are no calls, and a call ends that.
func TestStreamConnWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		const messages = 300 // of 64 KiB, 18 MiB
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			for range messages {
				if h.send(make([]byte, 64<<10)) != nil {
					return
				}
			}
			h.reply("")
		})
		defer c.Close()
		s := open(t, c, watch, "")
		for range messages {
			if _, err := s.RecvBytes(ctx); err != nil {
				t.Fatal(err)
			}
		}
		finish(t, s, "")
		window := func() uint64 {
			s.conn.mu.Lock()
			defer s.conn.mu.Unlock()
			return s.conn.streams.mux.ConnWindow()
		}
		if got := window(); got != stream.WideWindow {
			t.Errorf("%d without a call", got)
		}
		if err := c.Call(ctx, echo, &text{"hello"}, new(text)); err != nil {
			t.Fatal(err)
		}
		if got := window(); got != stream.DefaultWindow {
			t.Errorf("%d after a call", got)
		}
		check(t, s)
	})
}
