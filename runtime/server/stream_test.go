package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/streamtest"
)

// streamer implements streamtest.Streams.
type streamer struct {
	held  chan string // names of the calls of Hold, when they begin
	ended chan error  // what the stream's method returned when a call of Hold, Chat or Download ended
}

func (s *streamer) Download(ctx context.Context, count int64, size int32, out rpc.SendStream[[]byte]) (err error) {
	defer func() { s.ended <- err }()
	b := make([]byte, size)
	for i := int64(0); i != count; i++ {
		if err := out.Send(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (s *streamer) Upload(ctx context.Context, name string, pieces rpc.RecvStream[[]byte]) (n int64, err error) {
	for {
		b, err := pieces.Recv(ctx)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if n += int64(len(b)); name == "one" {
			return n, nil
		}
	}
}

func (s *streamer) Chat(ctx context.Context, lines rpc.RecvStream[string], out rpc.SendStream[string]) (err error) {
	defer func() { s.ended <- err }()
	for {
		line, err := lines.Recv(ctx)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = out.Send(ctx, strings.ToUpper(line))
		}
		if err != nil {
			return err
		}
	}
}

func (s *streamer) Items(ctx context.Context, n int64, how string, out rpc.SendStream[*streamtest.Item]) error {
	for i := range n {
		if err := out.Send(ctx, &streamtest.Item{N: i}); err != nil {
			return err
		}
	}
	switch how {
	case "refuse":
		return &streamtest.Refused{Reason: "enough"}
	case "fail":
		return rpc.NewError(rpc.DataLoss, "the rest is lost")
	case "panic":
		panic("boo")
	}
	return nil
}

// Mirror receives into one item, and keeps of it what may be kept.
func (s *streamer) Mirror(ctx context.Context, in rpc.RecvStream[*streamtest.Item], out rpc.SendStream[*streamtest.Item]) error {
	var labels []string
	for item := new(streamtest.Item); ; {
		switch err := rpc.RecvInto(ctx, in, item); {
		case err == io.EOF:
			return checkLabels(labels)
		case rpc.CodeOf(err) == rpc.InvalidArgument:
			item = &streamtest.Item{Label: "not an item"}
		case err != nil:
			return err
		default:
			labels = append(labels, item.Label)
		}
		if err := out.Send(ctx, item); err != nil {
			return err
		}
	}
}

func (s *streamer) Hold(ctx context.Context, name string, in rpc.RecvStream[[]byte]) error {
	s.held <- name
	<-ctx.Done()
	_, err := in.Recv(context.Background())
	s.ended <- err
	return err
}

func (s *streamer) Sum(ctx context.Context, in rpc.RecvStream[int64]) (sum int64, err error) {
	for {
		n, err := in.Recv(ctx)
		if err == io.EOF {
			return sum, nil
		}
		if err != nil {
			return 0, err
		}
		sum += n
	}
}

func (s *streamer) Ping(_ context.Context, text string) (string, error) { return text, nil }

// startStreams runs a server of Streams until the test ends.
func startStreams(t testing.TB, opts ...server.Option) (*host, *streamer) {
	t.Helper()
	return startStreamsAnd(t, nil, opts...)
}

// startStreamsAnd is startStreams for a server that offers another service, too, if it is not nil.
func startStreamsAnd(t testing.TB, other *rpc.Service, opts ...server.Option) (*host, *streamer) {
	t.Helper()
	noLeaks(t)
	h := &host{t: t, log: newLogbook(), served: make(chan error, 1)}
	impl := &streamer{held: make(chan string, 10_000), ended: make(chan error, 10_000)}
	h.srv = server.New(append([]server.Option{server.WithLogger(slog.New(h.log))}, opts...)...)
	services := []*rpc.Service{streamtest.NewStreamsService(impl)}
	if other != nil {
		services = append(services, other)
	}
	if err := h.srv.Register(services...); err != nil {
		t.Fatal(err)
	}
	h.tcp = h.listen("tcp://127.0.0.1:0")
	go func() { h.served <- h.srv.Serve() }()
	t.Cleanup(func() {
		if err := h.srv.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-h.served
	})
	return h, impl
}

func (h *host) streams(opts ...client.Option) *streamtest.StreamsClient {
	h.t.Helper()
	return streamtest.NewStreamsClient(h.dial(h.tcp, opts...))
}

// arrives waits for a value of c.
func arrives[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		t.Fatalf("%s: nothing for %v", what, soon)
		panic("unreachable")
	}
}

func pings(t testing.TB, c *streamtest.StreamsClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if got, err := c.Ping(ctx, "still there?"); got != "still there?" || err != nil {
		t.Errorf("Ping: %q, %v", got, err)
	}
}

// TestStreamForms: every form, with more data than any window holds.
func TestStreamForms(t *testing.T) {
	h, _ := startStreams(t)
	c, ctx := h.streams(), t.Context()
	t.Run("download", func(t *testing.T) {
		s, err := c.Download(ctx, 100, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			b, err := s.Recv(ctx)
			if err == io.EOF {
				break
			}
			if err != nil || len(b) != 100_000 {
				t.Fatalf("%d bytes, %v", len(b), err)
			}
			n++
		}
		if err := s.Finish(ctx); n != 100 || err != nil {
			t.Errorf("%d messages, %v", n, err)
		}
	})
	t.Run("upload", func(t *testing.T) {
		s, err := c.Upload(ctx, "all")
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 300_000) // larger than the first window
		for range 30 {
			if err := s.Send(ctx, b); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.Finish(ctx); n != 9_000_000 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("chat", func(t *testing.T) {
		s, err := c.Chat(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"hello", "", strings.Repeat("x", 200_000)} {
			if err := s.Send(ctx, line); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Recv(ctx); got != strings.ToUpper(line) || err != nil {
				t.Errorf("%d bytes back for %d, %v", len(got), len(line), err)
			}
		}
		if err := s.CloseSend(ctx); err != nil {
			t.Error(err)
		}
		if _, err := s.Recv(ctx); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
		if err := s.Finish(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("early reply", func(t *testing.T) {
		s, err := c.Upload(ctx, "one")
		if err != nil {
			t.Fatal(err)
		}
		for err == nil { // the server stops reading after the first
			err = s.Send(ctx, make([]byte, 50_000))
		}
		if err != io.EOF {
			t.Errorf("Send: %v", err)
		}
		if n, err := s.Finish(ctx); n != 50_000 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// TestStreamEnds: how a method ends follows its messages.
func TestStreamEnds(t *testing.T) {
	h, _ := startStreams(t)
	c, ctx := h.streams(), t.Context()
	for how, check := range map[string]func(error){
		"well": func(err error) {
			if err != nil {
				t.Error(err)
			}
		},
		"refuse": func(err error) {
			if refused := new(streamtest.Refused); !errors.As(err, &refused) || refused.Reason != "enough" {
				t.Errorf("got %v", err)
			}
		},
		"fail":  func(err error) { wantError(t, err, rpc.DataLoss, rpc.Executed, "the rest is lost") },
		"panic": func(err error) { wantError(t, err, rpc.Internal, rpc.Executed, "panicked") },
	} {
		s, err := c.Items(ctx, 3, how)
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(3) {
			if m, err := s.Recv(ctx); err != nil || m.N != i {
				t.Errorf("%s: item %d: %v, %v", how, i, m, err)
			}
		}
		if _, err := s.Recv(ctx); err == nil {
			t.Errorf("%s: one more", how)
		}
		check(s.Finish(ctx))
	}
	pings(t, c)
}

// TestStreamCancel: a client that gives up ends the handler's waits, and its context.
func TestStreamCancel(t *testing.T) {
	h, impl := startStreams(t)
	c := h.streams()
	for name, cancel := range map[string]func(s *streamtest.StreamsDownloadStream, cancel func()){
		"Cancel":  func(s *streamtest.StreamsDownloadStream, _ func()) { s.Cancel() },
		"context": func(_ *streamtest.StreamsDownloadStream, cancel func()) { cancel() },
	} {
		ctx, stop := context.WithCancel(t.Context())
		s, err := c.Download(ctx, -1, 1000) // blocks when the windows are full
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(ctx); err != nil {
			t.Fatal(err)
		}
		cancel(s, stop)
		if err := arrives(t, impl.ended, name); rpc.CodeOf(err) != rpc.Canceled {
			t.Errorf("%s: the handler's Send returned %v", name, err)
		}
		stop()
	}
	hold, err := c.Hold(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	arrives(t, impl.held, "Hold")
	hold.Cancel()
	if err := arrives(t, impl.ended, "Hold"); rpc.CodeOf(err) != rpc.Canceled {
		t.Errorf("the handler's Recv returned %v", err)
	}
	pings(t, c)
}

// TestStreamDeadline: the deadline ends a handler that waits for messages.
func TestStreamDeadline(t *testing.T) {
	h, _ := startStreams(t)
	c := h.streams()
	s, err := c.Sum(t.Context()) // its timeout is in the IDL
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for err == nil { // until the server's time is up, or ours
		err = s.Send(t.Context(), 1)
	}
	if _, err = s.Finish(t.Context()); rpc.CodeOf(err) != rpc.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	pings(t, c)
}

// TestStreamLostConnection: handlers hear of it.
func TestStreamLostConnection(t *testing.T) {
	h, impl := startStreams(t)
	conn := h.dial(h.tcp)
	c := streamtest.NewStreamsClient(conn)
	if _, err := c.Hold(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	down, err := c.Download(t.Context(), -1, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := down.Recv(t.Context()); err != nil { // it has begun
		t.Fatal(err)
	}
	arrives(t, impl.held, "Hold")
	conn.Close()
	for range 2 {
		if err := arrives(t, impl.ended, "a stream"); rpc.CodeOf(err) != rpc.Canceled {
			t.Errorf("a handler got %v", err)
		}
	}
}

// TestStreamLimits: one stream too many is refused as not executed, on a connection and in all; a call that ends makes
// room.
func TestStreamLimits(t *testing.T) {
	for name, limits := range map[string][2]int{"connection": {2, 100}, "server": {100, 2}} {
		t.Run(name, func(t *testing.T) {
			h, impl := startStreams(t, server.WithMaxStreams(limits[0], limits[1]), server.WithWorkers(1))
			c, ctx := h.streams(), t.Context()
			first, err := c.Hold(ctx, "a")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Hold(ctx, "b"); err != nil {
				t.Fatal(err)
			}
			arrives(t, impl.held, "a")
			arrives(t, impl.held, "b")
			third, err := c.Hold(ctx, "c")
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, third.Finish(ctx), rpc.ResourceExhausted, rpc.NotExecuted, "2 streams")
			pings(t, c) // stream calls hold no worker
			first.Cancel()
			arrives(t, impl.ended, "a")
			for { // the handler has returned, the server may not have noticed
				s, err := c.Chat(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if err = s.Finish(ctx); err == nil {
					return
				}
				wantError(t, err, rpc.ResourceExhausted, rpc.NotExecuted, "")
			}
		})
	}
}

// TestStreamMemory: what cannot be set aside is refused; what was is given back.
func TestStreamMemory(t *testing.T) {
	for name, opt := range map[string]server.Option{
		"connection": server.WithStreamMemory(128<<10, 0), "server": server.WithStreamMemory(0, 128<<10),
	} {
		t.Run(name, func(t *testing.T) {
			h, impl := startStreams(t, opt)
			c, ctx := h.streams(), t.Context()
			var held []*streamtest.StreamsHoldStream
			for _, name := range []string{"a", "b"} { // 64 KiB each
				s, err := c.Hold(ctx, name)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, s)
				arrives(t, impl.held, name)
			}
			third, err := c.Hold(ctx, "c")
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, third.Finish(ctx), rpc.ResourceExhausted, rpc.NotExecuted, "memory")
			down, err := c.Items(ctx, 1, "well") // receives nothing, and needs none
			if err != nil {
				t.Fatal(err)
			}
			if err := down.Finish(ctx); err != nil {
				t.Error(err)
			}
			for _, s := range held {
				s.Cancel()
				arrives(t, impl.ended, "Hold")
			}
			up, err := c.Upload(ctx, "all") // a reset gives the memory back at once
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if err := up.Send(ctx, make([]byte, 10_000)); err != nil {
					t.Fatal(err)
				}
			}
			if n, err := up.Finish(ctx); n != 50_000 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

// TestStreamAuthorization: opening a stream is a call like any other to an Authorizer, and interceptors see what it lets
// through.
func TestStreamAuthorization(t *testing.T) {
	seen := make(chan string, 10)
	intercept := func(next rpc.StreamServerHandler) rpc.StreamServerHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			seen <- m.FullName
			return next(ctx, m, args, s)
		}
	}
	h, _ := startStreams(t, server.WithStreamInterceptors(intercept), server.WithAuthorizer(
		func(_ context.Context, _ rpc.Identity, m *rpc.Method) error {
			if m.Name == "chat" {
				return rpc.NewError(rpc.PermissionDenied, "no chatting")
			}
			return nil
		}))
	c, ctx := h.streams(), t.Context()
	chat, err := c.Chat(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, chat.Finish(ctx), rpc.PermissionDenied, rpc.NotExecuted, "no chatting")
	items, err := c.Items(ctx, 0, "well")
	if err != nil {
		t.Fatal(err)
	}
	if err := items.Finish(ctx); err != nil {
		t.Error(err)
	}
	if got := arrives(t, seen, "the interceptor"); got != "Streams.items" || len(seen) > 0 {
		t.Errorf("intercepted %s, and %d more", got, len(seen))
	}
}

// TestStreamFromThrift: a client that knows no streams is told so.
func TestStreamFromThrift(t *testing.T) {
	h, _ := startStreams(t)
	conn := h.dial(h.tcp, client.WithThrift(client.Thrift{}))
	err := conn.Call(t.Context(), &rpc.Method{Service: "Streams", Name: "hold", FullName: "Streams.hold"}, text("x"), new(streamtest.Item))
	wantError(t, err, rpc.Unimplemented, rpc.NotExecuted, "is a stream method")
}

// TestStreamShutdown: open streams may finish; what does not is cut, and counted.
func TestStreamShutdown(t *testing.T) {
	h, impl := startStreams(t)
	c, ctx := h.streams(), t.Context()
	chat, err := c.Chat(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Hold(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	arrives(t, impl.held, "Hold")
	patience, cut := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() { result <- h.srv.Shutdown(patience) }()
	for _, line := range []string{"one", "two"} { // it goes on while the server shuts down
		if err := chat.Send(ctx, line); err != nil {
			t.Fatal(err)
		}
		if got, err := chat.Recv(ctx); got != strings.ToUpper(line) || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if err := chat.Finish(ctx); err != nil {
		t.Errorf("the chat ended with %v", err)
	}
	cut()
	var left *server.CutError
	if err := arrives(t, result, "Shutdown"); !errors.As(err, &left) || left.Calls != 1 || left.Running != 0 {
		t.Errorf("Shutdown: %v", err)
	}
	arrives(t, impl.ended, "the chat")
	if err := arrives(t, impl.ended, "Hold"); rpc.CodeOf(err) != rpc.Canceled {
		t.Errorf("the handler got %v", err)
	}
}
