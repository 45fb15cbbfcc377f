package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// refused opens a stream that must not open.
func refused(t *testing.T, ctx context.Context, c *Client, m *rpc.Method, code rpc.Code, part string) {
	t.Helper()
	s, err := c.Open(ctx, m, &text{})
	if s != nil {
		t.Errorf("got a stream with %v", err)
	}
	wantError(t, err, code, rpc.NotExecuted, part)
}

func TestStreamsUnknown(t *testing.T) {
	ctx := context.Background()
	t.Run("server", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, s := newPipes(t).connect() // a peer without the feature
			defer c.Close()
			refused(t, ctx, c, chat, rpc.Unimplemented, "does not know them")
			o := start(ctx, c, "a")
			s.reply(s.call().id, "A")
			wantText(t, <-o, "A")
		})
	})
	t.Run("frames", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, s := newPipes(t).connect()
			defer c.Close()
			o := start(ctx, c, "a")
			s.call()
			s.write(wire.AppendCredit(nil, 0, 1<<20))
			wantError(t, (<-o).err, rpc.Unavailable, rpc.MaybeExecuted, "a credit frame from a server")
		})
	})
	t.Run("Thrift", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newPipes(t).client(WithThrift(Thrift{}))
			defer c.Close()
			refused(t, ctx, c, chat, rpc.Unimplemented, "Thrift")
		})
	})
	t.Run("method", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, _ := hosting(t, stream.Config{}, echoes)
			defer c.Close()
			refused(t, ctx, c, echo, rpc.InvalidArgument, "no stream")
		})
	})
}

// The first stream waits for the server's preamble; calls do not.
func TestStreamAwaitsPreamble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client()
		defer c.Close()
		s := <-p.peers
		s.hear()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		refused(t, ctx, c, chat, rpc.DeadlineExceeded, "preamble")
		failed := make(chan error, 1)
		go func() {
			_, err := c.Open(context.Background(), chat, &text{})
			failed <- err
		}()
		synctest.Wait()
		p.refuse(errors.New("gone fishing"))
		s.nc.Close()
		wantError(t, <-failed, rpc.Unavailable, rpc.NotExecuted, "")
	})
}

// Opening moves on to the next connection when the first is lost before anything of the stream was sent.
func TestStreamOpensElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client()
		defer c.Close()
		first := <-p.peers
		opened := make(chan rpc.ClientStream, 1)
		go func() {
			s, err := c.Open(context.Background(), chat, &text{"x"})
			if err != nil {
				t.Error(err)
			}
			opened <- s
		}()
		first.hear()
		synctest.Wait()
		first.nc.Close()
		newHost(t, (<-p.peers).nc, stream.Config{}, echoes)
		finish(t, <-opened, "bye x")
	})
}

func TestStreamLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, echoes, WithMaxStreams(2))
		defer c.Close()
		a, b := open(t, c, chat, "a"), open(t, c, chat, "b")
		refused(t, ctx, c, chat, rpc.ResourceExhausted, "2 streams are open")
		a.Cancel()
		finish(t, open(t, c, chat, "c"), "bye c")
		finish(t, b, "bye b")
		check(t, b)
	})
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, echoes, WithStreamMemory(wire.MinWindow))
		defer c.Close()
		for i := range 20 { // each needs all the memory there is
			s := open(t, c, chat, "")
			refused(t, ctx, c, chat, rpc.ResourceExhausted, "no memory")
			if err := s.SendBytes(ctx, make([]byte, 1000)); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				s.Cancel()
			} else {
				finish(t, s, "bye ")
			}
			check(t, s)
		}
		refused(t, ctx, c, &rpc.Method{FullName: "", Stream: rpc.StreamBoth}, rpc.InvalidArgument, "name")
		open(t, c, chat, "").Cancel() // the failed one has kept nothing
	})
	bubble(t, func(t *testing.T) {
		c, _ := hosting(t, stream.Config{}, echoes, WithMaxMessage(1000))
		defer c.Close()
		s := open(t, c, chat, "")
		wantError(t, s.SendBytes(context.Background(), make([]byte, 1001)), rpc.ResourceExhausted, rpc.MaybeExecuted, "1001 bytes")
		wantError(t, s.Send(context.Background(), &text{string(make([]byte, 1000))}), rpc.ResourceExhausted, rpc.MaybeExecuted, "message")
		finish(t, s, "bye ")
	})
	for _, o := range []Option{WithMaxStreams(0), WithStreamMemory(1000), WithStreamInterceptors(nil)} {
		if _, err := Dial(context.Background(), "tcp://127.0.0.1:1", WithLazyDial(), o); err == nil {
			t.Error("a bad option was accepted")
		}
	}
}

// Streams that nobody reads hold up neither others nor calls.
func TestStreamsNeverRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			if h.args == "echo" {
				echoes(h)
				return
			}
			for h.send(make([]byte, 10_000)) == nil { // until it is canceled
			}
		}, WithStreamMemory(8<<20), WithMaxStreams(101))
		defer c.Close()
		var stuck []*clientStream
		for range 100 {
			stuck = append(stuck, open(t, c, watch, "flood"))
		}
		s := open(t, c, chat, "echo")
		for range 20 {
			b := make([]byte, 150<<10)
			if err := s.SendBytes(ctx, b); err != nil {
				t.Fatal(err)
			}
			if got, err := s.RecvBytes(ctx); err != nil || len(got) != len(b) {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
			wantText(t, <-start(ctx, c, "call"), "call")
		}
		finish(t, s, "bye echo")
		for _, s := range stuck {
			s.Cancel()
		}
		check(t, s)
		check(t, stuck[0])
	})
}

func TestThousandStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 1000
		ctx := context.Background()
		c, _ := hosting(t, stream.Config{}, echoes)
		defer c.Close()
		var all []*clientStream
		for range n {
			all = append(all, open(t, c, chat, "s"))
		}
		for range 3 {
			for i, s := range all {
				if err := s.SendBytes(ctx, []byte{byte(i), byte(i >> 8)}); err != nil {
					t.Fatal(err)
				}
			}
			for i, s := range all {
				if b, err := s.RecvBytes(ctx); err != nil || !bytes.Equal(b, []byte{byte(i), byte(i >> 8)}) {
					t.Fatalf("stream %d: got %x, %v", i, b, err)
				}
			}
		}
		for _, s := range all {
			finish(t, s, "bye s")
		}
		check(t, all[0])
	})
}

// The connection breaks in the middle of a frame.
func TestStreamConnectionCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		cut := make(chan struct{})
		c, h := hosting(t, stream.Config{}, func(h *hosted) {
			if h.args != "cut" {
				h.ended()
				return
			}
			h.send([]byte("whole"))
			<-cut
			h.host.push(append(wire.AppendDataHeader(nil, h.core.ID(), 0, 100<<10), make([]byte, 60<<10)...))
			<-h.host.dead
		})
		defer c.Close()
		s, other := open(t, c, chat, "cut"), open(t, c, upload, "")
		if b, err := s.RecvBytes(ctx); err != nil || string(b) != "whole" {
			t.Errorf("got %q, %v", b, err)
		}
		sent := make(chan error, 1)
		go func() {
			for {
				if err := other.SendBytes(ctx, make([]byte, 100<<10)); err != nil {
					sent <- err
					return
				}
			}
		}()
		synctest.Wait()
		close(cut)
		synctest.Wait()
		h.nc.Close()
		_, err := s.RecvBytes(ctx)
		wantError(t, err, rpc.Unavailable, rpc.MaybeExecuted, "connection to")
		wantError(t, <-sent, rpc.Unavailable, rpc.MaybeExecuted, "connection to")
		wantError(t, s.Finish(ctx, nil), rpc.Unavailable, rpc.MaybeExecuted, "connection to")
		check(t, s)
		check(t, other)
		h.wg.Wait()
	})
}

func TestStreamClientCloses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h := hosting(t, stream.Config{}, echoes)
		s := open(t, c, chat, "")
		got := make(chan error, 1)
		go func() {
			_, err := s.RecvBytes(context.Background())
			got <- err
		}()
		synctest.Wait()
		c.Close()
		wantError(t, <-got, rpc.Canceled, rpc.MaybeExecuted, "the client was closed")
		refused(t, context.Background(), c, chat, rpc.Canceled, "the client was closed")
		check(t, s)
		h.wg.Wait()
	})
}

// A server that goes away finishes the streams that it has taken; the others may be opened elsewhere.
func TestStreamGoAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		p := newPipes(t)
		c := p.client()
		defer c.Close()
		h := newHost(t, (<-p.peers).nc, stream.Config{}, echoes)
		taken := open(t, c, chat, "taken")
		late := open(t, c, chat, "late")
		h.push(wire.AppendGoAway(nil, wire.GoAway{Last: taken.call.id, Message: "restarting"}))
		_, err := late.RecvBytes(ctx)
		wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "restarting")
		wantError(t, late.Finish(ctx, nil), rpc.Unavailable, rpc.NotExecuted, "restarting")

		newHost(t, (<-p.peers).nc, stream.Config{}, echoes)
		next := open(t, c, chat, "next")
		if next.conn == taken.conn {
			t.Error("opened on the connection that is going away")
		}
		finish(t, next, "bye next")
		for range 10 {
			if err := taken.SendBytes(ctx, make([]byte, 50<<10)); err != nil {
				t.Error(err)
			}
			if b, err := taken.RecvBytes(ctx); err != nil || len(b) != 50<<10 {
				t.Errorf("got %d bytes, %v", len(b), err)
			}
		}
		finish(t, taken, "bye taken")
		h.wg.Wait() // the connection closes with its last stream
	})
}

// A server that sends more than it may is told so, and loses the connection.
func TestStreamServerExceedsWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			b := wire.AppendDataHeader(nil, h.core.ID(), 0, 200<<10)
			b = append(b, make([]byte, 200<<10)...)
			h.host.push(b)
			h.host.push(b)
			h.ended()
		})
		defer c.Close()
		s := open(t, c, chat, "")
		<-s.done
		wantError(t, s.Finish(context.Background(), nil), rpc.Unavailable, rpc.MaybeExecuted, "more data than its limit")
	})
}

func TestStreamMetadataAndInterceptors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen []string
		around := func(name string) rpc.StreamClientInterceptor {
			return func(next rpc.StreamClientHandler) rpc.StreamClientHandler {
				return func(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
					seen = append(seen, name+" "+m.Name)
					return next(rpc.WithMetadata(ctx, name, "yes"), m, args)
				}
			}
		}
		c, _ := hosting(t, stream.Config{}, func(h *hosted) {
			for _, name := range []string{"outer", "inner"} {
				if v, _ := wire.LookupMetadata(h.header.Metadata, name); string(v) != "yes" {
					t.Errorf("%s: got %q", name, v)
				}
			}
			echoes(h)
		}, WithStreamInterceptors(around("outer"), around("inner")))
		defer c.Close()
		s, err := c.Open(context.Background(), chat, &text{"x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CloseSend(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := s.RecvBytes(context.Background()); err != io.EOF {
			t.Error(err)
		}
		finish(t, s, "bye x")
		if len(seen) != 2 || seen[0] != "outer chat" || seen[1] != "inner chat" {
			t.Errorf("the interceptors saw %q", seen)
		}
	})
}
