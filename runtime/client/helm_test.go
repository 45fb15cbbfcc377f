package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

func (cn *conn) helmState() helmState {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	return cn.helm.state
}

// lonely returns a client whose reader goroutine has just left the helm, with its connection and the server's end.
func lonely(t *testing.T, opts ...Option) (*Client, *conn, *peer) {
	t.Helper()
	p := newPipes(t)
	c, s := p.connect(opts...)
	synctest.Wait()
	cn := c.turn.Load().server.lanes[0].conn.Load()
	for i := range loneliness + 1 { // the first follows none
		if cn.helmState() != helmHome {
			t.Fatalf("the reader has left after %d calls", i)
		}
		o := start(context.Background(), c, "x")
		s.reply(s.call().id, "X")
		wantText(t, <-o, "X")
		synctest.Wait()
	}
	if cn.helmState() != helmFree {
		t.Fatal("the reader does not leave")
	}
	return c, cn, s
}

// leading starts a call that takes the helm and returns its id.
func leading(t *testing.T, ctx context.Context, c *Client, cn *conn, s *peer) (<-chan outcome, uint64) {
	t.Helper()
	o := start(ctx, c, "leader")
	id := s.call().id
	synctest.Wait()
	if got := cn.helmState(); got != helmLed {
		t.Fatalf("helm %d with a call", got)
	}
	return o, id
}

func wantHelm(t *testing.T, cn *conn, want helmState) {
	t.Helper()
	synctest.Wait()
	if got := cn.helmState(); got != want {
		t.Errorf("helm %d, want %d", got, want)
	}
}

