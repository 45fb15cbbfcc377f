package client

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

var (
	watch  = &rpc.Method{Service: "Echo", Name: "watch", FullName: "Echo.watch", Stream: rpc.StreamResult}
	upload = &rpc.Method{Service: "Echo", Name: "upload", FullName: "Echo.upload", Stream: rpc.StreamArgs}
	chat   = &rpc.Method{Service: "Echo", Name: "chat", FullName: "Echo.chat", Stream: rpc.StreamBoth}
)

// host is the server's end of a connection with streams. Each stream gets a goroutine that runs handle; ordinary calls
// are echoed.
type host struct {
	t      testing.TB
	nc     net.Conn
	handle func(*hosted)
	wg     sync.WaitGroup
	wake   chan struct{} // the writer should look
	dead   chan struct{} // the connection is over

	mu   sync.Mutex
	mux  *stream.Mux
	out  []byte
	last uint64 // the highest id of a call
}

// hosted is the server's end of a stream.
type hosted struct {
	host   *host
	core   *stream.Stream
	header wire.CallHeader
	args   string
	look   chan struct{} // something has happened
}

// newHost serves one connection. config is about its streams.
func newHost(t testing.TB, nc net.Conn, config stream.Config, handle func(*hosted)) *host {
	config.Server = true
	h := &host{t: t, nc: nc, handle: handle, wake: make(chan struct{}, 1), dead: make(chan struct{})}
	h.wg.Go(func() {
		defer close(h.dead)
		defer nc.Close()
		b := make([]byte, wire.PreambleSize)
		if _, err := io.ReadFull(nc, b); err != nil {
			return
		}
		p, _, err := wire.ParsePreamble(b)
		if err != nil || p.Features&wire.FeatureStreams == 0 {
			t.Errorf("the client's preamble: %+v, %v", p, err)
			return
		}
		h.mux = stream.NewMux(config, p.Window)
		h.out = wire.AppendPreamble(h.out, wire.Preamble{Features: wire.FeatureStreams, Window: config.ConnWindow})
		h.wg.Go(h.write)
		h.read()
	})
	return h
}

func (h *host) read() {
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, s := range h.mux.Fail(&rpc.Error{Code: rpc.Canceled, Message: "the connection is lost"}) {
			wake(s.Owner.(*hosted).look)
		}
	}()
	wake(h.wake)
	p := &peer{h.t, h.nc}
	for {
		f, payload, err := p.next()
		if err != nil {
			return
		}
		h.mu.Lock()
		err = h.take(f, payload)
		h.unlock()
		if err != nil {
			h.t.Errorf("the client sent %+v: %v", f, err)
			return
		}
	}
}

func (h *host) take(f wire.FrameHeader, payload []byte) (err error) {
	var w stream.Wake
	switch f.Kind {
	case wire.KindData:
		w, err = h.mux.Data(f, payload, true)
	case wire.KindCredit:
		var limit uint64
		if limit, err = wire.ParseCredit(payload); err == nil {
			err = h.mux.Credit(f.Stream, limit)
		}
	case wire.KindReset:
		var r wire.Reset
		if r, err = wire.ParseReset(payload); err == nil {
			w, err = h.mux.Reset(f.Stream, r)
		}
	case wire.KindCall:
		err = h.call(f, payload)
	}
	if w.Stream != nil {
		wake(w.Stream.Owner.(*hosted).look)
	}
	return err
}

func (h *host) call(f wire.FrameHeader, payload []byte) error {
	h.last = f.Stream
	header, err := wire.ParseCallHeader(payload[:f.HeaderLen])
	if err != nil {
		return err
	}
	g, err := parseCall(f, payload)
	if err != nil {
		return err
	}
	if !header.Stream {
		h.out = appendReply(h.out, f.Stream, g.text)
		return nil
	}
	core, err := h.mux.Open(stream.Options{Sends: header.Window > 0, Receives: true, Limit: header.Window})
	if err != nil {
		h.out = wire.AppendError(h.out, f.Stream, err.(*rpc.Error))
		return nil
	}
	s := &hosted{host: h, core: core, header: header, args: g.text, look: make(chan struct{}, 1)}
	core.Owner = s
	h.mux.Start(core, f.Stream)
	h.wg.Go(func() {
		h.handle(s)
		h.mu.Lock()
		core.Discard()
		h.unlock()
	})
	return nil
}

