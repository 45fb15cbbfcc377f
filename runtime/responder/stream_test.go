package responder

import (
	"bytes"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// TestStreamsFollowReplies: what is pending is written before what the streams have, which is asked for in small
// portions, and counts as pending only while it is written.
func TestStreamsFollowReplies(t *testing.T) {
	c := newConn()
	r := newResponder(t, c, Options{})
	frame, asked := bytes.Repeat([]byte("s"), 60_000), 0
	left := 4
	written := 0
	r.Attach(func(bufs [][]byte, scratch []byte, limit int) [][]byte {
		asked++
		if asked != written+1 {
			t.Errorf("asked %d times, and told of %d writes", asked, written)
		}
		for ; left > 0 && len(scratch) < limit && cap(scratch)-len(scratch) >= len(frame); left-- {
			scratch = append(scratch, frame...)
		}
		if len(scratch) == 0 {
			return bufs
		}
		return append(bufs, scratch)
	}, func([][]byte) {}, func() { written++ }, func() int { return 7 })
	r.Wake()
	if c.wakes != 1 {
		t.Errorf("%d wake-ups", c.wakes)
	}
	if n := r.Pending(); n != 7 {
		t.Errorf("%d bytes are pending, want those of replies alone", n)
	}
	r.Reply(call([]byte("reply")), rpc.Reply{})
	got := r.Next(1)
	if len(got) != 2 || string(got[0]) != "reply" || len(got[1]) < len(frame) || len(got[1]) > bulkBuffer {
		t.Fatalf("%d buffers", len(got))
	}
	if n := r.Pending(); n != 7+len("reply")+len(got[1]) {
		t.Errorf("%d bytes are pending", n)
	}
	total := len(got[1])
	r.Written()
	for got = r.Next(1); len(got) > 0; got = r.Next(1) {
		total += len(got[0])
		r.Written()
	}
	if total != 4*len(frame) || asked < 3 || written != asked-1 {
		t.Errorf("%d bytes came when asked %d times, %d writes", total, asked, written)
	}
	r.Close()
	if n := r.Pending(); n != 0 {
		t.Errorf("%d bytes are pending after the end", n)
	}
}

// TestHold: streams are shown what they have added, and what they put there is what is written.
func TestHold(t *testing.T) {
	r := newResponder(t, newConn(), Options{})
	r.Hold() // before there is anything
	given := false
	r.Attach(func(bufs [][]byte, scratch []byte, _ int) [][]byte {
		if given {
			return bufs
		}
		given = true
		return append(bufs, append(scratch, "head"...), []byte("lent"))
	}, func(bufs [][]byte) {
		if len(bufs) != 2 || string(bufs[0]) != "head" || string(bufs[1]) != "lent" {
			t.Errorf("shown %q", bufs)
		}
		bufs[1] = []byte("copy")
	}, func() {}, func() int { return 0 })
	r.Hold()
	r.Reply(call([]byte("reply")), rpc.Reply{})
	got := r.Next(100)
	r.Hold()
	if s := string(bytes.Join(got, []byte(" "))); s != "reply head copy" {
		t.Errorf("to be written: %q", s)
	}
	r.Written()
	r.Reply(call([]byte("reply")), rpc.Reply{})
	r.Next(100)
	r.Hold() // nothing of streams
	r.Written()
}

// TestLargeReplyOfStream: a frame that does not fit into the shared buffer goes out all the same.
func TestLargeReplyOfStream(t *testing.T) {
	r := newResponder(t, newConn(), Options{})
	large := make([]byte, 10*bulkBuffer)
	r.Attach(func(bufs [][]byte, scratch []byte, _ int) [][]byte {
		if large != nil {
			bufs = append(bufs, append(scratch, "head"...), large)
			large = nil
		}
		return bufs
	}, func([][]byte) {}, func() {}, func() int { return 0 })
	if got := r.Next(1); len(got) != 2 || string(got[0]) != "head" || len(got[1]) != 10*bulkBuffer {
		t.Fatalf("%d buffers", len(got))
	}
	r.Written()
	if got := r.Next(1); len(got) != 0 {
		t.Errorf("%d buffers more", len(got))
	}
}

// TestReplyVia: the frame goes to send, the call's context ends, and the event comes when the frame has been written, or is
// certain not to be.
func TestReplyVia(t *testing.T) {
	for _, tt := range []struct {
		name   string
		sent   bool // by send
		then   func(r *Responder)
		before int // events until then
		unsent bool
	}{
		{"written", true, func(r *Responder) { r.Next(100); r.Written() }, 0, false},
		{"refused", false, func(*Responder) {}, 1, true},
		{"reset", true, func(r *Responder) { r.Dropped(7) }, 0, true},
		{"cut off", true, func(r *Responder) { r.Close() }, 0, true},
		{"cut off while it is written", true, func(r *Responder) { r.Next(100); r.Close() }, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, done := watched(t, Options{})
			var frame []byte
			r.Attach(func(bufs [][]byte, _ []byte, _ int) [][]byte {
				if frame != nil {
					r.Appended(7)
					bufs, frame = append(bufs, frame), nil
				}
				return bufs
			}, func([][]byte) {}, func() {}, func() int { return 0 })
			c := call([]byte("reply"))
			c.ID = 7
			r.ReplyVia(c, rpc.Reply{}, func(b []byte) bool { frame = b; return tt.sent })
			if string(frame) != "reply" || c.Context().Err() == nil || r.Pending() != 0 {
				t.Errorf("frame %q, context %v, %d pending", frame, c.Context().Err(), r.Pending())
			}
			if len(*done) != tt.before {
				t.Fatalf("told of %d calls too early", len(*done))
			}
			time.Sleep(time.Millisecond) // on its way
			tt.then(r)
			if len(*done) != 1 {
				t.Fatalf("told of %d calls", len(*done))
			}
			d := (*done)[0]
			if d.Unsent != tt.unsent || (d.ReplyBytes == 5) == tt.unsent || d.ReplyRawBytes != d.ReplyBytes {
				t.Errorf("%+v", d)
			}
			if tt.before == 0 && d.Response < time.Millisecond {
				t.Errorf("the response took %v", d.Response)
			}
			r.Next(100)
			r.Written()
			r.Dropped(7)
			r.Close()
			if len(*done) != 1 {
				t.Errorf("told %d times", len(*done))
			}
		})
	}
	r, done := watched(t, Options{})
	r.Close()
	c := call([]byte("reply"))
	r.ReplyVia(c, rpc.Reply{}, func([]byte) bool { return true }) // the streams have not heard of the end yet
	if len(*done) != 1 || !(*done)[0].Unsent {
		t.Errorf("after the end: %+v", *done)
	}
}