// TestHelm: who reads, and until when.
func TestHelm(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c *Client, cn *conn, s *peer)
	}{
		{"calls one by one", func(t *testing.T, c *Client, cn *conn, s *peer) {
			for range 10 {
				time.Sleep(helmGap)
				o, id := leading(t, context.Background(), c, cn, s)
				s.reply(id, "L")
				wantText(t, <-o, "L")
				wantHelm(t, cn, helmFree)
			}
		}},
		{"idle", func(t *testing.T, c *Client, cn *conn, s *peer) {
			time.Sleep(2 * helmWatch)
			wantHelm(t, cn, helmHome)
			s.write(wire.AppendPing(nil, 7))
			s.want(wire.KindPong)
		}},
		{"a slow reply", func(t *testing.T, c *Client, cn *conn, s *peer) {
			o, id := leading(t, context.Background(), c, cn, s)
			time.Sleep(5 * time.Second)
			wantHelm(t, cn, helmLed)
			s.reply(id, "L")
			wantText(t, <-o, "L")
			wantHelm(t, cn, helmHome)
		}},
		{"followers", func(t *testing.T, c *Client, cn *conn, s *peer) {
			o, id := leading(t, context.Background(), c, cn, s)
			a, b := start(context.Background(), c, "a"), c.Go(context.Background(), echo, &text{"b"}, new(text))
			first, second := s.call(), s.call()
			ids := map[string]uint64{first.text: first.id, second.text: second.id}
			s.reply(ids["a"], "A")
			wantText(t, <-a, "A")
			wantHelm(t, cn, helmLed)
			s.reply(id, "L")
			wantText(t, <-o, "L")
			wantHelm(t, cn, helmHome)
			s.reply(ids["b"], "B")
			if err := b.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		}},
		{"an asynchronous call", func(t *testing.T, c *Client, cn *conn, s *peer) {
			p := c.Go(context.Background(), echo, &text{"a"}, new(text))
			id := s.call().id
			wantHelm(t, cn, helmHome)
			s.reply(id, "A")
			if err := p.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		}},
		{"canceled", func(t *testing.T, c *Client, cn *conn, s *peer) {
			ctx, cancel := context.WithCancel(context.Background())
			o, id := leading(t, ctx, c, cn, s)
			began := time.Now()
			cancel()
			s.want(wire.KindCancel)
			wantError(t, (<-o).err, rpc.Canceled, rpc.MaybeExecuted, "the reply")
			if d := time.Since(began); d > helmWatch {
				t.Errorf("noticed after %v", d)
			}
			wantHelm(t, cn, helmHome)
			s.reply(id, "late")
		}},
		{"deadlines", func(t *testing.T, c *Client, cn *conn, s *peer) {
			for _, left := range []time.Duration{50 * time.Millisecond, 800 * time.Microsecond, time.Second} {
				began := time.Now()
				ctx, cancel := context.WithDeadline(context.Background(), began.Add(left))
				o := start(ctx, c, "x")
				s.call()
				s.want(wire.KindCancel)
				wantError(t, (<-o).err, rpc.DeadlineExceeded, rpc.MaybeExecuted, "the reply")
				if d := time.Since(began); d != left {
					t.Errorf("noticed after %v, want %v", d, left)
				}
				cancel()
			}
		}},
		{"later and later deadlines", func(t *testing.T, c *Client, cn *conn, s *peer) {
			m := *echo
			m.Timeout = 3 * time.Millisecond // the read deadline of one ends during another
			for range 50 {
				got := make(chan outcome, 1)
				go func() {
					var r text
					err := c.Call(context.Background(), &m, &text{"x"}, &r)
					got <- outcome{r.s, err}
				}()
				id := s.call().id
				time.Sleep(800 * time.Microsecond)
				s.reply(id, "X")
				wantText(t, <-got, "X")
				wantHelm(t, cn, helmFree)
			}
			began := time.Now()
			err := c.Call(context.Background(), &m, &text{"x"}, new(text))
			wantError(t, err, rpc.DeadlineExceeded, rpc.MaybeExecuted, "timeout of 3ms")
			if d := time.Since(began); d != m.Timeout {
				t.Errorf("noticed after %v", d)
			}
		}},
		{"lost while leading", func(t *testing.T, c *Client, cn *conn, s *peer) {
			o, _ := leading(t, context.Background(), c, cn, s)
			a := start(context.Background(), c, "a")
			s.call()
			s.nc.Close()
			wantError(t, (<-o).err, rpc.Unavailable, rpc.MaybeExecuted, "closed by the server")
			wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, "closed by the server")
		}},
		{"lost while nobody reads", func(t *testing.T, c *Client, cn *conn, s *peer) {
			s.nc.Close()
			time.Sleep(2 * helmWatch)
			<-cn.dead
		}},
		{"closed while leading", func(t *testing.T, c *Client, cn *conn, s *peer) {
			o, _ := leading(t, context.Background(), c, cn, s)
			c.Close()
			wantError(t, (<-o).err, rpc.Canceled, rpc.MaybeExecuted, "closed")
		}},
		{"garbage while leading", func(t *testing.T, c *Client, cn *conn, s *peer) {
			o, _ := leading(t, context.Background(), c, cn, s)
			go s.write(wire.AppendFrameHeader(nil, wire.FrameHeader{Kind: wire.KindCall, Stream: 1}))
			wantError(t, (<-o).err, rpc.Unavailable, rpc.MaybeExecuted, "from a server")
		}},
		{"the server goes away while leading", func(t *testing.T, c *Client, cn *conn, s *peer) {
			o, id := leading(t, context.Background(), c, cn, s)
			s.write(wire.AppendGoAway(nil, wire.GoAway{Last: id}))
			s.reply(id, "L")
			wantText(t, <-o, "L")
			<-cn.dead
		}},
		{"the server goes away while nobody reads", func(t *testing.T, c *Client, cn *conn, s *peer) {
			s.write(wire.AppendGoAway(nil, wire.GoAway{Last: loneliness + 1}))
			<-cn.dead
		}},
		{"the server leaves the list while nobody reads", func(t *testing.T, c *Client, cn *conn, s *peer) {
			cn.server.remove()
			<-cn.dead
		}},
		{"a large reply, canceled half-way", func(t *testing.T, c *Client, cn *conn, s *peer) {
			ctx, cancel := context.WithCancel(context.Background())
			o, id := leading(t, ctx, c, cn, s)
			long := make([]byte, 2*lastBuffer)
			rand.NewChaCha8([32]byte{}).Read(long) // which does not get shorter by compression
			frame := appendReply(nil, id, string(long))
			s.write(frame[:lastBuffer])
			wantHelm(t, cn, helmLed)
			cancel()
			s.want(wire.KindCancel)
			wantError(t, (<-o).err, rpc.Canceled, rpc.MaybeExecuted, "the reply")
			s.write(frame[lastBuffer:])
			a := start(context.Background(), c, "a")
			s.reply(s.call().id, "A")
			wantText(t, <-a, "A")
		}},
		{"pinged while leading", func(t *testing.T, c *Client, cn *conn, s *peer) {
			o, id := leading(t, context.Background(), c, cn, s)
			began := time.Now()
			s.want(wire.KindPing)
			if d := time.Since(began); d != 10*time.Second {
				t.Errorf("a ping after %v", d)
			}
			s.write(wire.AppendPong(nil, 1))
			s.reply(id, "L")
			wantText(t, <-o, "L")
		}},
		{"silence while leading", func(t *testing.T, c *Client, cn *conn, s *peer) {
			o, _ := leading(t, context.Background(), c, cn, s)
			s.want(wire.KindPing)
			wantError(t, (<-o).err, rpc.Unavailable, rpc.MaybeExecuted, "keepalive")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, cn, s := lonely(t, WithKeepalive(10*time.Second, 3*time.Second), WithRetry(RetryPolicy{Attempts: 1, Backoff: DefaultBackoff}))
				test.run(t, c, cn, s)
				c.Close()
				s.nc.Close()
			})
		})
	}
}

