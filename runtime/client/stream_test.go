package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// bubble runs a test in a synctest bubble, where a goroutine that outlives it is a failure.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// check fails the test, a bubble, if something of a connection's streams is left once everything has come to rest.
func check(t *testing.T, s *clientStream) {
	t.Helper()
	synctest.Wait()
	cn := s.conn
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if n := cn.streams.mux.Len(); n != 0 || cn.table.n != 0 {
		t.Errorf("%d streams and %d calls are left", n, cn.table.n)
	}
	if !cn.failed && (cn.streams.bulk != 0 || cn.streams.tail != 0 || cn.queued != 0) {
		t.Errorf("%d bytes of streams (%d in the tail) of %d are left in the queue", cn.streams.bulk, cn.streams.tail, cn.queued)
	}
	if held := s.core.String(); !strings.HasSuffix(held, "reserved 0") {
		t.Errorf("memory is left: %s", held)
	}
}

func finish(t testing.TB, s rpc.ClientStream, want string) {
	t.Helper()
	var r text
	if err := s.Finish(context.Background(), &r); err != nil || r.s != want {
		t.Errorf("Finish: %.40q, %v, want %.40q", r.s, err, want)
	}
}

func TestStreamOfResults(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		refused := make(chan struct{})
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			<-refused
			for _, m := range []string{"a", "", strings.Repeat("x", 200<<10)} {
				if err := h.send(encode(m)); err != nil {
					t.Error(err)
				}
			}
			h.reply(h.args)
		})
		defer c.Close()
		s := open(t, c, watch, "args")
		wantError(t, s.Send(ctx, &text{}), rpc.FailedPrecondition, rpc.MaybeExecuted, "sends no messages")
		close(refused)
		for _, want := range []int{1, 0, 200 << 10} {
			var m text
			if err := s.Recv(ctx, &m); err != nil || len(m.s) != want {
				t.Errorf("got %d bytes, %v, want %d", len(m.s), err, want)
			}
		}
		if err := s.Recv(ctx, new(text)); err != io.EOF {
			t.Errorf("after the last message: %v", err)
		}
		finish(t, s, "args")
		check(t, s)
		if s.Context().Err() == nil {
			t.Error("the context outlives the stream")
		}
	})
}

func TestStreamOfArguments(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			if h.header.Window != 0 {
				t.Errorf("a window of %d for messages that there are none of", h.header.Window)
			}
			n := 0
			for {
				b, err := h.recv()
				if err != nil {
					break
				}
				n += len(b)
			}
			h.reply(strings.Repeat("n", n/1000))
		})
		defer c.Close()
		s := open(t, c, upload, "")
		for range 100 {
			if err := s.SendBytes(ctx, make([]byte, 10_000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SendBytes(ctx, make([]byte, 2_000_000)); err != nil {
			t.Fatal(err)
		}
		if err := s.Recv(ctx, new(text)); err != io.EOF {
			t.Errorf("Recv on a stream without results: %v", err)
		}
		finish(t, s, strings.Repeat("n", 3000)) // half-closes
		check(t, s)
	})
}

func TestStreamBothWays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, echoes)
		defer c.Close()
		s := open(t, c, chat, "you")
		for _, size := range []int{0, 1, 100, linkSize - 1, linkSize, 70 << 10, 3 << 20} {
			b := bytes.Repeat([]byte{byte(size)}, size)
			if err := s.SendBytes(ctx, b); err != nil {
				t.Fatal(err)
			}
			clear(b) // it is ours again
			got, err := s.RecvBytes(ctx)
			if err != nil || len(got) != size || size > 0 && got[size-1] != byte(size) {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, size)
			}
		}
		for range 2 {
			if err := s.CloseSend(ctx); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.RecvBytes(ctx); err != io.EOF {
			t.Error(err)
		}
		finish(t, s, "bye you")
		var r text
		if err := s.Finish(ctx, &r); err != nil || r.s != "" {
			t.Errorf("again: %q, %v", r.s, err)
		}
		s.Cancel()
		check(t, s)
	})
}

