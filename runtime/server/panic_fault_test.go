package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// User code that panics, in every place where there is some, on either side: it costs its own call. The limits are so low
// that whatever a panic does not give back is missed at once.

// mine is a struct with one text that panics when it is encoded or decoded, if its text says so.
type mine struct {
	text   string
	decode bool // panic when it is decoded
}

const (
	badEncode = "encode: the secret"
	badDecode = "decode: the secret"
	badReply  = "reply: the secret"
	badHandle = "handle: the secret"
	badBefore = "interceptor: the secret"
)

func (m *mine) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(1, m.text)
	if m.text == badEncode {
		panic(m.text) // in the middle
	}
	e.EndStruct(outer)
}

func (m *mine) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if m.text = d.String(); m.text == badDecode || m.decode {
			panic(m.text)
		}
	}
	d.EndStruct(outer)
}

// answer is what a handler that was told text returns, or sends.
func answer(text string) *mine {
	switch text {
	case badHandle:
		panic(text)
	case badReply:
		return &mine{text: badEncode}
	}
	return &mine{text: text}
}

var (
	minePlain  = &rpc.Method{Service: "Mines", Name: "plain", FullName: "Mines.plain", Retry: rpc.RetryIdempotent}
	mineOnce   = &rpc.Method{Service: "Mines", Name: "once", FullName: "Mines.once", Retry: rpc.RetryAtMostOnce}
	mineStream = &rpc.Method{Service: "Mines", Name: "stream", FullName: "Mines.stream", Stream: rpc.StreamBoth}
)

func minesService() *rpc.Service {
	s := &rpc.Service{Name: "Mines"}
	for _, m := range []*rpc.Method{minePlain, mineOnce} {
		s.Handlers = append(s.Handlers, rpc.Handler{
			Method: m, NewArgs: func() codec.Decodable { return new(mine) },
			Invoke: func(ctx context.Context, args codec.Decodable) (codec.Encodable, error) {
				if args.(*mine).text == "wait" {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return answer(args.(*mine).text), nil
			},
		})
	}
	s.Handlers = append(s.Handlers, rpc.Handler{
		Method: mineStream, NewArgs: func() codec.Decodable { return new(mine) },
		Open: func(ctx context.Context, args codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			for {
				var m mine
				if err := s.Recv(ctx, &m); err == io.EOF {
					return answer(args.(*mine).text), nil
				} else if err != nil {
					return nil, err
				}
				if err := s.Send(ctx, answer(m.text)); err != nil {
					return nil, err
				}
			}
		},
	})
	return s
}

// startMines runs a server with interceptors that panic, too, and as good as no room for calls that are not given back.
func startMines(t *testing.T, opts ...server.Option) *host {
	t.Helper()
	noLeaks(t)
	h := &host{t: t, log: newLogbook(), served: make(chan error, 1)}
	h.srv = server.New(append([]server.Option{
		server.WithLogger(slog.New(h.log)), server.WithWorkers(2), server.WithMaxCalls(4), server.WithMaxStreams(2, 2), server.WithStreamMemory(1<<20, 1<<20),
		server.WithInterceptors(func(next rpc.ServerHandler) rpc.ServerHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
				if args.(*mine).text == badBefore {
					panic(badBefore)
				}
				return next(ctx, m, args)
			}
		}),
		server.WithStreamInterceptors(func(next rpc.StreamServerHandler) rpc.StreamServerHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
				if args.(*mine).text == badBefore {
					panic(badBefore)
				}
				return next(ctx, m, args, s)
			}
		}),
	}, opts...)...)
	if err := h.srv.Register(minesService()); err != nil {
		t.Fatal(err)
	}
	h.tcp = h.listen("tcp://127.0.0.1:0")
	go func() { h.served <- h.srv.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		if err := h.srv.Shutdown(ctx); err != nil { // waits for every call and stream: none was forgotten
			t.Errorf("Shutdown: %v", err)
		}
		<-h.served
	})
	return h
}

// trod makes a call of a method of Mines; of a stream, with one message.
func trod(ctx context.Context, c *client.Client, m *rpc.Method, args, message string) (got string, err error) {
	var result mine
	if m.Stream == rpc.StreamNone {
		err = c.Call(ctx, m, &mine{text: args}, &result)
		return result.text, err
	}
	s, err := c.Open(ctx, m, &mine{text: args})
	if err != nil {
		return "", err
	}
	var echo mine
	if err = s.Send(ctx, &mine{text: message}); err == nil {
		_ = s.Recv(ctx, &echo) // what went wrong is what Finish says
	}
	if err = s.Finish(ctx, &result); err == nil && echo.text != message {
		err = fmt.Errorf("the stream echoed %q", echo.text)
	}
	return result.text, err
}

// sound checks that calls of every kind succeed.
func sound(t *testing.T, c *client.Client) {
	t.Helper()
	for _, m := range []*rpc.Method{minePlain, mineOnce, mineStream} {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		if got, err := trod(ctx, c, m, "fine", "fine"); got != "fine" || err != nil {
			t.Errorf("%s afterwards: %q, %v", m.Name, got, err)
		}
		cancel()
	}
}

