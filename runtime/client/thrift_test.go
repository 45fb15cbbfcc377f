package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// thriftPeer is the server's end of a Thrift connection, driven by a test.
type thriftPeer struct {
	t       testing.TB
	nc      net.Conn
	dialect *thrift.Dialect
	split   *thrift.Splitter
	buf     []byte
}

func (p *pipes) thriftPeer(d *thrift.Dialect) *thriftPeer {
	return &thriftPeer{t: p.t, nc: (<-p.peers).nc, dialect: d, split: thrift.NewSplitter(d)}
}

// call reads one call.
func (p *thriftPeer) call() *rpc.Call {
	p.t.Helper()
	for {
		n, msg, err := p.split.Next(p.buf)
		p.buf = p.buf[n:]
		if err == nil && msg == nil {
			b := make([]byte, 1000)
			var k int
			k, err = p.nc.Read(b)
			p.buf = append(p.buf, b[:k]...)
		}
		if err != nil {
			p.t.Errorf("reading a call: %v", err)
			return &rpc.Call{Dialect: p.dialect, Handler: &rpc.Handler{Method: echo}}
		}
		if msg == nil {
			continue
		}
		c := &rpc.Call{}
		if err := p.dialect.ReadCall(msg, c); err != nil {
			p.t.Error(err)
		}
		if err := p.dialect.Open(c); err != nil {
			p.t.Error(err)
		}
		return c
	}
}

// arg returns the text that c was called with.
func arg(t testing.TB, c *rpc.Call) string {
	t.Helper()
	var m text
	d := codec.NewDecoder(c.Encoding, c.Body)
	m.DecodeThrift(d)
	if err := d.Err(); err != nil {
		t.Error(err)
	}
	return m.s
}

func (p *thriftPeer) reply(c *rpc.Call, r rpc.Reply) {
	p.t.Helper()
	if _, err := p.nc.Write(p.dialect.AppendReply(nil, c, r)); err != nil {
		p.t.Error(err)
	}
}

func (p *thriftPeer) say(c *rpc.Call, s string) {
	p.t.Helper()
	p.reply(c, rpc.Reply{Result: &text{s}})
}

func TestThriftDialects(t *testing.T) {
	for _, test := range []struct {
		name    string
		option  Thrift
		dialect thrift.Dialect
		method  string
	}{
		{"framed", Thrift{}, thrift.Dialect{Framed: true, Strict: true}, "echo"},
		{"framed non-strict", Thrift{NonStrict: true}, thrift.Dialect{Framed: true}, "echo"},
		{"framed compact", Thrift{Encoding: codec.Compact}, thrift.Dialect{Framed: true, Encoding: codec.Compact}, "echo"},
		{"unframed", Thrift{Transport: Unframed}, thrift.Dialect{Strict: true}, "echo"},
		{"unframed compact", Thrift{Transport: Unframed, Encoding: codec.Compact}, thrift.Dialect{Encoding: codec.Compact}, "echo"},
		{"header", Thrift{Transport: Header, Encoding: codec.Compact}, thrift.Dialect{Header: true, Encoding: codec.Compact}, "echo"},
		{"multiplexed", Thrift{Service: "Echo"}, thrift.Dialect{Framed: true, Strict: true}, "Echo:echo"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes(t)
				c := p.client(WithThrift(test.option))
				defer c.Close()
				s := p.thriftPeer(&test.dialect)
				for range 3 {
					a := start(context.Background(), c, "a")
					k := s.call()
					if k.Name != test.method || arg(t, k) != "a" {
						t.Errorf("got %q, %q", k.Name, arg(t, k))
					}
					s.say(k, "A")
					wantText(t, <-a, "A")
				}
				if err := c.Call(context.Background(), note, &text{"n"}, nil); err != nil {
					t.Error(err)
				}
				if k := s.call(); !k.Oneway || arg(t, k) != "n" {
					t.Errorf("got %+v", k)
				}
				// The server's own errors come with a code.
				a := start(context.Background(), c, "a")
				s.reply(s.call(), rpc.Reply{Err: rpc.NewError(rpc.Unimplemented, "no such thing")})
				err := (<-a).err
				var e *rpc.Error
				if !errors.As(err, &e) || e.Code != rpc.Unimplemented || !e.Remote || e.Method != "Echo.echo" {
					t.Errorf("got %+v", err)
				}
			})
		})
	}
}

var framed = &thrift.Dialect{Framed: true, Strict: true}

// A stock server answers one call after the other: so they are sent one after the other.
func TestThriftSerial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithThrift(Thrift{}))
		defer c.Close()
		s := p.thriftPeer(framed)
		a := start(context.Background(), c, "a")
		k := s.call()
		b := start(context.Background(), c, "b")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantError(t, (<-start(ctx, c, "c")).err, rpc.DeadlineExceeded, rpc.NotExecuted, "earlier calls")
		if len(s.buf) > 0 || s.split.Partial() {
			t.Error("a second call was sent before the first was answered")
		}
		s.say(k, "A")
		wantText(t, <-a, "A")
		s.say(s.call(), "B")
		wantText(t, <-b, "B")
	})
}

func TestThriftPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithThrift(Thrift{Pipeline: 2}))
		defer c.Close()
		s := p.thriftPeer(framed)
		a := start(context.Background(), c, "a")
		ka := s.call()
		b := start(context.Background(), c, "b")
		kb := s.call()
		d := start(context.Background(), c, "d") // one too many
		synctest.Wait()
		s.say(kb, "B") // out of order
		wantText(t, <-b, "B")
		kd := s.call()
		s.say(kd, "D")
		s.say(ka, "A")
		wantText(t, <-d, "D")
		wantText(t, <-a, "A")
	})
}

// The reply of a canceled call is dropped, and the next call gets its own.
func TestThriftLateReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithThrift(Thrift{}))
		defer c.Close()
		s := p.thriftPeer(framed)
		for range 3 {
			ctx, cancel := context.WithCancel(context.Background())
			old := start(ctx, c, "old")
			k := s.call()
			cancel()
			wantError(t, (<-old).err, rpc.Canceled, rpc.MaybeExecuted, "the reply")
			next := start(context.Background(), c, "new")
			time.Sleep(lateLimit - time.Second)
			s.say(k, "late")
			n := s.call()
			s.say(n, "in time")
			wantText(t, <-next, "in time")
			time.Sleep(time.Minute) // the late one's limit is off
		}
		if n := len(p.attempts()); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// If it does not come, the connection is replaced.
func TestThriftNoReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithThrift(Thrift{}))
		defer c.Close()
		s := p.thriftPeer(framed)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantErr := start(ctx, c, "old")
		s.call()
		wantError(t, (<-wantErr).err, rpc.DeadlineExceeded, rpc.MaybeExecuted, "the reply")
		began := time.Now()
		next := start(context.Background(), c, "new")
		s = p.thriftPeer(framed)
		s.say(s.call(), "N")
		wantText(t, <-next, "N")
		if d := time.Since(began); d != lateLimit {
			t.Errorf("replaced after %v", d)
		}
	})
}

func TestThriftLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithThrift(Thrift{}))
		defer c.Close()
		s := p.thriftPeer(framed)
		a := start(context.Background(), c, "a")
		s.call()
		b := start(context.Background(), c, "b") // waits for its turn, and gets it on the next connection
		synctest.Wait()
		s.nc.Close()
		wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, "closed by the server")
		s = p.thriftPeer(framed)
		s.say(s.call(), "B")
		wantText(t, <-b, "B")
	})
}

func TestThriftGarbage(t *testing.T) {
	for _, test := range []struct{ says, want string }{
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "wanted framed binary Thrift, but this seems to be an HTTP server"},
		{"\x00\x00\x00\x10garbage, garbage", "wanted framed binary Thrift"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes(t)
			c := p.client(WithThrift(Thrift{}))
			defer c.Close()
			s := p.thriftPeer(framed)
			a := start(context.Background(), c, "a")
			s.call()
			if _, err := io.WriteString(s.nc, test.says); err != nil {
				t.Error(err)
			}
			wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, test.want)
		})
	}
}

func TestThriftWrongSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithThrift(Thrift{}))
		defer c.Close()
		s := p.thriftPeer(framed)
		a := start(context.Background(), c, "a")
		k := s.call()
		k.ID += 5
		s.say(k, "A")
		wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, "which no call has")
	})
}

func TestSequence(t *testing.T) {
	for _, last := range []uint64{1, 1<<31 - 1, 1 << 31, 1<<31 + 5, 1<<40 + 3} {
		for back := range uint64(1000) {
			if back >= last {
				break
			}
			if id := last - back; idOf(sequence(id), last) != id {
				t.Fatalf("id %d with last %d: got %d", id, last, idOf(sequence(id), last))
			}
		}
	}
}

// A server as small as they come, over a socket.
func TestThriftSimpleServer(t *testing.T) {
	noLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		r := bufio.NewReader(nc)
		for {
			var size [4]byte
			if _, err := io.ReadFull(r, size[:]); err != nil {
				return
			}
			msg := make([]byte, binary.BigEndian.Uint32(size[:]))
			if _, err := io.ReadFull(r, msg); err != nil {
				return
			}
			msg[3] = 2 // a reply to itself
			if _, err := nc.Write(append(size[:], msg...)); err != nil {
				return
			}
		}
	}()
	c, err := Dial(context.Background(), "tcp://"+ln.Addr().String(), WithThrift(Thrift{}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var outcomes []<-chan outcome
	for i := range 100 {
		outcomes = append(outcomes, start(context.Background(), c, strings.Repeat("x", i*100)))
	}
	for i, o := range outcomes {
		wantText(t, <-o, strings.Repeat("x", i*100))
	}
}