// unlock does what has to follow each use of the Mux.
func (h *host) unlock() {
	for h.mux.Ready() && len(h.out) < 64<<10 {
		f, ok := h.mux.Next()
		if !ok {
			break
		}
		h.out = f.Append(h.out)
		if f.Drained {
			wake(f.Stream.Owner.(*hosted).look)
		}
	}
	if len(h.out) > 0 {
		wake(h.wake)
	}
	h.mu.Unlock()
}

func (h *host) write() {
	var b []byte
	for {
		select {
		case <-h.wake:
		case <-h.dead:
			return
		}
		h.mu.Lock()
		b, h.out = h.out, b[:0]
		h.unlock()
		if _, err := h.nc.Write(b); err != nil {
			h.nc.Close()
			return
		}
	}
}

// push sends bytes that are no frame of a stream.
func (h *host) push(b []byte) {
	h.mu.Lock()
	h.out = append(h.out, b...)
	h.unlock()
}

// recv returns the next message, or why there is none.
func (s *hosted) recv() ([]byte, error) {
	for {
		s.host.mu.Lock()
		m, err := s.core.Recv()
		s.host.unlock()
		if err != stream.ErrWait {
			return m.Bytes(), err
		}
		<-s.look
	}
}

// send sends a message and waits until it has left.
func (s *hosted) send(b []byte) error {
	s.host.mu.Lock()
	err := s.core.Send(b, false)
	s.host.unlock()
	for err == nil {
		s.host.mu.Lock()
		pending, end := s.core.Pending(), s.core.Err()
		s.host.mu.Unlock()
		if pending == 0 || end != nil {
			return end
		}
		<-s.look
	}
	return err
}

// ended waits until the stream is over and returns why.
func (s *hosted) ended() error {
	for {
		s.host.mu.Lock()
		err := s.core.Err()
		s.host.mu.Unlock()
		if err != nil {
			return err
		}
		<-s.look
	}
}

func (s *hosted) closeSend() {
	s.host.mu.Lock()
	if err := s.core.CloseSend(); err != nil {
		s.host.t.Error(err)
	}
	s.host.unlock()
}

// reply ends the stream with a result, fail with an error.
func (s *hosted) reply(result string) { s.finish(appendReply(nil, s.core.ID(), result)) }

func (s *hosted) fail(e *rpc.Error) { s.finish(wire.AppendError(nil, s.core.ID(), e)) }

func (s *hosted) finish(frame []byte) {
	s.host.mu.Lock()
	s.core.Finish(frame)
	s.host.unlock()
}

// reset gives the stream up.
func (s *hosted) reset(e *rpc.Error) {
	s.host.mu.Lock()
	s.core.Reset(e)
	s.host.unlock()
}

// encode returns the encoding of a text.
func encode(s string) []byte {
	e := codec.NewEncoder(codec.Binary, nil)
	(&text{s}).EncodeThrift(e)
	return e.Bytes()
}

// echoes sends every message back, and replies with how the client's messages ended.
func echoes(s *hosted) {
	for {
		b, err := s.recv()
		if err == io.EOF {
			s.reply("bye " + s.args)
			return
		}
		if err != nil || s.send(b) != nil {
			return
		}
	}
}

// hosting returns a client and its host, over a pipe.
func hosting(t testing.TB, config stream.Config, handle func(*hosted), opts ...Option) (*Client, *host) {
	t.Helper()
	p := newPipes(t)
	c := p.client(opts...)
	return c, newHost(t, (<-p.peers).nc, config, handle)
}

// open opens a stream that has to open.
func open(t testing.TB, c *Client, m *rpc.Method, args string) *clientStream {
	t.Helper()
	s, err := c.Open(context.Background(), m, &text{args})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*clientStream)
}