// TestHelmWithoutKeepalive: the read deadline of a call that has ended is not taken for silence.
func TestHelmWithoutKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cn, s := lonely(t, WithKeepalive(0, 0))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		o, id := leading(t, ctx, c, cn, s)
		s.reply(id, "L")
		wantText(t, <-o, "L")
		time.Sleep(time.Hour)
		wantHelm(t, cn, helmHome)
		a := start(context.Background(), c, "a")
		s.reply(s.call().id, "A")
		wantText(t, <-a, "A")
		c.Close()
		s.nc.Close()
	})
}

// TestHelmAtRandom: few callers, who call, wait, give up and call asynchronously at random, so that the helm changes hands
// all the time. Each gets its own reply.
func TestHelmAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, led, gaveUp := helmAtRandom(t, newPipes(t), 20)
		if led < calls/20 || gaveUp < calls/20 || gaveUp > calls/2 {
			t.Errorf("of %d calls %d saw the helm free and %d gave up: the test tests little", calls, led, gaveUp)
		}
	})
}

// The same over sockets, where it depends on the machine how often that happens.
func TestHelmAtRandomTCP(t *testing.T) {
	noLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p := newPipes(t)
	p.tcp = ln
	helmAtRandom(t, p, 5)
}

func helmAtRandom(t *testing.T, p *pipes, seeds uint64) (calls, led, gaveUp int) {
	c, s := p.connect()
	defer c.Close()
	cn := c.turn.Load().server.ready()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(func(g got) string {
			time.Sleep(time.Duration(len(g.text)%5*40) * time.Microsecond) // for some to give up
			return strings.Repeat(g.text, 1+len(g.text)%3)
		})
	}()
	for seed := range seeds {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for caller := range 1 + seed%3 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, caller))
				for i := range 200 {
					ctx, cancel := context.WithCancel(context.Background())
					switch rnd.IntN(8) {
					case 0:
						ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(300))*time.Microsecond)
					case 1:
						time.AfterFunc(time.Duration(rnd.IntN(300))*time.Microsecond, cancel)
					case 2:
						time.Sleep(time.Duration(rnd.IntN(1000)) * time.Microsecond)
					}
					s := fmt.Sprintf("%d %d %d %s", seed, caller, i, strings.Repeat("x", 1<<rnd.IntN(13)))
					var r text
					var err error
					if rnd.IntN(30) == 0 {
						err = c.Go(ctx, echo, &text{s}, &r).Wait(context.Background())
					} else {
						err = c.Call(ctx, echo, &text{s}, &r)
					}
					mu.Lock()
					calls++
					if cn.helmState() == helmFree {
						led++
					}
					switch {
					case err == nil && r.s == strings.Repeat(s, 1+len(s)%3):
					case err != nil && (rpc.CodeOf(err) == rpc.Canceled || rpc.CodeOf(err) == rpc.DeadlineExceeded):
						gaveUp++
					default:
						t.Errorf("%.20s: %.20q, %v", s, r.s, err)
					}
					mu.Unlock()
					cancel()
				}
			})
		}
		wg.Wait()
	}
	c.Close()
	<-done
	return calls, led, gaveUp
}
