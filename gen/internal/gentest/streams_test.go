package gentest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/kitchen"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/streams"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Open makes loopback a StreamCaller: the handler runs in a goroutine, messages travel encoded over channels.
func (l *loopback) Open(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
	l.last = m
	body, err := tryEncode(l.enc, args)
	if err != nil {
		return nil, err
	}
	h := l.registry.Lookup([]byte(m.FullName))
	params := h.NewArgs()
	if err := tryDecode(l.enc, body, params); err != nil {
		return nil, err
	}
	up, down := make(chan []byte), make(chan []byte)
	c := &loopStream{ctx: ctx, enc: l.enc, out: up, in: down, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer close(down)
		result, err := h.Open(ctx, params, &loopStream{ctx: ctx, enc: l.enc, out: down, in: up})
		if c.err = err; result != nil {
			c.reply, c.err = tryEncode(l.enc, result)
		}
	}()
	return c, nil
}

type loopStream struct {
	ctx    context.Context
	enc    codec.Encoding
	out    chan<- []byte
	in     <-chan []byte
	closed bool
	done   chan struct{} // closed when the handler has returned
	reply  []byte
	err    error
}

func (s *loopStream) Context() context.Context { return s.ctx }

func (s *loopStream) Send(ctx context.Context, m codec.Encodable) error {
	b, err := tryEncode(s.enc, m)
	if err != nil {
		return err
	}
	return s.SendBytes(ctx, b)
}

func (s *loopStream) SendBytes(_ context.Context, b []byte) error {
	select {
	case s.out <- append([]byte(nil), b...):
		return nil
	case <-s.done:
		return io.EOF
	}
}

func (s *loopStream) Recv(ctx context.Context, m codec.Decodable) error {
	b, err := s.RecvBytes(ctx)
	if err != nil {
		return err
	}
	return tryDecode(s.enc, b, m)
}

func (s *loopStream) RecvInto(ctx context.Context, m codec.Decodable) error { return s.Recv(ctx, m) }

func (s *loopStream) RecvBytes(context.Context) ([]byte, error) {
	b, ok := <-s.in
	if !ok {
		return nil, io.EOF
	}
	return b, nil
}

func (s *loopStream) CloseSend(context.Context) error {
	if !s.closed {
		s.closed = true
		close(s.out)
	}
	return nil
}

func (s *loopStream) Finish(ctx context.Context, result codec.Decodable) error {
	_ = s.CloseSend(ctx)
	for range s.in {
	}
	<-s.done
	if s.err != nil {
		return s.err
	}
	return tryDecode(s.enc, s.reply, result)
}

func (s *loopStream) Cancel() {}

// streamer implements streams.MoreStreams.
type streamer struct{}

func (streamer) Download(ctx context.Context, r *streams.Request, out rpc.SendStream[*kitchen.Later]) error {
	for i := range r.Count {
		if err := out.Send(ctx, &kitchen.Later{X: i + int32(len(r.Prefix))}); err != nil {
			return err
		}
	}
	if err := out.Send(ctx, nil); rpc.CodeOf(err) != rpc.InvalidArgument {
		return fmt.Errorf("a nil message: %v", err)
	}
	return &streams.Refused{Reason: "enough"}
}