// The server half-closes first, and goes on receiving.
func TestStreamServerHalfCloses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		refused := make(chan struct{})
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			h.closeSend()
			b, err := h.recv()
			if err != nil {
				t.Error(err)
			}
			if _, err := h.recv(); err != io.EOF {
				t.Errorf("after the client's half-close: %v", err)
			}
			<-refused
			h.reply(string(b))
		})
		defer c.Close()
		s := open(t, c, chat, "")
		if _, err := s.RecvBytes(ctx); err != io.EOF {
			t.Errorf("got %v", err)
		}
		if err := s.SendBytes(ctx, []byte("still here")); err != nil {
			t.Error(err)
		}
		if err := s.CloseSend(ctx); err != nil {
			t.Error(err)
		}
		wantError(t, s.SendBytes(ctx, nil), rpc.FailedPrecondition, rpc.MaybeExecuted, "none any more")
		close(refused)
		finish(t, s, "still here")
		check(t, s)
	})
}

// A sender without credit waits; a message that has not begun to leave can be taken back, one that has cannot.
func TestStreamCredit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		read := make(chan struct{})
		c, _ := hosting(t, stream.Config{Window: wire.MinWindow}, func(h *hosted) {
			<-read
			echoes(h)
		})
		defer c.Close()
		s := open(t, c, chat, "")
		first := bytes.Repeat([]byte("1"), wire.MinWindow-wire.DataOverhead) // all there is
		if err := s.SendBytes(ctx, first); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		wantError(t, s.SendBytes(short, []byte("2")), rpc.DeadlineExceeded, rpc.MaybeExecuted, "credit")
		cancel()
		close(read)
		if err := s.SendBytes(ctx, []byte("3")); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{string(first), "3"} {
			if b, err := s.RecvBytes(ctx); err != nil || string(b) != want {
				t.Errorf("got %.10q, %v, want %.10q", b, err, want)
			}
		}
		finish(t, s, "bye ")
		check(t, s)
	})
}

func TestStreamSendCutOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		ended := make(chan error, 1)
		c, _ := hosting(t, stream.Config{Window: wire.MinWindow}, func(h *hosted) { ended <- h.ended() })
		defer c.Close()
		s := open(t, c, chat, "")
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		wantError(t, s.SendBytes(short, make([]byte, 100<<10)), rpc.DeadlineExceeded, rpc.MaybeExecuted, "a part had been sent")
		if err := <-ended; rpc.CodeOf(err) != rpc.DeadlineExceeded {
			t.Errorf("the server saw %v", err)
		}
		wantError(t, s.SendBytes(ctx, nil), rpc.DeadlineExceeded, rpc.MaybeExecuted, "")
		wantError(t, s.Finish(ctx, nil), rpc.DeadlineExceeded, rpc.MaybeExecuted, "")
		check(t, s)
	})
}

// A window grows where it holds the server up and somebody reads.
func TestStreamWindowGrows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			for range 100 {
				if h.send(make([]byte, 200<<10)) != nil {
					return
				}
			}
			h.reply("")
		})
		defer c.Close()
		s := open(t, c, watch, "")
		n := 0
		for {
			b, err := s.RecvBytes(ctx)
			if err != nil {
				break
			}
			n += len(b)
		}
		finish(t, s, "")
		if state := s.core.String(); n != 100*200<<10 || strings.Contains(state, "window 262144") {
			t.Errorf("got %d bytes with the stream at last %s", n, state)
		}
		check(t, s)
	})
}

func TestStreamTrailingError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			h.send([]byte("first"))
			h.fail(&rpc.Error{Code: rpc.DataLoss, Message: "disk on fire", Execution: rpc.Executed})
		})
		defer c.Close()
		s := open(t, c, chat, "")
		<-s.done
		if b, err := s.RecvBytes(ctx); string(b) != "first" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		for range 2 {
			_, err := s.RecvBytes(ctx)
			wantError(t, err, rpc.DataLoss, rpc.Executed, "disk on fire")
		}
		wantError(t, s.SendBytes(ctx, nil), rpc.DataLoss, rpc.Executed, "disk on fire")
		err := s.Finish(ctx, nil)
		wantError(t, err, rpc.DataLoss, rpc.Executed, "disk on fire")
		if e := new(rpc.Error); !errors.As(err, &e) || !e.Remote || e.Method != chat.FullName {
			t.Errorf("got %+v", e)
		}
		check(t, s)
	})
}

// The server replies while the client still sends.
func TestStreamEarlyReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, func(h *hosted) { h.reply("enough") })
		defer c.Close()
		s := open(t, c, upload, "")
		for {
			if err := s.SendBytes(ctx, make([]byte, 100<<10)); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		finish(t, s, "enough")
		check(t, s)
	})
}

