package client

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// received is the outcome of a Recv in a goroutine of its own.
type received struct {
	b   []byte
	err error
}

func receiving(ctx context.Context, s *clientStream) <-chan received {
	c := make(chan received, 1)
	go func() {
		b, err := s.RecvBytes(ctx)
		c <- received{b, err}
	}()
	return c
}

// receiver returns a client with a stream whose receiver has waited alone for so long that the reader goroutine has just left
// the helm, and the server's end.
func receiver(t *testing.T) (*Client, *clientStream, *hosted) {
	t.Helper()
	streams := make(chan *hosted, 10)
	c, _ := hosting(t, stream.Config{}, func(h *hosted) {
		streams <- h
		<-h.host.dead
	})
	s := open(t, c, chat, "")
	h := <-streams
	n := 0
	for ; s.conn.helmState() == helmHome && n <= loneliness; n++ {
		exchangeOne(t, s, h)
	}
	if wantHelm(t, s.conn, helmFree); n < loneliness {
		t.Fatalf("the reader has left after %d messages", n)
	}
	return c, s, h
}

// exchangeOne has the server send a message that s waits for.
func exchangeOne(t *testing.T, s *clientStream, h *hosted) {
	t.Helper()
	got := receiving(context.Background(), s)
	synctest.Wait()
	if err := h.send([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.err != nil || string(r.b) != "hello" {
		t.Fatalf("%q, %v", r.b, r.err)
	}
	synctest.Wait()
}

// TestHelmOfReceivers: who reads where there are streams, and until when.
func TestHelmOfReceivers(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c *Client, s *clientStream, h *hosted)
	}{
		{"messages one by one", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			for range 10 {
				got := receiving(ctx, s)
				wantHelm(t, s.conn, helmLed)
				h.send([]byte("x"))
				if r := <-got; r.err != nil {
					t.Error(r.err)
				}
				wantHelm(t, s.conn, helmFree)
			}
			time.Sleep(2 * helmWatch)
			wantHelm(t, s.conn, helmHome)
		}},
		{"silence", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			got := receiving(ctx, s)
			wantHelm(t, s.conn, helmLed)
			time.Sleep(2 * helmWatch)
			wantHelm(t, s.conn, helmHome)
			h.send([]byte("late"))
			if r := <-got; string(r.b) != "late" {
				t.Errorf("%q, %v", r.b, r.err)
			}
		}},
		{"a canceled Recv", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			ctx, cancel := context.WithCancel(ctx)
			got := receiving(ctx, s)
			wantHelm(t, s.conn, helmLed)
			began := time.Now()
			cancel()
			if r := <-got; rpc.CodeOf(r.err) != rpc.Canceled {
				t.Errorf("%q, %v", r.b, r.err)
			}
			if d := time.Since(began); d > helmWatch {
				t.Errorf("noticed after %v", d)
			}
			wantHelm(t, s.conn, helmHome)
			exchangeOne(t, s, h)
		}},
		{"a deadline", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			for _, left := range []time.Duration{800 * time.Microsecond, 50 * time.Millisecond} {
				began := time.Now()
				ctx, cancel := context.WithTimeout(ctx, left)
				r := <-receiving(ctx, s)
				cancel()
				if d := time.Since(began); rpc.CodeOf(r.err) != rpc.DeadlineExceeded || d != left {
					t.Errorf("%v after %v", r.err, d)
				}
			}
		}},
		{"a canceled stream", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			got := receiving(ctx, s)
			wantHelm(t, s.conn, helmLed)
			began := time.Now()
			s.Cancel()
			if r := <-got; rpc.CodeOf(r.err) != rpc.Canceled || time.Since(began) > 0 {
				t.Errorf("%v after %v", r.err, time.Since(began))
			}
			wantHelm(t, s.conn, helmHome)
		}},
		{"calls beside it", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			got := receiving(ctx, s)
			wantHelm(t, s.conn, helmLed)
			if err := c.Call(ctx, echo, &text{"beside"}, new(text)); err != nil {
				t.Error(err)
			}
			pending := c.Go(ctx, echo, &text{"later"}, new(text))
			h.send([]byte("x"))
			<-got
			if err := pending.Wait(ctx); err != nil {
				t.Error(err)
			}
		}},
		{"another receiver", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			other := open(t, c, chat, "")
			theirs := receiving(ctx, other)
			wantHelm(t, s.conn, helmHome)
			for range 2 * loneliness { // s is not alone
				exchangeOne(t, s, h)
				wantHelm(t, s.conn, helmHome)
			}
			other.Cancel()
			<-theirs
		}},
		{"another receiver while one leads", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			got := receiving(ctx, s)
			wantHelm(t, s.conn, helmLed)
			other := open(t, c, chat, "")
			theirs := receiving(ctx, other)
			wantHelm(t, s.conn, helmLed)
			h.send([]byte("x"))
			<-got
			wantHelm(t, s.conn, helmHome)
			other.Cancel()
			<-theirs
		}},
		{"credit for a sender", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			sent := make(chan error, 1)
			go func() { sent <- s.SendBytes(ctx, make([]byte, 1<<20)) }()
			wantHelm(t, s.conn, helmHome)
			got, err := h.recv()
			if err != nil || len(got) != 1<<20 || <-sent != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}},
		{"a long message", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			got := receiving(ctx, s)
			wantHelm(t, s.conn, helmLed)
			h.send(make([]byte, 1<<20))
			if r := <-got; len(r.b) != 1<<20 {
				t.Errorf("%d bytes, %v", len(r.b), r.err)
			}
			wantHelm(t, s.conn, helmFree)
		}},
		{"the end", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			got := receiving(ctx, s)
			wantHelm(t, s.conn, helmLed)
			h.reply("")
			if r := <-got; r.err != io.EOF {
				t.Errorf("%v", r.err)
			}
			finish(t, s, "")
		}},
		{"the connection is lost", func(t *testing.T, c *Client, s *clientStream, h *hosted) {
			got := receiving(ctx, s)
			wantHelm(t, s.conn, helmLed)
			h.host.nc.Close()
			if r := <-got; rpc.CodeOf(r.err) != rpc.Unavailable {
				t.Errorf("%v", r.err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, s, h := receiver(t)
				test.run(t, c, s, h)
				s.Cancel()
				cn := s.conn
				synctest.Wait()
				cn.mu.Lock()
				if cn.streams.waiting != 0 || cn.table.streams != 0 {
					t.Errorf("%d wait, %d streams are in the table", cn.streams.waiting, cn.table.streams)
				}
				cn.mu.Unlock()
				c.Close()
			})
		})
	}
}

// watched is a context that notes whether it was asked while a connection's mu was held.
type watched struct {
	context.Context
	cn     *conn
	asked  atomic.Int32
	locked atomic.Int32
}

func (w *watched) Err() error {
	if w.asked.Add(1); w.cn.mu.TryLock() {
		w.cn.mu.Unlock()
	} else {
		w.locked.Add(1)
	}
	return w.Context.Err()
}

// TestHelmAsksWithoutLock: a context may be of the caller's own kind, and do anything when it is asked, even use the connection.
// Whoever looks after a leader asks it without the connection's lock.
func TestHelmAsksWithoutLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s, h := receiver(t)
		w := &watched{Context: context.Background(), cn: s.conn}
		got := receiving(w, s)
		wantHelm(t, s.conn, helmLed)
		time.Sleep(helmWatch + helmWatch/2) // the helm was used, so it is the context that is looked at
		h.send([]byte("x"))
		if r := <-got; r.err != nil {
			t.Error(r.err)
		}
		if asked, locked := w.asked.Load(), w.locked.Load(); asked == 0 || locked > 0 {
			t.Errorf("asked %d times, %d of them with the lock", asked, locked)
		}
		s.Cancel()
		c.Close()
	})
}