// gather receives everything there is.
func gather[T any](ctx context.Context, in rpc.RecvStream[T]) (all []T, err error) {
	for {
		v, err := in.Recv(ctx)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
}

func (streamer) Upload(ctx context.Context, name string, items rpc.RecvStream[*kitchen.Later]) (*kitchen.Later, error) {
	sum := int32(len(name))
	for {
		var v kitchen.Later
		if err := rpc.RecvInto(ctx, items, &v); err == io.EOF {
			return &kitchen.Later{X: sum}, nil
		} else if err != nil {
			return nil, err
		}
		sum += v.X
	}
}

func (streamer) Chat(ctx context.Context, lines rpc.RecvStream[string], out rpc.SendStream[string]) error {
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

func (streamer) Swallow(ctx context.Context, in rpc.RecvStream[int64]) error {
	_, err := gather(ctx, in)
	return err
}

func (streamer) Sum(ctx context.Context, in rpc.RecvStream[int64]) (sum int64, err error) {
	all, err := gather(ctx, in)
	for _, v := range all {
		sum += v
	}
	return sum, err
}

func (streamer) Read(ctx context.Context, size, out int64, pieces rpc.SendStream[[]byte]) error {
	return pieces.Send(ctx, make([]byte, size*out))
}

func (streamer) Write(ctx context.Context, in rpc.RecvStream[streams.Piece]) (n int64, err error) {
	all, err := gather(ctx, in)
	for _, b := range all {
		n += int64(len(b))
	}
	return n, err
}

func (streamer) Colors(ctx context.Context, maps rpc.RecvStream[map[string]kitchen.Later], out rpc.SendStream[[]kitchen.Color]) error {
	all, err := gather(ctx, maps)
	for _, m := range all {
		if err := out.Send(ctx, make([]kitchen.Color, len(m))); err != nil {
			return err
		}
	}
	return err
}

func (streamer) Flags(ctx context.Context, out rpc.SendStream[bool]) error {
	return out.Send(ctx, true)
}

func (streamer) IDs(ctx context.Context, shapes rpc.RecvStream[*kitchen.Shape], out rpc.SendStream[[16]byte]) error {
	all, err := gather(ctx, shapes)
	for i := range all {
		if err := out.Send(ctx, [16]byte{15: byte(i + 1)}); err != nil {
			return err
		}
	}
	return err
}

func (streamer) Plain(_ context.Context, v string) (string, error) { return v, nil }

func (streamer) Noise(ctx context.Context, n int32, out rpc.SendStream[float64]) error {
	return out.Send(ctx, float64(n)/2)
}

// TestStreams calls every form through the client of a service that inherits them.
func TestStreams(t *testing.T) {
	for _, enc := range []codec.Encoding{codec.Binary, codec.Compact} {
		l, err := newLoopback(enc, streams.NewMoreStreamsService(streamer{}))
		if err != nil {
			t.Fatal(err)
		}
		testStreams(t, streams.NewMoreStreamsClient(l))
	}
}

func testStreams(t *testing.T, c *streams.MoreStreamsClient) {
	ctx := t.Context()
	check := func(what string, want, got any, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, -want +got\n%s", what, err, diff)
		}
	}
	down, err := c.Download(ctx, &streams.Request{Count: 2, Prefix: "n"})
	if err != nil {
		t.Fatal(err)
	}
	items, err := gather(ctx, down)
	check("download", []*kitchen.Later{{X: 1}, {X: 2}}, items, err)
	var refused *streams.Refused
	if err := down.Finish(ctx); !errors.As(err, &refused) || refused.Reason != "enough" {
		t.Errorf("download ended with %v", err)
	}

	down, err = c.Download(ctx, &streams.Request{Count: 1, Prefix: "n"})
	if err != nil {
		t.Fatal(err)
	}
	item := kitchen.Later{X: 7}
	err = down.RecvInto(ctx, &item)
	check("download into", kitchen.Later{X: 1}, item, err)
	if err := down.RecvInto(ctx, &item); err != io.EOF {
		t.Errorf("after the last item: %v", err)
	}

	up, err := c.Upload(ctx, "all:")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []int32{10, 20} {
		if err := up.Send(ctx, &kitchen.Later{X: x}); err != nil {
			t.Fatal(err)
		}
	}
	if err := up.Send(ctx, nil); rpc.CodeOf(err) != rpc.InvalidArgument {
		t.Errorf("a nil message: %v", err)
	}
	result, err := up.Finish(ctx)
	check("upload", &kitchen.Later{X: 34}, result, err)

	chat, err := c.Chat(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"one", ""} {
		if err := chat.Send(ctx, line); err != nil {
			t.Fatal(err)
		}
		back, err := chat.Recv(ctx)
		check("chat", strings.ToUpper(line), back, err)
	}
	if err := errors.Join(chat.CloseSend(ctx), chat.Finish(ctx)); err != nil {
		t.Error(err)
	}

	sum, err := c.Sum(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(4) {
		if err := sum.Send(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	total, err := sum.Finish(ctx)
	check("sum", int64(6), total, err)

	read, err := c.Read(ctx, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	b, err := read.Recv(ctx)
	check("read", make([]byte, 6), b, err)

	write, err := c.Write(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := write.Send(ctx, []byte("12345")); err != nil {
		t.Fatal(err)
	}
	n, err := write.Finish(ctx)
	check("write", int64(5), n, err)

	colors, err := c.Colors(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []map[string]kitchen.Later{{"a": {}, "b": {}}, {}} {
		if err := colors.Send(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := colors.CloseSend(ctx); err != nil {
		t.Fatal(err)
	}
	lists, err := gather(ctx, colors)
	check("colors", 2, len(lists), err)
	check("colors", []int{2, 0}, []int{len(lists[0]), len(lists[1])}, nil)

	flags, err := c.Flags(ctx)
	if err != nil {
		t.Fatal(err)
	}
	flag, err := flags.Recv(ctx)
	check("flags", true, flag, err)

	noise, err := c.Noise(ctx, 5)
	if err != nil {
		t.Fatal(err)
	}
	x, err := noise.Recv(ctx)
	check("noise", 2.5, x, err)
}

// TestStreamWithoutStreamCaller: a caller that opens no streams is found at the call.
func TestStreamWithoutStreamCaller(t *testing.T) {
	c := streams.NewStreamsClient(struct{ rpc.Caller }{})
	if _, err := c.Chat(t.Context()); rpc.CodeOf(err) != rpc.Unimplemented {
		t.Error(err)
	}
}

// TestStreamMessageWithoutValue: field 1 must be there.
func TestStreamMessageWithoutValue(t *testing.T) {
	l, err := newLoopback(codec.Binary, streams.NewStreamsService(streamer{}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Open(t.Context(), &rpc.Method{FullName: "Streams.sum"}, new(kitchen.Later))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendBytes(t.Context(), []byte{0}); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "value") {
		t.Errorf("got %v", err)
	}
}
