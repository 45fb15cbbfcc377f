package server_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/streamtest"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// rawStreams is a client that announces streams and does what it likes.
type rawStreams struct {
	t  *testing.T
	nc net.Conn
}

func (h *host) rawStreams(t *testing.T) *rawStreams {
	r := &rawStreams{t, h.raw()}
	r.send(wire.AppendPreamble(nil, wire.Preamble{Features: wire.FeatureStreams, Window: wire.MinWindow}))
	var b [wire.PreambleSize]byte
	if _, err := io.ReadFull(r.nc, b[:]); err != nil {
		t.Fatal(err)
	}
	p, ok, err := wire.ParsePreamble(b[:])
	if !ok || err != nil || p.Features&wire.FeatureStreams == 0 || p.Window != stream.DefaultWindow {
		t.Fatalf("the server's preamble: %+v, %v", p, err)
	}
	return r
}

func (r *rawStreams) send(b []byte) {
	r.t.Helper()
	if _, err := r.nc.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// call appends a call that opens a stream, or does not.
func (r *rawStreams) call(dst []byte, id uint64, method string, args codec.Encodable, o *wire.CallOptions) []byte {
	r.t.Helper()
	dst, err := new(wire.Dialect).AppendCall(dst, id, &rpc.Method{FullName: method}, args, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return dst
}

// next returns the next frame; ok is false at the end of the connection.
func (r *rawStreams) next() (h wire.FrameHeader, payload []byte, ok bool) {
	r.t.Helper()
	var head [wire.FrameHeaderSize]byte
	if _, err := io.ReadFull(r.nc, head[:]); err != nil {
		return h, nil, false
	}
	h, _ = wire.ParseFrameHeader(head[:])
	payload = make([]byte, h.Length)
	if _, err := io.ReadFull(r.nc, payload); err != nil {
		return h, nil, false
	}
	return h, payload, true
}

// failure returns the error that ends call id; frames of other kinds are skipped.
func (r *rawStreams) failure(id uint64) *rpc.Error {
	r.t.Helper()
	for {
		h, payload, ok := r.next()
		switch {
		case !ok:
			r.t.Fatalf("the connection ended before call %d", id)
		case h.Stream == id && h.Kind == wire.KindError:
			return wire.ParseError(payload[:h.HeaderLen])
		case h.Stream == id && h.Kind == wire.KindReply:
			return nil
		}
	}
}

// goAway returns how the connection ends.
func (r *rawStreams) goAway() (g wire.GoAway) {
	r.t.Helper()
	for {
		h, payload, ok := r.next()
		if !ok {
			return g
		}
		if h.Kind == wire.KindGoAway {
			var err error
			if g, err = wire.ParseGoAway(payload); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// TestStreamRefusals: calls that open a stream where none is, and the other way round.
func TestStreamRefusals(t *testing.T) {
	h, _ := startStreams(t)
	r := h.rawStreams(t)
	open := &wire.CallOptions{Stream: true}
	r.send(r.call(nil, 1, "Streams.ping", text("x"), open))
	wantError(t, r.failure(1), rpc.Unimplemented, rpc.NotExecuted, "not a stream method")
	r.send(r.call(nil, 2, "Streams.upload", text("x"), nil))
	wantError(t, r.failure(2), rpc.Unimplemented, rpc.NotExecuted, "is a stream method")
	r.send(r.call(nil, 3, "Streams.ping", text("x"), nil))
	if err := r.failure(3); err != nil {
		t.Error(err)
	}
	plain := &rawStreams{t, h.raw()}
	plain.send(wire.AppendPreamble(nil, wire.Preamble{}))
	io.ReadFull(plain.nc, make([]byte, wire.PreambleSize))
	plain.send(plain.call(nil, 1, "Streams.upload", text("x"), open))
	wantError(t, plain.failure(1), rpc.Unimplemented, rpc.NotExecuted, "has not announced")
	plain.send(wire.AppendEnd(nil, 1))
	if g := plain.goAway(); g.Code != rpc.Unimplemented {
		t.Errorf("data without the feature: %+v", g)
	}
}

// TestStreamBrokenRules: what ends a stream leaves the connection alone, what ends the connection says why.
func TestStreamBrokenRules(t *testing.T) {
	open := func(r *rawStreams) []byte {
		return r.call(nil, 1, "Streams.hold", text("x"), &wire.CallOptions{Stream: true})
	}
	data := func(b []byte, flags wire.Flags, n int) []byte {
		return append(wire.AppendDataHeader(b, 1, flags, n), make([]byte, n)...)
	}
	for name, tt := range map[string]struct {
		frames func(b []byte) []byte
		code   rpc.Code
	}{
		"beyond the stream's limit": {func(b []byte) []byte {
			for range 6 {
				b = data(b, 0, 60_000)
			}
			return b
		}, rpc.ResourceExhausted},
		"credit of 2^63":             {func(b []byte) []byte { return wire.AppendCredit(b, 1, 1<<63) }, rpc.InvalidArgument},
		"reset behind what has come": {func(b []byte) []byte { return wire.AppendReset(data(b, 0, 100), 1, wire.Reset{Final: 1}) }, rpc.InvalidArgument},
		"credit that changes nothing": {func(b []byte) []byte {
			for range 10_000 {
				b = wire.AppendCredit(b, 1, wire.MinWindow)
			}
			return b
		}, rpc.ResourceExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := startStreams(t)
			r := h.rawStreams(t)
			_, _ = r.nc.Write(tt.frames(open(r))) // the server may be gone before the end
			if g := r.goAway(); g.Code != tt.code || g.Message == "" {
				t.Errorf("%+v", g)
			}
		})
	}
	h, _ := startStreams(t)
	r := h.rawStreams(t)
	b := data(append(data(open(r), wire.FlagMore, 10), wire.AppendEnd(nil, 1)...), 0, 10) // an end within a message
	r.send(r.call(b, 2, "Streams.ping", text("x"), nil))
	for reset, replied := false, false; !reset || !replied; {
		h, payload, ok := r.next()
		switch {
		case !ok:
			t.Fatal("the connection ended")
		case h.Stream == 1 && h.Kind == wire.KindReset:
			if got, err := wire.ParseReset(payload); err != nil || got.Code != rpc.InvalidArgument {
				t.Errorf("%+v, %v", got, err)
			}
			reset = true
		case h.Stream == 1 && h.Kind != wire.KindCredit:
			t.Errorf("%v after what broke the stream", h.Kind)
		case h.Stream == 2:
			replied = true
		}
	}
}

// TestStreamResetFlood: streams that are opened and reset at once hold their places until their handlers have returned, so
// that most are refused, and a connection that goes on resetting what is refused is told to stop. Others do not notice.
func TestStreamResetFlood(t *testing.T) {
	h, impl := startStreams(t, server.WithMaxStreams(10, 100))
	r := h.rawStreams(t)
	healthy := h.streams()
	const floods = 5000
	go func() {
		var b []byte
		for id := uint64(1); id <= floods; id++ {
			b = r.call(b, id, "Streams.upload", text("x"), &wire.CallOptions{Stream: true})
			b = wire.AppendReset(b, id, wire.Reset{Code: rpc.Canceled})
		}
		b = r.call(b, floods+1, "Streams.ping", text("x"), nil)
		_, _ = r.nc.Write(b)
	}()
	for range 50 {
		pings(t, healthy)
	}
	for over := false; !over; {
		h, payload, ok := r.next()
		switch {
		case !ok:
			t.Fatal("the connection ended without a word")
		case h.Kind == wire.KindGoAway:
			if g, err := wire.ParseGoAway(payload); err != nil || g.Code != rpc.ResourceExhausted {
				t.Errorf("%+v, %v", g, err)
			}
			over = true
		case h.Stream == floods+1:
			over = true
		}
	}
	hold, err := healthy.Hold(t.Context(), "after")
	if err != nil {
		t.Fatal(err)
	}
	arrives(t, impl.held, "a stream after the flood")
	hold.Cancel()
}

// TestRefusedStreamsMaySend: a client that sends as much as it may on streams that turn out to be refused, in the smallest
// of messages, keeps its connection.
func TestRefusedStreamsMaySend(t *testing.T) {
	h, impl := startStreams(t, server.WithMaxStreams(1, 10))
	r := h.rawStreams(t)
	o := &wire.CallOptions{Stream: true}
	r.send(r.call(nil, 1, "Streams.hold", text("x"), o))
	arrives(t, impl.held, "Hold")
	var b []byte
	id := uint64(2)
	for ; id <= 4; id++ {
		b = r.call(b, id, "Streams.upload", text("x"), o)
		for range wire.MinWindow / wire.DataCost(1) {
			b = append(wire.AppendDataHeader(b, id, 0, 1), 'x')
		}
	}
	r.send(r.call(b, id, "Streams.ping", text("x"), nil))
	for refused := range id - 2 {
		wantError(t, r.failure(refused+2), rpc.ResourceExhausted, rpc.NotExecuted, "streams of this connection are open")
	}
	if err := r.failure(id); err != nil {
		t.Error(err)
	}
}

// TestStreamsThatNobodyReads: a thousand downloads of which nothing is read leave other streams and calls alone, and
// take no more memory than what the windows of their client allow and one message each on the server.
func TestStreamsThatNobodyReads(t *testing.T) {
	h, _ := startStreams(t, server.WithMaxStreams(1000, 2000))
	const streams, window, message = 1000, wire.MinWindow, 1 << 10
	before := heap()
	stuck := h.streams(client.WithMaxStreams(streams), client.WithStreamMemory(streams*window))
	for range streams {
		s, err := stuck.Download(t.Context(), -1, message)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(t.Context()); err != nil { // it has begun
			t.Fatal(err)
		}
	}
	other := h.streams()
	for _, c := range []*streamtest.StreamsClient{stuck, other} { // beside them, and on another connection
		pings(t, c)
	}
	s, err := other.Download(t.Context(), 1000, 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err = s.Recv(t.Context()); err == nil; _, err = s.Recv(t.Context()) {
		n++
	}
	if err := s.Finish(t.Context()); n != 1000 || err != nil {
		t.Errorf("a healthy stream: %d messages, %v", n, err)
	}
	const each = 2*window + 64<<10 // client and server share this process; the rest is goroutines and their stacks
	if grown := heap() - before; grown > streams*each {
		t.Errorf("%d streams hold %d bytes, %d each", streams, grown, grown/streams)
	}
}

// TestStuckUploadsBesideHealthyOnes: a server whose handlers do not read takes what the budget allows, and reads other
// streams of the same connection all the same.
func TestStuckUploadsBesideHealthyOnes(t *testing.T) {
	h, impl := startStreams(t, server.WithStreamMemory(4<<20, 0))
	c := h.streams()
	ctx, cancel := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	for range 10 {
		s, err := c.Hold(ctx, "stuck")
		if err != nil {
			t.Fatal(err)
		}
		arrives(t, impl.held, "Hold")
		senders.Go(func() {
			for s.Send(ctx, make([]byte, 16<<10)) == nil {
			}
		})
	}
	for range 5 {
		s, err := c.Upload(t.Context(), "all")
		if err != nil {
			t.Fatal(err)
		}
		for range 64 {
			if err := s.Send(t.Context(), make([]byte, 64<<10)); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.Finish(t.Context()); n != 4<<20 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		pings(t, c)
	}
	cancel()
	senders.Wait()
}
