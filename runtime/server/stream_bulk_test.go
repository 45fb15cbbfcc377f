package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

var (
	echoAll = &rpc.Method{Service: "Bulk", Name: "echo", FullName: "Bulk.echo", Stream: rpc.StreamBoth}
	count   = &rpc.Method{Service: "Bulk", Name: "count", FullName: "Bulk.count", Stream: rpc.StreamResult}
)

// sizes are of messages that are copied, linked, sent ahead or waited for, in one piece and in several.
var sizes = []int{1, 5000, 16<<10 - 1, 16 << 10, 64 << 10, 64<<10 + 9, 100_000, 140_000, 200_000, 1 << 20}

// fillMessage writes message i of a stream into b, which it returns at the message's size.
func fillMessage(b []byte, i int) []byte {
	b = b[:sizes[i%len(sizes)]]
	for j := range b {
		b[j] = byte(i)
	}
	return b
}

func checkMessage(b []byte, i int) error {
	if want := sizes[i%len(sizes)]; len(b) != want || bytes.Count(b, []byte{byte(i)}) != want {
		return rpc.Errorf(rpc.DataLoss, "message %d has %d bytes, %d of them right, want %d", i, len(b), bytes.Count(b, []byte{byte(i)}), want)
	}
	return nil
}

// bulkService sends and receives messages whose memory it uses again at once.
func bulkService() *rpc.Service {
	args := func() codec.Decodable { return new(number) }
	return &rpc.Service{Name: "Bulk", Handlers: []rpc.Handler{
		{Method: count, NewArgs: args, Open: func(ctx context.Context, a codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			b := make([]byte, 1<<20)
			for i := range int(a.(*number).n) {
				if err := s.SendBytes(ctx, fillMessage(b, i)); err != nil {
					return nil, err
				}
			}
			clear(b) // what is pending still goes out, before the result
			return a.(*number), nil
		}},
		{Method: echoAll, NewArgs: args, Open: func(ctx context.Context, a codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			for i := 0; ; i++ {
				b, err := s.RecvBytes(ctx)
				if err == io.EOF {
					return &number{int64(i)}, nil
				}
				if err == nil {
					err = checkMessage(b, i)
				}
				if err == nil {
					err = s.SendBytes(ctx, b)
				}
				if err != nil {
					return nil, err
				}
				rpc.Recycle(b)
			}
		}},
	}}
}

func startBulk(t testing.TB) *client.Client {
	t.Helper()
	srv := server.New()
	if err := srv.Register(bulkService()); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	c, err := client.Dial(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		srv.Close()
		<-served
	})
	return c
}

// TestMessagesAreTheirOwn: however messages travel, and whoever uses their memory again, each arrives as it was sent.
func TestMessagesAreTheirOwn(t *testing.T) {
	c := startBulk(t)
	const streams, messages = 4, 60
	var wg sync.WaitGroup
	for range streams {
		wg.Go(func() {
			if err := receiveCount(t.Context(), c, messages); err != nil {
				t.Errorf("count: %v", err)
			}
		})
		wg.Go(func() {
			if err := exchange(t.Context(), c, messages); err != nil {
				t.Errorf("echo: %v", err)
			}
		})
	}
	wg.Wait()
}

func receiveCount(ctx context.Context, c *client.Client, messages int) error {
	s, err := c.Open(ctx, count, &number{int64(messages)})
	if err != nil {
		return err
	}
	defer s.Cancel()
	if err := receiveAll(ctx, s, messages); err != nil {
		return err
	}
	return s.Finish(ctx, new(number))
}

func receiveAll(ctx context.Context, s rpc.ClientStream, messages int) error {
	for i := range messages {
		b, err := s.RecvBytes(ctx)
		if err == nil {
			err = checkMessage(b, i)
		}
		if err != nil {
			return err
		}
		rpc.Recycle(b)
	}
	if _, err := s.RecvBytes(ctx); err != io.EOF {
		return fmt.Errorf("after the last message: %v", err)
	}
	return nil
}

func exchange(ctx context.Context, c *client.Client, messages int) error {
	s, err := c.Open(ctx, echoAll, new(number))
	if err != nil {
		return err
	}
	defer s.Cancel()
	sent := make(chan error, 1)
	go func() {
		b := make([]byte, 1<<20)
		for i := range messages {
			if err := s.SendBytes(ctx, fillMessage(b, i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend(ctx)
	}()
	if err := receiveAll(ctx, s, messages); err != nil {
		return err
	}
	if err := <-sent; err != nil {
		return err
	}
	var r number
	if err := s.Finish(ctx, &r); err != nil || r.n != int64(messages) {
		return fmt.Errorf("finish: %d, %v", r.n, err)
	}
	return nil
}

// TestSendAhead: handlers get two messages of 64 KiB ahead of a client that grants nothing, as long as the streams of the
// connection together do not hold too many; after that Send waits.
func TestSendAhead(t *testing.T) {
	ahead := make(chan int)
	try := &rpc.Method{Service: "Ahead", Name: "try", FullName: "Ahead.try", Stream: rpc.StreamResult}
	h, _ := startStreamsAnd(t, &rpc.Service{Name: "Ahead", Handlers: []rpc.Handler{{
		Method: try, NewArgs: func() codec.Decodable { return new(number) },
		Open: func(ctx context.Context, _ codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			for n, waits := 0, 0; ; {
				brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				err := s.SendBytes(brief, make([]byte, 64<<10))
				cancel()
				switch {
				case err == nil:
					n, waits = n+1, 0
				case rpc.CodeOf(err) != rpc.DeadlineExceeded:
					return nil, err
				case waits < 10: // a busy machine may use the time up before there is a look at the window
					waits++
				default:
					ahead <- n
					<-ctx.Done()
					return nil, ctx.Err()
				}
			}
		},
	}}})
	r := h.rawStreams(t)
	for i, want := range []int{2, 2, 2, 2, 0, 0} {
		r.send(r.call(nil, uint64(i)+1, try.FullName, &number{}, &wire.CallOptions{Stream: true}))
		select {
		case got := <-ahead:
			if got != want {
				t.Errorf("stream %d: %d messages went ahead, want %d", i, got, want)
			}
		case <-time.After(soon):
			t.Fatal("Send neither returns nor waits")
		}
	}
}

// TestStreamStall: a stream whose other side takes nothing ends, on the side that minds as on the other, and others go on.
func TestStreamStall(t *testing.T) {
	t.Run("the client does not read", func(t *testing.T) {
		h, impl := startStreams(t, server.WithStreamStall(100*time.Millisecond))
		c := h.streams()
		s, err := c.Download(t.Context(), -1, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		arrives(t, impl.ended, "the end of Download") // nothing is received before
		for err == nil {
			_, err = s.Recv(t.Context())
		}
		wantError(t, err, rpc.ResourceExhausted, rpc.MaybeExecuted, "the client has received nothing for 100ms")
		pings(t, c)
	})
	t.Run("the server does not read", func(t *testing.T) {
		h, impl := startStreams(t)
		c := h.streams(client.WithStreamStall(100 * time.Millisecond))
		s, err := c.Hold(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		arrives(t, impl.held, "Hold")
		for err == nil {
			err = s.Send(t.Context(), make([]byte, 64<<10))
		}
		wantError(t, err, rpc.ResourceExhausted, rpc.MaybeExecuted, "the server has received nothing for 100ms")
		pings(t, c)
	})
}