// TestPanicsOnTheServer: a panic in an interceptor, a handler, or generated code is Internal for its caller, who does not
// learn what it says; the log has that and the stack; other calls on the connection do not notice.
func TestPanicsOnTheServer(t *testing.T) {
	h := startMines(t)
	c, other := h.dial(h.tcp), h.dial(h.tcp)
	for _, tc := range []struct {
		name, args, message string
		methods             []*rpc.Method
		told                string
		x                   rpc.Execution
	}{
		{"interceptor", badBefore, "", []*rpc.Method{minePlain, mineOnce, mineStream}, "the handler panicked", rpc.Executed},
		{"handler", badHandle, "", []*rpc.Method{minePlain, mineOnce, mineStream}, "the handler panicked", rpc.Executed},
		{"decoding arguments", badDecode, "", []*rpc.Method{minePlain, mineOnce, mineStream}, "decoding the arguments panicked", rpc.NotExecuted},
		{"encoding a result", badReply, "", []*rpc.Method{minePlain, mineStream}, "encoding the result panicked", rpc.Executed},
		{"keeping a result", badReply, "", []*rpc.Method{mineOnce}, "keeping the outcome panicked", rpc.Executed},
		{"handler of a message", "", badHandle, []*rpc.Method{mineStream}, "the handler panicked", rpc.Executed},
		{"decoding a message", "", badDecode, []*rpc.Method{mineStream}, "the handler panicked", rpc.Executed},
		{"encoding a message", "", badReply, []*rpc.Method{mineStream}, "the handler panicked", rpc.Executed},
	} {
		for _, m := range tc.methods {
			t.Run(tc.name+"/"+m.Name, func(t *testing.T) {
				for range 10 { // more than any limit lets stay behind
					ctx, cancel := context.WithTimeout(t.Context(), soon)
					_, err := trod(ctx, c, m, tc.args, tc.message)
					cancel()
					wantError(t, err, rpc.Internal, tc.x, tc.told)
					if err != nil && strings.Contains(err.Error(), "secret") {
						t.Errorf("the caller is told too much: %v", err)
					}
				}
				h.log.wants(t, slog.LevelError, strings.NewReplacer("the outcome", "an outcome", "the result", "a result").Replace(tc.told), m.FullName, "the secret", "panic_fault_test.go")
				sound(t, c)
				sound(t, other)
			})
		}
	}
	var wg sync.WaitGroup // and all at once
	for _, bad := range []string{badBefore, badHandle, badReply, badDecode} {
		wg.Go(func() {
			for range 50 {
				for _, m := range []*rpc.Method{minePlain, mineStream} {
					if _, err := trod(t.Context(), c, m, bad, ""); err == nil {
						t.Error("a panic is a success")
					}
				}
			}
		})
	}
	wg.Wait()
	sound(t, c)
}

