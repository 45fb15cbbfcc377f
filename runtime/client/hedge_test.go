package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// after answers with text once d has passed, or when the call is canceled.
func after(d time.Duration, text string) func(asked) rpc.Reply {
	return func(x asked) rpc.Reply {
		select {
		case <-time.After(d):
		case <-x.ctx.Done():
		}
		return says(text)
	}
}

func TestHedge(t *testing.T) {
	idem := like(rpc.RetryIdempotent)
	second := time.Second
	busy := func(asked) rpc.Reply { time.Sleep(second); return refuses(rpc.Busy("full")) }
	broken := func(asked) rpc.Reply { time.Sleep(second); return refuses(rpc.NewError(rpc.NotFound, "no such thing")) }
	for _, tt := range []struct {
		name     string
		m        *rpc.Method
		a, b     func(asked) rpc.Reply
		timeout  time.Duration
		want     string // a text, or an error's code
		took     time.Duration
		atB      int // calls
		canceled int // at both
	}{
		{"quick enough", idem, after(50*time.Millisecond, "a"), after(0, "b"), 0, "a", 50 * time.Millisecond, 0, 0},
		{"second wins", idem, after(time.Hour, "a"), after(0, "b"), 0, "b", 100 * time.Millisecond, 1, 1},
		{"first wins after all", idem, after(150*time.Millisecond, "a"), after(time.Hour, "b"), 0, "a", 150 * time.Millisecond, 1, 1},
		{"not idempotent", echo, after(second, "a"), after(0, "b"), 0, "a", second, 0, 0},
		{"at most once", like(rpc.RetryAtMostOnce), after(second, "a"), after(0, "b"), 0, "a", second, 0, 0},
		{"first fails, second goes on", idem, busy, after(2*second, "b"), 0, "b", 2*second + 100*time.Millisecond, 2, 1},
		{"an error that decides", idem, broken, after(time.Hour, "b"), 0, "not_found", second, 2, 2},
		{"deadline", idem, after(time.Hour, "a"), after(time.Hour, "b"), 3 * second, "deadline_exceeded", 3 * second, 2, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				a, b := w.add("a"), w.add("b")
				a.become(tt.a)
				b.become(tt.b)
				// Two further attempts at most, neither of them at a.
				client := w.client("tcp://a:1,tcp://b:1", WithBalancer(RoundRobin), WithTimeout(tt.timeout),
					WithHedging(Hedging{Delay: 100 * time.Millisecond, Extra: 2}))
				defer w.close(client)
				synctest.Wait()
				client.made.Store(1) // so that a comes first
				began := time.Now()
				got, err := ask(client, tt.m, "x")
				if err != nil {
					got = rpc.CodeOf(err).String()
				}
				if got != tt.want || time.Since(began) != tt.took {
					t.Errorf("%s (%v) after %v, want %s after %v", got, err, time.Since(began), tt.want, tt.took)
				}
				synctest.Wait()
				an, _, ac := a.counts()
				bn, _, bc := b.counts()
				if bn != tt.atB || ac+bc != tt.canceled {
					t.Errorf("%d calls at a, %d at b; %d canceled; want %d at b and %d canceled", an, bn, ac+bc, tt.atB, tt.canceled)
				}
				for s := range client.servers {
					if n := client.servers[s].pending(); n != 0 {
						t.Errorf("%d calls left in a table", n)
					}
				}
			})
		})
	}
}

