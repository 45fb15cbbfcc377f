package client

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// text is an argument or result struct with one string, in whichever field.
type text struct{ s string }

func (m *text) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(1, m.s)
	e.EndStruct(outer)
}

func (m *text) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.Type == codec.String {
			m.s = d.String()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

var (
	echo = &rpc.Method{Service: "Echo", Name: "echo", FullName: "Echo.echo"}
	note = &rpc.Method{Service: "Echo", Name: "note", FullName: "Echo.note", Oneway: true}
)

// peer is the server's end of a native connection, driven by a test.
type peer struct {
	t  testing.TB
	nc net.Conn
}

// greet exchanges preambles.
func (p *peer) greet() {
	p.t.Helper()
	p.hear()
	p.write(wire.AppendPreamble(nil, wire.Preamble{}))
}

func (p *peer) hear() wire.Preamble {
	p.t.Helper()
	b := make([]byte, wire.PreambleSize)
	if _, err := io.ReadFull(p.nc, b); err != nil {
		p.t.Errorf("reading the client's preamble: %v", err)
		return wire.Preamble{}
	}
	pre, ok, err := wire.ParsePreamble(b)
	if !ok || err != nil {
		p.t.Errorf("the client's preamble: %v %v", ok, err)
	}
	return pre
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Errorf("writing to the client: %v", err)
	}
}

// next reads a frame.
func (p *peer) next() (wire.FrameHeader, []byte, error) {
	b := make([]byte, wire.FrameHeaderSize)
	if _, err := io.ReadFull(p.nc, b); err != nil {
		return wire.FrameHeader{}, nil, err
	}
	h, _ := wire.ParseFrameHeader(b)
	if err := h.Check(0); err != nil {
		return h, nil, err
	}
	payload := make([]byte, h.Length)
	_, err := io.ReadFull(p.nc, payload)
	return h, payload, err
}

// got is a call as a server sees it.
type got struct {
	id      uint64
	oneway  bool
	timeout time.Duration
	text    string
}

// call reads a frame, which has to be a call.
func (p *peer) call() got {
	p.t.Helper()
	h, payload, err := p.next()
	if err != nil || h.Kind != wire.KindCall {
		p.t.Errorf("wanted a call, got %+v, %v", h, err)
		return got{}
	}
	g, err := parseCall(h, payload)
	if err != nil {
		p.t.Error(err)
	}
	return g
}

func parseCall(h wire.FrameHeader, payload []byte) (got, error) {
	ch, err := wire.ParseCallHeader(payload[:h.HeaderLen])
	if err != nil {
		return got{}, err
	}
	c := rpc.Call{Body: payload[h.HeaderLen:], Compression: ch.Compression, RawSize: ch.RawSize}
	if err := new(wire.Dialect).Open(&c); err != nil {
		return got{}, err
	}
	var m text
	d := codec.NewDecoder(ch.Encoding, c.Body)
	m.DecodeThrift(d)
	return got{h.Stream, h.Flags&wire.FlagOneway != 0, ch.Timeout, m.s}, d.Err()
}

// want reads a frame, which has to be of one kind.
func (p *peer) want(k wire.Kind) wire.FrameHeader {
	p.t.Helper()
	h, _, err := p.next()
	if err != nil || h.Kind != k {
		p.t.Errorf("wanted a %v frame, got %+v, %v", k, h, err)
	}
	return h
}

func (p *peer) reply(id uint64, s string) {
	p.t.Helper()
	p.write(appendReply(nil, id, s))
}

func appendReply(dst []byte, id uint64, s string) []byte {
	d := wire.Dialect{MaxMessage: 1 << 30, MaxFrame: 1 << 30}
	return d.AppendReply(dst, &rpc.Call{ID: id, Handler: &rpc.Handler{Method: echo}}, rpc.Reply{Result: &text{s}})
}

