package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// town is a set of servers in memory, by address.
type town struct {
	t       testing.TB
	mu      sync.Mutex
	servers map[string]*house
}

// house is one of them. It may be killed and started again.
type house struct {
	t      testing.TB
	answer func(asked) rpc.Reply // what to reply; runs in a goroutine per call

	mu       sync.Mutex
	down     bool
	id       rpc.ClientID
	conns    map[net.Conn]bool
	dials    int
	calls    int
	canceled int
	wg       sync.WaitGroup
}

// asked is a call that came to a house.
type asked struct {
	text string
	wire.CallHeader
	ctx context.Context // ends when the call is canceled or the house killed
}

func newTown(t testing.TB) *town {
	w := &town{t: t, servers: make(map[string]*house)}
	return w
}

// add builds a house at tcp://name:1 that answers with its name.
func (w *town) add(name string) *house {
	h := &house{t: w.t, conns: make(map[net.Conn]bool), answer: func(asked) rpc.Reply { return says(name) }}
	h.id[0] = 1
	w.mu.Lock()
	w.servers[name+":1"] = h
	w.mu.Unlock()
	return h
}

func says(s string) rpc.Reply { return rpc.Reply{Result: &text{s}} }

func refuses(e *rpc.Error) rpc.Reply { return rpc.Reply{Err: e} }

func (w *town) dial(_ context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	h := w.servers[address]
	w.mu.Unlock()
	if h == nil {
		return nil, fmt.Errorf("no house at %s", address)
	}
	return h.visit()
}

func (h *house) visit() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dials++
	if h.down {
		return nil, errRefused
	}
	ours, theirs := net.Pipe()
	h.conns[theirs] = true
	h.wg.Go(func() { h.serve(theirs, h.id) })
	return ours, nil
}

func (h *house) serve(nc net.Conn, id rpc.ClientID) {
	defer func() {
		nc.Close()
		h.mu.Lock()
		delete(h.conns, nc)
		h.mu.Unlock()
	}()
	p := &peer{h.t, nc}
	if _, err := io.ReadFull(nc, make([]byte, wire.PreambleSize)); err != nil {
		return
	}
	if _, err := nc.Write(wire.AppendPreamble(nil, wire.Preamble{ID: id})); err != nil {
		return
	}
	var writing sync.Mutex
	under := make(map[uint64]context.CancelFunc)
	life, end := context.WithCancel(context.Background())
	defer end()
	for {
		f, payload, err := p.next()
		if err != nil {
			return
		}
		switch f.Kind {
		case wire.KindCancel:
			h.mu.Lock()
			h.canceled++
			h.mu.Unlock()
			if stop := under[f.Stream]; stop != nil {
				stop()
			}
		case wire.KindPing:
			token, _ := wire.ParsePing(payload)
			writing.Lock()
			nc.Write(wire.AppendPong(nil, token))
			writing.Unlock()
		case wire.KindCall:
			ch, err := wire.ParseCallHeader(payload[:f.HeaderLen])
			if err != nil {
				h.t.Error(err)
				return
			}
			c := &rpc.Call{ID: f.Stream, Handler: &rpc.Handler{Method: echo}, Body: payload[f.HeaderLen:], Compression: ch.Compression, RawSize: ch.RawSize}
			if err := new(wire.Dialect).Open(c); err != nil {
				h.t.Error(err)
				return
			}
			var m text
			m.DecodeThrift(codec.NewDecoder(ch.Encoding, c.Body))
			ctx, stop := context.WithCancel(life)
			under[f.Stream] = stop
			h.mu.Lock()
			h.calls++
			answer := h.answer
			h.mu.Unlock()
			h.wg.Go(func() {
				frame := new(wire.Dialect).AppendReply(nil, c, answer(asked{m.s, ch, ctx}))
				writing.Lock()
				defer writing.Unlock()
				nc.Write(frame)
			})
		}
	}
}

// kill ends all connections and refuses new ones.
func (h *house) kill() {
	h.mu.Lock()
	h.down = true
	for nc := range h.conns {
		nc.Close()
	}
	h.mu.Unlock()
}

// start accepts connections again, as another process.
func (h *house) start() {
	h.mu.Lock()
	h.down = false
	h.id[0]++
	h.mu.Unlock()
}

func (h *house) become(answer func(asked) rpc.Reply) {
	h.mu.Lock()
	h.answer = answer
	h.mu.Unlock()
}

func (h *house) counts() (calls, dials, canceled int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls, h.dials, h.canceled
}

// client returns a client of the houses.
func (w *town) client(addresses string, opts ...Option) *Client {
	w.t.Helper()
	c, err := Dial(context.Background(), addresses, append([]Option{WithDialer(w.dial)}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// close ends the client and waits for the houses' goroutines.
func (w *town) close(c *Client) {
	c.Close()
	for _, h := range w.servers {
		h.kill()
		h.wg.Wait()
	}
}

// like returns a method with a retry annotation.
func like(r rpc.Retry) *rpc.Method {
	m := *echo
	m.Retry = r
	return &m
}

// ask makes a call and returns the text of the reply.
func ask(c *Client, m *rpc.Method, s string) (string, error) {
	return askCtx(context.Background(), c, m, s)
}

func askCtx(ctx context.Context, c *Client, m *rpc.Method, s string) (string, error) {
	var r text
	err := c.Call(ctx, m, &text{s}, &r)
	return r.s, err
}

// failed returns err as an *rpc.Error.
func failed(t testing.TB, err error) *rpc.Error {
	t.Helper()
	var e *rpc.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *rpc.Error", err)
	}
	return e
}

// withMetadata returns the frame of a reply that carries from=server.
func withMetadata(id uint64, r rpc.Reply) []byte {
	c := &rpc.Call{ID: id, Handler: &rpc.Handler{Method: echo}}
	if err := rpc.SetReplyMetadata(c.Context(), "from", "server"); err != nil {
		panic(err)
	}
	return new(wire.Dialect).AppendReply(nil, c, r)
}