// TestHedgeExecution: the error of a hedged call says what any of its attempts may have done, not only the one that
// decided.
func TestHedgeExecution(t *testing.T) {
	const ms = time.Millisecond
	refuse := func(code rpc.Code, x rpc.Execution, a rpc.Advice) rpc.Reply {
		return refuses(&rpc.Error{Code: code, Execution: x, Advice: a})
	}
	lost := rpc.Reply{} // the connection breaks
	hangs := says("late")
	busy, unknown := refuse(rpc.ResourceExhausted, rpc.NotExecuted, rpc.AdviceRetry), refuse(rpc.Unimplemented, rpc.NotExecuted, 0)
	for _, tt := range []struct {
		name string
		a, b rpc.Reply // after 200 ms, and 300 ms from the start
		want string
	}{
		{"neither", busy, busy, "resource_exhausted not executed"},
		{"the first may have been", lost, busy, "resource_exhausted maybe executed"},
		{"the first was, and it passes", rpc.Reply{Result: &opinion{passing: "no"}}, busy, "resource_exhausted executed"},
		{"the first is under way", hangs, unknown, "unimplemented maybe executed"},
		{"the second may have been", busy, lost, "unavailable maybe executed"},
		{"the first was, the second may have been", refuse(rpc.Aborted, rpc.Executed, rpc.AdviceRetry), lost, "unavailable executed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			a, b := w.add("a"), w.add("b")
			for h, r := range map[*house]rpc.Reply{a: tt.a, b: tt.b} {
				h.become(func(x asked) rpc.Reply {
					if r == hangs {
						<-x.ctx.Done()
						return r
					}
					time.Sleep(200 * ms)
					if r == lost {
						h.kill()
						h.start()
					}
					return r
				})
			}
			client := w.client("tcp://a:1,tcp://b:1", WithBalancer(RoundRobin), WithHedging(Hedging{Delay: 100 * ms, Extra: 1}),
				WithRetry(RetryPolicy{Attempts: 1, Backoff: DefaultRetry.Backoff, Floor: 10}))
			defer w.close(client)
			synctest.Wait()
			client.made.Store(1) // so that a comes first
			var r opinion
			err := client.Call(context.Background(), like(rpc.RetryIdempotent), &text{"x"}, &r)
			if got := told(&r, err); got != tt.want {
				t.Errorf("%s: %s (%v), want %s", tt.name, got, err, tt.want)
			}

			// Calls that use the slots again know nothing of this.
			synctest.Wait()
			for _, h := range []*house{a, b} {
				h.become(func(asked) rpc.Reply { time.Sleep(200 * ms); return busy })
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					_, err := ask(client, echo, "x")
					wantError(t, err, rpc.ResourceExhausted, rpc.NotExecuted, "")
				})
			}
			wg.Wait()
		})
	}
}

// TestHedgesAreNotTooEager: a second attempt that is asked for at once is made after two milliseconds, which a server
// relies on; see its TestHedgesAreNoFlood.
func TestHedgesAreNotTooEager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("a").become(after(time.Hour, "a"))
		w.add("b").become(after(0, "b"))
		client := w.client("tcp://a:1,tcp://b:1", WithBalancer(RoundRobin), WithHedging(Hedging{Delay: 1, Extra: 1}))
		defer w.close(client)
		synctest.Wait()
		client.made.Store(1) // so that a comes first
		began := time.Now()
		if got, err := ask(client, like(rpc.RetryIdempotent), "x"); got != "b" || err != nil || time.Since(began) != 2*time.Millisecond {
			t.Errorf("%q, %v after %v", got, err, time.Since(began))
		}
	})
}

// TestHedgeBudget: where everything is slow, hedging ends by itself.
func TestHedgeBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a, b := w.add("a"), w.add("b")
		a.become(after(time.Second, "a"))
		b.become(after(time.Second, "b"))
		client := w.client("tcp://a:1,tcp://b:1", WithBalancer(LeastPending), WithHedging(Hedging{Delay: 10 * time.Millisecond, Extra: 1}))
		defer w.close(client)
		synctest.Wait()
		var wg sync.WaitGroup
		for range 5000 {
			wg.Go(func() {
				if _, err := ask(client, like(rpc.RetryIdempotent), "x"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		an, _, _ := a.counts()
		bn, _, _ := b.counts()
		if extra := an + bn - 5000; extra != 1100 { // a fifth, and the floor's 100
			t.Errorf("%d extra attempts", extra)
		}
	})
}

func TestHedgePercentile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a, b := w.add("a"), w.add("b")
		a.become(after(10*time.Millisecond, "a"))
		b.become(after(10*time.Millisecond, "b"))
		client := w.client("tcp://a:1,tcp://b:1", WithBalancer(RoundRobin), WithHedging(Hedging{Percentile: 0.9, Extra: 1}))
		defer w.close(client)
		synctest.Wait()
		m := like(rpc.RetryIdempotent)
		for range fewCalls {
			if _, err := ask(client, m, "x"); err != nil {
				t.Fatal(err)
			}
		}
		a.become(after(time.Hour, "a"))
		b.become(after(10*time.Millisecond, "b"))
		for range 2 { // one of them begins at a
			began := time.Now()
			s, err := ask(client, m, "x")
			if d := time.Since(began); s != "b" || err != nil || d > 22*time.Millisecond {
				t.Errorf("%q, %v after %v", s, err, d)
			}
		}
	})
}

func TestInterceptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.add("a")
		var seen []string
		note := func(name string) rpc.ClientInterceptor {
			return func(next rpc.ClientHandler) rpc.ClientHandler {
				return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
					seen = append(seen, name)
					err := next(rpc.WithMetadata(ctx, "by", name), m, args, result)
					seen = append(seen, fmt.Sprint(name, " ", err))
					return err
				}
			}
		}
		client := w.client("tcp://a:1", WithInterceptors(note("1")), WithInterceptors(note("2")))
		defer w.close(client)
		busy := true
		a.become(func(x asked) rpc.Reply {
			if busy {
				busy = false
				return refuses(rpc.Busy("full"))
			}
			md := rpc.DecodeMetadata(x.Metadata)
			return says(fmt.Sprint(md.Values("by")))
		})
		if s, err := ask(client, echo, "x"); s != "[1 2]" || err != nil {
			t.Errorf("%q, %v", s, err)
		}
		if fmt.Sprint(seen) != "[1 2 2 <nil> 1 <nil>]" { // once each, though the call was sent twice
			t.Errorf("%q", seen)
		}
		var r text
		args := &text{"x"}
		p := client.Go(context.Background(), echo, args, &r)
		args.s = "changed" // it is ours again
		if err := p.Wait(context.Background()); err != nil || r.s != "[1 2]" {
			t.Errorf("Go: %q, %v", r.s, err)
		}
		<-p.Done()
		a.become(after(time.Hour, ""))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p = client.Go(ctx, echo, args, &r)
		wantError(t, p.Wait(context.Background()), rpc.DeadlineExceeded, rpc.MaybeExecuted, "the reply")
	})
}

// TestInterceptorsAndGo: whatever an interceptor does, Go returns and the arguments are not read afterwards.
func TestInterceptorsAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("a").become(func(x asked) rpc.Reply { return says(x.text) })
		refused := errors.New("not today")
		mode := ""
		client := w.client("tcp://a:1", WithInterceptors(func(next rpc.ClientHandler) rpc.ClientHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
				switch mode {
				case "refuse":
					return refused
				case "twice":
					next(ctx, m, args, result)
				}
				return next(ctx, m, args, result)
			}
		}))
		defer w.close(client)
		var r text
		mode = "refuse"
		if err := client.Go(context.Background(), echo, &text{"x"}, &r).Wait(context.Background()); err != refused {
			t.Errorf("%v", err)
		}
		mode = "twice"
		err := client.Go(context.Background(), echo, &text{"x"}, &r).Wait(context.Background())
		wantError(t, err, rpc.FailedPrecondition, rpc.NotExecuted, "cannot be sent twice")
		if s, err := ask(client, echo, "y"); s != "y" || err != nil {
			t.Errorf("Call: %q, %v", s, err)
		}
		mode = ""
		p := client.Go(context.Background(), note, &text{"x"}, nil)
		if err := p.Wait(context.Background()); err != nil {
			t.Errorf("oneway: %v", err)
		}
	})
}

func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("a").become(func(x asked) rpc.Reply {
			tc, _ := rpc.ParseTraceContext(x.Trace)
			return says(tc.String())
		})
		client := w.client("tcp://a:1")
		defer w.close(client)
		tc := rpc.TraceContext{TraceID: [16]byte{1}, SpanID: [8]byte{2}, Flags: 1}
		for _, tt := range []struct {
			ctx  context.Context
			want string
		}{
			{rpc.WithTrace(context.Background(), tc), tc.String()},
			{context.Background(), ""},
			{(&rpc.Call{Trace: rpc.AppendTraceContext(nil, tc)}).Context(), tc.String()}, // a handler's
		} {
			if s, err := askCtx(tt.ctx, client, echo, "x"); s != tt.want || err != nil {
				t.Errorf("%q, %v, want %q", s, err, tt.want)
			}
		}
	})
}