// Finish drops what was not received, even where the server needs credit to get to its end.
func TestStreamFinishDropsTheRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			for range 50 {
				if err := h.send(make([]byte, 100<<10)); err != nil {
					t.Error(err)
				}
			}
			h.reply("done")
		})
		defer c.Close()
		s := open(t, c, watch, "")
		finish(t, s, "done")
		check(t, s)
	})
}

func TestStreamCancel(t *testing.T) {
	for name, how := range map[string]func(*clientStream, context.CancelFunc){
		"Cancel":  func(s *clientStream, _ context.CancelFunc) { s.Cancel() },
		"context": func(_ *clientStream, cancel context.CancelFunc) { cancel() },
		"Finish": func(s *clientStream, _ context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			s.Finish(ctx, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ended := make(chan error, 1)
				c, _ := hosting(t, stream.Config{}, func(h *hosted) {
					h.send([]byte("unread"))
					ended <- h.ended()
				})
				defer c.Close()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				opened, err := c.Open(ctx, chat, &text{})
				if err != nil {
					t.Fatal(err)
				}
				s := opened.(*clientStream)
				if _, err := s.RecvBytes(context.Background()); err != nil {
					t.Error(err)
				}
				waiting := make(chan error, 1)
				if name != "Finish" { // which must not run beside a Recv
					go func() {
						_, err := s.RecvBytes(context.Background())
						waiting <- err
					}()
					synctest.Wait()
				}
				how(s, cancel)
				if err := <-ended; rpc.CodeOf(err) != rpc.Canceled {
					t.Errorf("the server saw %v", err)
				}
				if name != "Finish" {
					wantError(t, <-waiting, rpc.Canceled, rpc.MaybeExecuted, "")
				}
				wantError(t, s.Finish(context.Background(), nil), rpc.Canceled, rpc.MaybeExecuted, "")
				if s.Context().Err() == nil {
					t.Error("the context outlives the stream")
				}
				check(t, s)
			})
		})
	}
}

func TestStreamResetByServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			h.reset(&rpc.Error{Code: rpc.Aborted, Message: "no more"})
		})
		defer c.Close()
		s := open(t, c, chat, "")
		_, err := s.RecvBytes(context.Background())
		wantError(t, err, rpc.Aborted, rpc.MaybeExecuted, "no more")
		wantError(t, s.Finish(context.Background(), nil), rpc.Aborted, rpc.MaybeExecuted, "no more")
		check(t, s)
	})
}

func TestStreamDeadline(t *testing.T) {
	slow := *watch
	slow.Timeout = 20 * time.Second
	for _, m := range []*rpc.Method{watch, &slow} {
		bubble(t, func(t *testing.T) {
			told := make(chan time.Duration, 1)
			c, _ := hosting(t, stream.Config{}, func(h *hosted) {
				told <- h.header.Timeout
				h.ended()
			}, WithTimeout(time.Millisecond)) // which is for calls
			defer c.Close()
			ctx, cancel := context.Background(), func() {}
			if m.Timeout == 0 {
				ctx, cancel = context.WithTimeout(ctx, 20*time.Second)
			}
			defer cancel()
			began := time.Now()
			opened, err := c.Open(ctx, m, &text{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = opened.RecvBytes(context.Background())
			wantError(t, err, rpc.DeadlineExceeded, rpc.MaybeExecuted, "the end of the stream")
			if d := <-told; d != 20*time.Second || time.Since(began) != 20*time.Second {
				t.Errorf("the server was told %v, the stream took %v", d, time.Since(began))
			}
			check(t, opened.(*clientStream))
		})
	}
}

// The context of Recv is about the wait only.
func TestStreamRecvWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _ := hosting(t, stream.Config{}, echoes)
		defer c.Close()
		s := open(t, c, chat, "")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := s.RecvBytes(ctx)
		wantError(t, err, rpc.DeadlineExceeded, rpc.MaybeExecuted, "a message")
		if err := s.Send(context.Background(), &text{"x"}); err != nil {
			t.Error(err)
		}
		var m text
		if err := s.Recv(context.Background(), &m); err != nil || m.s != "x" {
			t.Errorf("got %q, %v", m.s, err)
		}
		if err := s.SendBytes(context.Background(), []byte{0xff}); err != nil {
			t.Error(err)
		}
		wantError(t, s.Recv(context.Background(), &m), rpc.InvalidArgument, rpc.MaybeExecuted, "message")
		finish(t, s, "bye ")
		check(t, s)
	})
}