// serve answers calls with answer's text until the connection ends.
func (p *peer) serve(answer func(got) string) {
	for {
		h, payload, err := p.next()
		if err != nil {
			return
		}
		if h.Kind != wire.KindCall {
			continue
		}
		g, err := parseCall(h, payload)
		if err != nil {
			p.t.Error(err)
			return
		}
		if !g.oneway {
			if _, err := p.nc.Write(appendReply(nil, g.id, answer(g))); err != nil {
				return
			}
		}
	}
}

func same(g got) string { return g.text }

// pipes connects clients to peers in memory.
type pipes struct {
	t     testing.TB
	peers chan *peer // accepted connections
	err   error      // if set, dialing fails with it
	dials []time.Time
	mu    chan struct{}
	tcp   net.Listener // if set, connections are real
}

func newPipes(t testing.TB) *pipes {
	return &pipes{t: t, peers: make(chan *peer, 100), mu: make(chan struct{}, 1)}
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	p.mu <- struct{}{}
	defer func() { <-p.mu }()
	p.dials = append(p.dials, time.Now())
	if p.err != nil {
		return nil, p.err
	}
	if p.tcp != nil {
		ours, err := net.Dial("tcp", p.tcp.Addr().String())
		if err != nil {
			return nil, err
		}
		theirs, err := p.tcp.Accept()
		if err != nil {
			return nil, err
		}
		p.peers <- &peer{p.t, theirs}
		return ours, nil
	}
	ours, theirs := net.Pipe()
	p.peers <- &peer{p.t, theirs}
	return ours, nil
}

// refuse makes dialing fail with err, or work if that is nil.
func (p *pipes) refuse(err error) {
	p.mu <- struct{}{}
	p.err = err
	<-p.mu
}

func (p *pipes) attempts() []time.Time {
	p.mu <- struct{}{}
	defer func() { <-p.mu }()
	return append([]time.Time(nil), p.dials...)
}

// connect returns a client and the server's end of its connection, after the preambles.
func (p *pipes) connect(opts ...Option) (*Client, *peer) {
	p.t.Helper()
	c := p.client(opts...)
	s := <-p.peers
	s.greet()
	return c, s
}

func (p *pipes) client(opts ...Option) *Client {
	p.t.Helper()
	c, err := Dial(context.Background(), "tcp://fake:1", append([]Option{WithDialer(p.dial)}, opts...)...)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// outcome is what came of a call that ran in its own goroutine.
type outcome struct {
	text string
	err  error
}

// start makes a call in its own goroutine.
func start(ctx context.Context, c *Client, s string) <-chan outcome {
	ch := make(chan outcome, 1)
	go func() {
		var r text
		err := c.Call(ctx, echo, &text{s}, &r)
		ch <- outcome{r.s, err}
	}()
	return ch
}

// wantText checks a call that should have succeeded.
func wantText(t testing.TB, o outcome, s string) {
	t.Helper()
	if o.err != nil || o.text != s {
		t.Errorf("got %.40q, %v, want %.40q", o.text, o.err, s)
	}
}

// wantError checks a call that should have failed.
func wantError(t testing.TB, err error, code rpc.Code, x rpc.Execution, part string) {
	t.Helper()
	var e *rpc.Error
	if !errors.As(err, &e) || e.Code != code || e.Execution != x || !strings.Contains(e.Message, part) {
		t.Errorf("got %v, want %v (%v) with %q", err, code, x, part)
	}
}

// noLeaks fails the test if goroutines of this package outlive it. One that has told that it ends may still run its last
// instructions; one that waits for anything is left over.
func noLeaks(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		buf := make([]byte, 1<<20)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			running := 0
			for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")[1:] {
				if !strings.Contains(g, "client.(*") || strings.Contains(g, "_test.go") {
					continue
				}
				if state, _, _ := strings.Cut(g, "\n"); !strings.Contains(state, "[run") || time.Now().After(deadline) {
					t.Errorf("goroutine left:\n%s", g)
				} else {
					running++
				}
			}
			if running == 0 || t.Failed() {
				return
			}
		}
	})
}
