package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// hostileFrame is something that a server may say, or should not, about streams with ids up to last.
func hostileFrame(rnd *rand.Rand, last uint64) []byte {
	id := rnd.Uint64N(last + 3)
	size := rnd.IntN([]int{10, 1000, 40_000, 300_000}[rnd.IntN(4)])
	data := func(flags wire.Flags, claimed, n int) []byte {
		return append(wire.AppendDataHeader(nil, id, flags, claimed), make([]byte, n)...)
	}
	switch rnd.IntN(16) {
	case 0:
		return data(0, size, size)
	case 1:
		return data(wire.FlagMore, size, size)
	case 2:
		return data(wire.FlagMore|wire.FlagBlocked, size, size/2) // the next frame becomes its rest
	case 3:
		return data(0, 1<<30+size, size)
	case 4:
		return wire.AppendEnd(nil, id)
	case 5:
		return wire.AppendCredit(nil, id, rnd.Uint64N(wire.MinWindow)) // no more than there was
	case 6:
		return wire.AppendCredit(nil, id, 1<<63|rnd.Uint64())
	case 7:
		return wire.AppendReset(nil, id, wire.Reset{Final: rnd.Uint64N(1 << 17), Code: rpc.Aborted, Message: "hostile"})
	case 8:
		return wire.AppendReset(nil, id, wire.Reset{Final: rnd.Uint64(), Code: rpc.Aborted})
	case 9:
		return wire.AppendGoAway(nil, wire.GoAway{Last: id, Message: "hostile"})
	case 10:
		var pings []byte
		for range rnd.IntN(2 * maxPongs) {
			pings = wire.AppendPing(pings, 7)
		}
		return pings
	case 11:
		return appendReply(nil, id, "unasked")
	case 12:
		return wire.AppendError(nil, id, &rpc.Error{Code: rpc.Aborted, Message: "hostile"})
	case 13:
		return append(wire.AppendFrameHeader(nil, wire.FrameHeader{Kind: 0x80, Length: uint32(size)}), make([]byte, size)...)
	case 14:
		return wire.AppendPong(nil, 9)
	}
	b := make([]byte, rnd.IntN(100))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// TestHostileServerAndLeader: a receiver that reads the connection itself takes whatever a server says as the reader goroutine
// does. It keeps to its bounds, others that wait are served or told, and nothing is left.
func TestHostileServerAndLeader(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 60
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { bubble(t, func(t *testing.T) { hostileToLeader(t, uint64(seed)) }) })
	}
}

func hostileToLeader(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 6))
	c, s, h := receiver(t)
	defer c.Close()
	const bound = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	began := time.Now()
	got := receiving(ctx, s)
	wantHelm(t, s.conn, helmLed)
	var sent <-chan error
	if rnd.IntN(2) == 0 {
		done := make(chan error, 1)
		go func() { done <- s.SendBytes(ctx, make([]byte, 1<<20)) }()
		sent = done
	}
	var call <-chan error
	if rnd.IntN(2) == 0 {
		done := make(chan error, 1)
		go func() { done <- c.Call(ctx, echo, &text{"x"}, new(text)) }()
		call = done
	}
	for range 1 + rnd.IntN(6) {
		h.host.push(hostileFrame(rnd, s.call.id+1))
		time.Sleep(time.Duration(rnd.IntN(8)) * time.Millisecond)
		if rnd.IntN(8) == 0 {
			go s.Cancel()
		}
	}
	if rnd.IntN(3) == 0 {
		h.host.nc.Close()
	}
	for r := <-got; r.err == nil; r = <-got {
		got = receiving(ctx, s)
	}
	if sent != nil {
		<-sent
	}
	if call != nil {
		<-call
	}
	if d := time.Since(began); d > bound+helmWatch {
		t.Errorf("it took %v, %v are allowed", d, bound)
	}
	s.Cancel()
	s.Finish(ctx, nil)
	h.host.nc.Close()
	check(t, s)
	cn := s.conn
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.streams.waiting != 0 || cn.table.streams != 0 {
		t.Errorf("%d wait, %d streams are in the table", cn.streams.waiting, cn.table.streams)
	}
}

// jamming is a connection whose Read no deadline ends any more once it has jammed, and that brings nothing then, as that of
// crypto/tls while it answers a server that asks for new keys, and what it writes to is full.
type jamming struct {
	net.Conn
	jammed atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (s *jamming) Read(b []byte) (int, error) {
	for {
		n, err := s.Conn.Read(b)
		switch {
		case !s.jammed.Load():
			return n, err
		case errors.Is(err, os.ErrDeadlineExceeded):
			<-s.closed
			return 0, net.ErrClosed
		case err != nil:
			return 0, err
		}
	}
}

func (s *jamming) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

// TestStuckLeader: even then who reads for itself comes back soon after its bounds, and the connection is given up, so that others
// do, too.
func TestStuckLeader(t *testing.T) {
	const bound = 50 * time.Millisecond
	for name, wait := range map[string]func(ctx context.Context, c *Client, s *clientStream) error{
		"receiver": func(ctx context.Context, _ *Client, s *clientStream) error {
			_, err := s.RecvBytes(ctx)
			return err
		},
		"receiver of a canceled stream": func(_ context.Context, _ *Client, s *clientStream) error {
			time.AfterFunc(bound, s.Cancel)
			_, err := s.RecvBytes(context.Background())
			return err
		},
		"call": func(ctx context.Context, c *Client, _ *clientStream) error {
			return c.Call(ctx, echo, &text{"x"}, new(text))
		},
		"call with a timeout": func(_ context.Context, c *Client, _ *clientStream) error {
			m := *echo
			m.Timeout = bound
			return c.Call(context.Background(), &m, &text{"x"}, new(text))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				streams, conns := make(chan *hosted, 2), make(chan *jamming, 2)
				dial := func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					newHost(t, theirs, stream.Config{}, func(h *hosted) {
						streams <- h
						<-h.host.dead
					})
					nc := &jamming{Conn: ours, closed: make(chan struct{})}
					conns <- nc
					return nc, nil
				}
				c, err := Dial(context.Background(), "tcp://fake:1", WithKeepalive(0, 0), WithDialer(dial))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				s := open(t, c, chat, "")
				h := <-streams
				for range loneliness + 1 {
					if s.conn.helmState() == helmHome {
						exchangeOne(t, s, h)
					}
				}
				wantHelm(t, s.conn, helmFree)
				(<-conns).jammed.Store(true)
				began := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), bound)
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- wait(ctx, c, s) }()
				wantHelm(t, s.conn, helmLed)
				select {
				case err := <-done:
					if d := time.Since(began); err == nil || d < bound+helmPatience || d > bound+helmPatience+5*helmWatch {
						t.Errorf("%v after %v", err, d)
					}
				case <-time.After(time.Minute):
					s.conn.nc.Close()
					t.Fatalf("it still waits")
				}
				s.Cancel()
				synctest.Wait()
				if err := c.Call(context.Background(), echo, &text{"x"}, new(text)); err != nil {
					t.Errorf("on the next connection: %v", err)
				}
			})
		})
	}
}
