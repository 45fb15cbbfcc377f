package client

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// passOn is an interceptor that does nothing.
func passOn(next rpc.ClientHandler) rpc.ClientHandler { return next }

// TestGoIsSentAgain: the rules for sending again are Call's. The arguments are changed as soon as Go has returned.
func TestGoIsSentAgain(t *testing.T) {
	busy := func(x rpc.Execution) *rpc.Error {
		return &rpc.Error{Code: rpc.ResourceExhausted, Execution: x, Advice: rpc.AdviceRetry}
	}
	for _, tt := range []struct {
		name  string
		retry rpc.Retry
		fails *rpc.Error // the first two attempts; nil: the connection breaks
		want  string
		seen  int // attempts
	}{
		{"busy", rpc.RetryUnset, busy(rpc.NotExecuted), "done", 3},
		{"busy, never", rpc.RetryNever, busy(rpc.NotExecuted), "resource_exhausted not executed", 1},
		{"executed", rpc.RetryUnset, busy(rpc.Executed), "resource_exhausted executed", 1},
		{"executed, idempotent", rpc.RetryIdempotent, busy(rpc.Executed), "done", 3},
		{"no advice", rpc.RetryIdempotent, rpc.NewError(rpc.Internal, "broken"), "internal maybe executed", 1},
		{"lost", rpc.RetryUnset, nil, "unavailable maybe executed", 1},
		{"lost, idempotent", rpc.RetryIdempotent, nil, "done", 3},
		{"lost, at most once", rpc.RetryAtMostOnce, nil, "done", 3},
	} {
		for _, how := range []struct {
			name string
			opts []Option
		}{
			{"plain", nil},
			{"interceptors", []Option{WithInterceptors(passOn)}},
			{"hedging", []Option{WithHedging(Hedging{Delay: time.Hour, Extra: 1})}},
		} {
			t.Run(tt.name+"/"+how.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTown(t)
					a := w.add("a")
					client := w.client("tcp://a:1", append(how.opts, WithWaitForReady())...)
					defer w.close(client)
					type attempt struct {
						text   string
						number uint64
						retry  uint32
					}
					var seen []attempt
					a.become(func(x asked) rpc.Reply {
						seen = append(seen, attempt{x.text, x.Number, x.Retry})
						switch {
						case x.Retry == 2:
							return says("done")
						case tt.fails != nil:
							return refuses(tt.fails)
						}
						a.kill()
						a.start()
						return says("too late")
					})
					args := &text{"x"}
					var r text
					p := client.Go(context.Background(), like(tt.retry), args, &r)
					args.s = "changed"
					<-p.Done()
					got := r.s
					if err := p.Wait(context.Background()); err != nil {
						e := err.(*rpc.Error)
						got = fmt.Sprint(e.Code, " ", e.Execution)
					}
					if got != tt.want || len(seen) != tt.seen {
						t.Errorf("%q after %+v, want %q after %d", got, seen, tt.want, tt.seen)
					}
					for i, x := range seen {
						number := uint64(0)
						if tt.retry == rpc.RetryAtMostOnce {
							number = 1
						}
						if x != (attempt{"x", number, uint32(i)}) {
							t.Errorf("attempt %d: %+v", i, x)
						}
					}
				})
			})
		}
	}
}

// TestGoKeepsItsBoundsWhenSentAgain: a deadline ends the pause between attempts, or a second attempt, and so does Close.
func TestGoKeepsItsBoundsWhenSentAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first rpc.Reply
		close bool
		code  rpc.Code
		x     rpc.Execution
	}{
		{"second attempt", refuses(&rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted, Advice: rpc.AdviceRetry}), false, rpc.DeadlineExceeded, rpc.MaybeExecuted},
		{"second attempt, closed", refuses(&rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted, Advice: rpc.AdviceRetry}), true, rpc.Canceled, rpc.MaybeExecuted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				w.add("a").become(func(x asked) rpc.Reply {
					if x.Retry == 0 {
						return tt.first
					}
					<-x.ctx.Done()
					return says("late")
				})
				client := w.client("tcp://a:1", WithTimeout(10*time.Second))
				began := time.Now()
				p := client.Go(context.Background(), echo, &text{"x"}, new(text))
				time.Sleep(time.Second)
				if tt.close {
					client.Close()
				}
				wantError(t, p.Wait(context.Background()), tt.code, tt.x, "")
				if d := time.Since(began); !tt.close && d != 10*time.Second || tt.close && d != time.Second {
					t.Errorf("ended after %v", d)
				}
				w.close(client)
			})
		})
	}
}

// TestGoHedged: an asynchronous call of an idempotent method is hedged.
func TestGoHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("a").become(after(time.Hour, "a"))
		w.add("b").become(after(time.Second, "b"))
		client := w.client("tcp://a:1,tcp://b:1", WithBalancer(RoundRobin), WithHedging(Hedging{Delay: time.Second, Extra: 1}))
		defer w.close(client)
		synctest.Wait()
		for range 2 { // one of them begins with a
			began := time.Now()
			var r text
			p := client.Go(context.Background(), like(rpc.RetryIdempotent), &text{"x"}, &r)
			if d := time.Since(began); d != 0 {
				t.Errorf("Go took %v", d)
			}
			if err := p.Wait(context.Background()); err != nil || r.s != "b" {
				t.Errorf("%q, %v", r.s, err)
			}
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("the call took %v", d)
			}
		}
	})
}

// panics decodes by panicking, once it has decoded.
type panics struct{ text }

func (m *panics) DecodeThrift(d *codec.Decoder) {
	m.text.DecodeThrift(d)
	panic("no")
}

// TestGoPanicsWhenSentAgain: what panics in the client's goroutine ends the call, not the process.
func TestGoPanicsWhenSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("a").become(func(x asked) rpc.Reply {
			if x.Retry == 0 {
				return refuses(&rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted, Advice: rpc.AdviceRetry})
			}
			return says("done")
		})
		client := w.client("tcp://a:1")
		defer w.close(client)
		p := client.Go(context.Background(), echo, &text{"x"}, new(panics))
		if err := p.Wait(context.Background()); rpc.CodeOf(err) != rpc.Internal {
			t.Errorf("got %v", err)
		}
	})
}

// BenchmarkGo is calls in flight 100 at a time from one goroutine.
func BenchmarkGo(b *testing.B) {
	ctx := context.Background()
	c, err := Dial(ctx, echoServer(b), WithKeepalive(0, 0))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	args := &text{string(make([]byte, 1000))}
	results := make([]text, 100)
	pending := make([]rpc.Pending, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i % 100
		if pending[at] != nil {
			if err := pending[at].Wait(ctx); err != nil {
				b.Fatal(err)
			}
		}
		pending[at] = c.Go(ctx, echo, args, &results[at])
	}
}