// TestMetadata sends metadata both ways, with calls that succeed and that fail, synchronous and not.
func TestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect()
		defer c.Close()
		var reply rpc.Metadata
		ctx := rpc.WithReplyMetadata(rpc.WithMetadata(context.Background(), "k", "v"), &reply)
		for _, fails := range []bool{false, true} {
			for _, async := range []bool{false, true} {
				var r text
				var err error
				done := make(chan struct{})
				go func() {
					defer close(done)
					if async {
						err = c.Go(ctx, echo, &text{"x"}, &r).Wait(ctx)
					} else {
						err = c.Call(ctx, echo, &text{"x"}, &r)
					}
				}()
				h, payload, _ := s.next()
				if fails {
					s.write(withMetadata(h.Stream, rpc.Reply{Err: rpc.NewError(rpc.NotFound, "nothing")}))
				} else {
					s.write(withMetadata(h.Stream, says("y")))
				}
				<-done
				if fails != (err != nil) {
					t.Errorf("%v", err)
				}
				if v, ok := reply.Get("from"); v != "server" || !ok {
					t.Errorf("reply metadata %q, %v", v, ok)
				}
				if len(payload) == 0 || reply.Len() != 1 {
					t.Errorf("%d pairs", reply.Len())
				}
				reply = rpc.Metadata{}
			}
		}
		_, err := askCtx(rpc.WithMetadata(ctx, "Bad Key", "v"), c, echo, "x")
		wantError(t, err, rpc.InvalidArgument, rpc.NotExecuted, "a character in a key")
		if failed(t, err).Method != "Echo.echo" {
			t.Errorf("%v", err)
		}
		wantError(t, c.Go(rpc.WithMetadata(ctx, "", "v"), echo, &text{}, &text{}).Wait(ctx), rpc.InvalidArgument, rpc.NotExecuted, "an empty key")
	})
}

// TestWhereTheTimeWent checks the stages of deadline errors.
func TestWhereTheTimeWent(t *testing.T) {
	second := time.Second
	t.Run("dial", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, err := Dial(context.Background(), "tcp://fake:1", WithLazyDial(), WithDialer(stuck))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx, cancel := context.WithTimeout(context.Background(), second)
			defer cancel()
			_, err = askCtx(ctx, c, echo, "x")
			if s := failed(t, err).Stages; s != (rpc.Stages{Dial: second}) {
				t.Errorf("%v: %v", err, s)
			}
		})
	})
	t.Run("wire", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			w.add("a").become(after(time.Hour, ""))
			c := w.client("tcp://a:1", WithTimeout(second))
			defer w.close(c)
			_, err := ask(c, echo, "x")
			if s := failed(t, err).Stages; s != (rpc.Stages{Wire: second}) {
				t.Errorf("%v: %v", err, s)
			}
		})
	})
	t.Run("queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes(t)
			c, s := p.connect() // which reads nothing any more
			defer c.Close()
			a := start(context.Background(), c, "first")
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), second)
			defer cancel()
			_, err := askCtx(ctx, c, echo, "x")
			if s := failed(t, err).Stages; s != (rpc.Stages{ClientQueue: second}) {
				t.Errorf("%v: %v", err, s)
			}
			s.nc.Close()
			<-a
		})
	})
	t.Run("pauses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			n := 0
			w.add("a").become(func(x asked) rpc.Reply {
				if n++; n == 1 {
					return refuses(rpc.Busy("full"))
				}
				<-x.ctx.Done()
				return says("")
			})
			c := w.client("tcp://a:1", WithRetry(RetryPolicy{Attempts: 2, Backoff: Backoff{Base: 300 * time.Millisecond, Factor: 1, Max: second}, Floor: 1}))
			defer w.close(c)
			ctx, cancel := context.WithTimeout(context.Background(), second)
			defer cancel()
			_, err := askCtx(ctx, c, echo, "x")
			if s := failed(t, err).Stages; s != (rpc.Stages{ClientQueue: 300 * time.Millisecond, Wire: 700 * time.Millisecond}) {
				t.Errorf("%v: %v", err, s)
			}
		})
	})
	t.Run("server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			w.add("a").become(func(asked) rpc.Reply {
				time.Sleep(800 * time.Millisecond)
				return refuses(&rpc.Error{Code: rpc.DeadlineExceeded, Message: "too late", Stages: rpc.Stages{ServerQueue: 500 * time.Millisecond, Handler: 200 * time.Millisecond}})
			})
			c := w.client("tcp://a:1", WithTimeout(second))
			defer w.close(c)
			_, err := ask(c, echo, "x")
			want := rpc.Stages{Wire: 100 * time.Millisecond, ServerQueue: 500 * time.Millisecond, Handler: 200 * time.Millisecond}
			if s := failed(t, err).Stages; s != want {
				t.Errorf("%v: %v", err, s)
			}
		})
	})
}