// recovered runs f and returns what it panicked with, nil if it did not.
func recovered(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// TestPanicsOnTheClient: what panics in the caller's goroutine comes out where it called, what panics in one of the client's
// own is an error; the client, its connection and other calls are none the worse, and no stream stays open.
func TestPanicsOnTheClient(t *testing.T) {
	// A stream that the client cancels is open on the server for a moment longer; it is the client's limit that must hold.
	h := startMines(t, server.WithMaxStreams(32, 32))
	c := h.dial(h.tcp, client.WithMaxStreams(2))
	thrift := h.dial(h.tcp, client.WithThrift(client.Thrift{Service: "Mines"}))
	ctx := t.Context()
	stream := func() rpc.ClientStream {
		s, err := c.Open(ctx, mineStream, &mine{text: "fine"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tc := range []struct {
		name string
		f    func()
	}{
		{"encoding arguments", func() { _ = c.Call(ctx, minePlain, &mine{text: badEncode}, new(mine)) }},
		{"encoding arguments, at most once", func() { _ = c.Call(ctx, mineOnce, &mine{text: badEncode}, new(mine)) }},
		{"encoding arguments, asynchronously", func() { c.Go(ctx, minePlain, &mine{text: badEncode}, new(mine)) }},
		{"encoding arguments of a stream", func() { _, _ = c.Open(ctx, mineStream, &mine{text: badEncode}) }},
		{"encoding arguments for Thrift", func() { _ = thrift.Call(ctx, minePlain, &mine{text: badEncode}, new(mine)) }},
		{"decoding a result", func() { _ = c.Call(ctx, minePlain, &mine{text: "x"}, &mine{decode: true}) }},
		{"decoding a result from Thrift", func() { _ = thrift.Call(ctx, minePlain, &mine{text: "x"}, &mine{decode: true}) }},
		{"decoding a result, asynchronously", func() {
			p := c.Go(ctx, minePlain, &mine{text: "x"}, &mine{decode: true})
			<-p.Done()
			if recovered(func() { _ = p.Wait(ctx) }) == nil {
				t.Error("Wait does not panic")
			}
			wantError(t, p.Wait(ctx), rpc.Internal, rpc.MaybeExecuted, "did not return") // the second to come must not take it for a success
			panic("as it should")
		}},
		{"encoding a message", func() {
			s := stream()
			if recovered(func() { _ = s.Send(ctx, &mine{text: badEncode}) }) == nil {
				t.Error("Send does not panic")
			}
			if err := s.Send(ctx, &mine{text: "next"}); err != nil { // the stream goes on
				t.Errorf("the next message: %v", err)
			}
			var m mine
			if err := s.Recv(ctx, &m); err != nil || m.text != "next" {
				t.Errorf("its echo: %q, %v", m.text, err)
			}
			if err := s.Finish(ctx, new(mine)); err != nil {
				t.Errorf("Finish: %v", err)
			}
			panic("as it should")
		}},
		{"decoding a message", func() {
			s := stream()
			defer s.Cancel()
			if err := s.Send(ctx, &mine{text: "x"}); err != nil {
				t.Errorf("Send: %v", err)
			}
			t.Errorf("Recv: %v", s.Recv(ctx, &mine{decode: true}))
		}},
		{"decoding a stream's result", func() {
			s := stream()
			if recovered(func() { _ = s.Finish(ctx, &mine{decode: true}) }) == nil {
				t.Error("Finish does not panic")
			}
			wantError(t, s.Finish(ctx, nil), rpc.Internal, rpc.MaybeExecuted, "did not return")
			panic("as it should")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 10 {
				if recovered(tc.f) == nil {
					t.Fatal("the caller does not learn of the panic")
				}
			}
			sound(t, c)
			if got, err := trod(ctx, thrift, minePlain, "fine", ""); got != "fine" || err != nil {
				t.Errorf("Thrift afterwards: %q, %v", got, err)
			}
		})
	}
}

// TestPanicsInClientInterceptors: the same for interceptors.
func TestPanicsInClientInterceptors(t *testing.T) {
	h := startMines(t, server.WithMaxStreams(32, 32))
	c := h.dial(h.tcp, client.WithMaxStreams(2),
		client.WithInterceptors(func(next rpc.ClientHandler) rpc.ClientHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
				if args.(*mine).text == badBefore {
					panic(badBefore)
				}
				err := next(ctx, m, args, result)
				if args.(*mine).text == "after" {
					panic(badBefore)
				}
				return err
			}
		}),
		client.WithStreamInterceptors(func(next rpc.StreamClientHandler) rpc.StreamClientHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
				if args.(*mine).text == badBefore {
					panic(badBefore)
				}
				return next(ctx, m, args)
			}
		}))
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for range 10 {
		for _, text := range []string{badBefore, "after"} {
			if recovered(func() { _ = c.Call(ctx, minePlain, &mine{text: text}, new(mine)) }) == nil {
				t.Fatal("a call: the caller does not learn of the panic")
			}
			// An asynchronous call runs them in a goroutine that nobody else could recover.
			p := c.Go(ctx, minePlain, &mine{text: text}, new(mine))
			err := p.Wait(ctx)
			wantError(t, err, rpc.Internal, rpc.MaybeExecuted, "panicked")
			if cause := errors.Unwrap(err); cause == nil || !strings.Contains(cause.Error(), badBefore) || !strings.Contains(cause.Error(), "panic_fault_test.go") {
				t.Errorf("the cause: %v", cause)
			}
		}
		p := c.Go(ctx, minePlain, &mine{text: badEncode}, new(mine))
		wantError(t, p.Wait(ctx), rpc.Internal, rpc.MaybeExecuted, "panicked")
		p = c.Go(ctx, minePlain, &mine{text: "x"}, &mine{decode: true})
		wantError(t, p.Wait(ctx), rpc.Internal, rpc.MaybeExecuted, "panicked")
		if recovered(func() { _, _ = c.Open(ctx, mineStream, &mine{text: badBefore}) }) == nil {
			t.Fatal("a stream: the caller does not learn of the panic")
		}
	}
	sound(t, c)
}

// second panics when it is encoded for the second time.
type second struct{ times chan struct{} }

func (s second) EncodeThrift(e *codec.Encoder) {
	select {
	case s.times <- struct{}{}:
		(&mine{text: "wait"}).EncodeThrift(e)
	default:
		panic("again")
	}
}

// TestPanicInAHedge: a hedge encodes the arguments anew, in a goroutine of its own.
func TestPanicInAHedge(t *testing.T) {
	h := startMines(t)
	c := h.dial(h.tcp, client.WithHedging(client.Hedging{Delay: time.Millisecond, Extra: 1}))
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		err := c.Call(ctx, minePlain, second{make(chan struct{}, 1)}, new(mine))
		wantError(t, err, rpc.Internal, rpc.MaybeExecuted, "panicked")
		cancel()
	}
	sound(t, c)
}
