package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// TestFailoverStorm: a thousand calls that find the server turned standby make one move, and all succeed.
func TestFailoverStorm(t *testing.T) {
	for _, how := range []string{"standby", "killed"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				a, b, c := w.add("a"), w.add("b"), w.add("c")
				client := w.client("tcp://a:1,tcp://b:1,tcp://c:1")
				defer w.close(client)
				const calls = 1000
				gate := make(chan struct{})
				a.become(func(x asked) rpc.Reply {
					select {
					case <-gate:
						return refuses(rpc.Standby("a is a standby"))
					case <-x.ctx.Done():
						return says("lost")
					}
				})
				m := like(rpc.RetryIdempotent)
				var wg sync.WaitGroup
				var good atomic.Int64
				for range calls {
					wg.Go(func() {
						if s, err := ask(client, m, "x"); err == nil && s == "b" {
							good.Add(1)
						} else {
							t.Errorf("%q, %v", s, err)
						}
					})
				}
				synctest.Wait() // all are at a
				if n, _, _ := a.counts(); n != calls {
					t.Errorf("%d calls at a", n)
				}
				began := time.Now()
				if how == "standby" {
					close(gate)
				} else {
					a.kill()
				}
				wg.Wait()
				if good.Load() != calls || time.Since(began) != 0 {
					t.Errorf("%d good calls after %v; the first failover is immediate", good.Load(), time.Since(began))
				}
				if n, _, _ := b.counts(); n != calls {
					t.Errorf("%d calls at b", n)
				}
				if n, dials, _ := c.counts(); n != 0 || dials != 0 {
					t.Errorf("%d calls at c, %d connections: the client moved twice", n, dials)
				}
				client.mu.Lock()
				generation := client.rotation.generation
				client.mu.Unlock()
				if generation != 2 { // 1 is the first server's
					t.Errorf("generation %d", generation)
				}
			})
		})
	}
}

// TestFailoverComesBack: with two servers that swap roles calls find the active one, pausing as Hadoop's clients do.
func TestFailoverPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a, b := w.add("a"), w.add("b")
		client := w.client("tcp://a:1,tcp://b:1", WithFailover(FailoverPolicy{Max: 15,
			Backoff: Backoff{Base: 500 * time.Millisecond, Factor: 2, Max: 15 * time.Second}}))
		defer w.close(client)
		standby := func(asked) rpc.Reply { return refuses(rpc.Standby("not me")) }
		a.become(standby)
		b.become(standby)
		time.AfterFunc(3*time.Second, func() { a.become(func(asked) rpc.Reply { return says("a again") }) })
		began := time.Now()
		s, err := ask(client, like(rpc.RetryUnset), "x") // a standby answer is safe for any method
		if s != "a again" || err != nil {
			t.Errorf("%q, %v", s, err)
		}
		// a, at once b, after 0.5 s a, after 1 s b, after 2 s a.
		if d := time.Since(began); d != 3500*time.Millisecond {
			t.Errorf("took %v", d)
		}
		an, _, _ := a.counts()
		bn, _, _ := b.counts()
		if an != 3 || bn != 2 {
			t.Errorf("%d attempts at a, %d at b", an, bn)
		}
	})
}

func TestFailoverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		for _, name := range []string{"a", "b"} {
			w.add(name).become(func(asked) rpc.Reply { return refuses(rpc.Standby(name + " is a standby")) })
		}
		client := w.client("tcp://a:1,tcp://b:1", WithFailover(FailoverPolicy{Max: 3, Backoff: DefaultFailover.Backoff}))
		defer w.close(client)
		_, err := ask(client, echo, "x")
		wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "b is a standby (after 4 attempts)")

		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err = askCtx(ctx, client, echo, "x")
		wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "standby (after 2 attempts)") // the next pause is too long
		if d := time.Since(began); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

// TestFailoverDown: a server that cannot be reached is passed over, when the client begins and later.
func TestFailoverDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a, b := w.add("a"), w.add("b")
		a.kill()
		client := w.client("tcp://a:1,tcp://b:1")
		defer w.close(client)
		if s, err := ask(client, echo, "x"); s != "b" || err != nil {
			t.Errorf("%q, %v", s, err)
		}
		a.start()
		b.kill()
		synctest.Wait()
		time.Sleep(time.Minute) // the pauses between attempts to reach a are long over
		if s, err := ask(client, echo, "x"); s != "a" || err != nil {
			t.Errorf("%q, %v", s, err)
		}
		a.kill()
		synctest.Wait()
		_, err := Dial(context.Background(), "tcp://a:1,tcp://b:1", WithDialer(w.dial))
		wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "connection refused")
	})
}

// TestFailoverNewProcess: failures of the process before do not move the client from the one that answers now.
func TestFailoverNewProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.add("a")
		w.add("b")
		client := w.client("tcp://a:1,tcp://b:1")
		defer w.close(client)
		if _, err := ask(client, echo, "x"); err != nil {
			t.Fatal(err)
		}
		k := &call{method: echo, bounds: patience{ctx: context.Background()}}
		if _, err := client.pick(k, false); err != nil {
			t.Fatal(err)
		}
		before := k.generation
		a.kill()
		a.start()
		synctest.Wait()
		time.Sleep(time.Second)
		client.moveOn(k) // late news of the old process
		if s, err := ask(client, echo, "x"); s != "a" || err != nil {
			t.Errorf("%q, %v", s, err)
		}
		if g := client.turn.Load().generation; g != before+1 {
			t.Errorf("generation %d after %d", g, before)
		}
	})
}

func TestRetryBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.add("a")
		client := w.client("tcp://a:1", WithRetry(RetryPolicy{Attempts: 4, Backoff: Backoff{Base: 10 * time.Millisecond, Factor: 2, Max: time.Second}, Ratio: 0.2, Floor: 10}))
		defer w.close(client)
		var seen []uint32
		a.become(func(x asked) rpc.Reply {
			seen = append(seen, x.Retry)
			if len(seen) < 3 {
				return refuses(rpc.Busy("full"))
			}
			return says("at last")
		})
		began := time.Now()
		s, err := ask(client, echo, "x")
		if s != "at last" || err != nil || time.Since(began) != 30*time.Millisecond {
			t.Errorf("%q, %v after %v", s, err, time.Since(began))
		}
		if fmt.Sprint(seen) != "[0 1 2]" {
			t.Errorf("retry counts %v", seen)
		}
		a.become(func(asked) rpc.Reply { return refuses(rpc.Busy("full")) })
		_, err = ask(client, echo, "x")
		wantError(t, err, rpc.ResourceExhausted, rpc.NotExecuted, "full (after 4 attempts)")
		n, _, _ := a.counts()
		if _, err = ask(client, like(rpc.RetryNever), "x"); failed(t, err).Message != "full" {
			t.Errorf("never: %v", err)
		}
		if m, _, _ := a.counts(); m != n+1 {
			t.Errorf("never means %d attempts", m-n)
		}
	})
}

// TestRetryNumbers: attempts at an at-most-once call have the same number and rising retry counts.
func TestRetryNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.add("a")
		client := w.client("tcp://a:1", WithWaitForReady())
		defer w.close(client)
		type attempt struct {
			number uint64
			retry  uint32
		}
		var seen []attempt
		a.become(func(x asked) rpc.Reply {
			seen = append(seen, attempt{x.Number, x.Retry})
			if x.Retry < 2 {
				a.kill()
				a.start()
			}
			return says("done")
		})
		for range 2 {
			if s, err := ask(client, like(rpc.RetryAtMostOnce), "x"); s != "done" || err != nil {
				t.Errorf("%q, %v", s, err)
			}
		}
		if fmt.Sprint(seen) != "[{1 0} {1 1} {1 2} {2 0} {2 1} {2 2}]" {
			t.Errorf("%v", seen)
		}
		seen = nil
		_, err := ask(client, echo, "x") // not marked, and maybe executed
		wantError(t, err, rpc.Unavailable, rpc.MaybeExecuted, "closed by the server")
		if fmt.Sprint(seen) != "[{0 0}]" {
			t.Errorf("%v", seen)
		}
	})
}

// TestNumbersOutliveProcess: two clients that have had the same id one after the other have not used a number twice, and
// the later one's are higher, even if the earlier one has made a call in each microsecond of its life.
func TestNumbersOutliveProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		var last uint64
		w.add("a").become(func(x asked) rpc.Reply {
			if x.Number <= last {
				t.Errorf("number %d after %d", x.Number, last)
			}
			last = x.Number
			return says("done")
		})
		for range 3 {
			client := w.client("tcp://a:1", WithClientID(rpc.ClientID{7}))
			for range 1000 {
				if s, err := ask(client, like(rpc.RetryAtMostOnce), "x"); s != "done" || err != nil {
					t.Errorf("%q, %v", s, err)
				}
			}
			client.Close()
			time.Sleep(time.Millisecond)
		}
		for _, h := range w.servers {
			h.kill()
			h.wg.Wait()
		}
	})
}

// TestRetryStaysWhereItMust: an at-most-once call that may have been executed by one of several equal servers asks that one
// again, and fails if it is gone; any other call goes elsewhere.
func TestRetryStaysWhereItMust(t *testing.T) {
	for _, tt := range []struct {
		name   string
		retry  rpc.Retry
		start  bool // again after it was killed
		remove bool // from the list
		want   string
	}{
		{"at most once", rpc.RetryAtMostOnce, true, false, "a 1"},
		{"at most once, down", rpc.RetryAtMostOnce, false, false, "connection refused"},
		{"at most once, removed", rpc.RetryAtMostOnce, true, true, "no longer among the servers"},
		{"idempotent", rpc.RetryIdempotent, true, false, "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				a := w.add("a")
				w.add("b")
				n := &news{now: []string{"tcp://a:1", "tcp://b:1"}, lists: make(chan []string)}
				client, err := DialResolver(context.Background(), n, WithDialer(w.dial), WithBalancer(RoundRobin))
				if err != nil {
					t.Fatal(err)
				}
				defer w.close(client)
				synctest.Wait()
				a.become(func(x asked) rpc.Reply {
					if x.Retry > 0 {
						return says(fmt.Sprint("a ", x.Retry))
					}
					if tt.remove {
						n.lists <- []string{"tcp://b:1"}
					}
					a.kill()
					if tt.start {
						a.start()
					}
					return says("lost")
				})
				client.made.Store(1) // so that a comes first
				got, err := ask(client, like(tt.retry), "x")
				if err != nil {
					got = err.Error()
					if e := failed(t, err); e.Execution != rpc.MaybeExecuted {
						t.Errorf("%v", err)
					}
				}
				if !strings.Contains(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestRetryBudget: when a server answers nothing but busy, it gets no more than the calls, their share and the floor.
func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.add("a")
		client := w.client("tcp://a:1")
		defer w.close(client)
		a.become(func(asked) rpc.Reply { return refuses(rpc.Busy("full")) })
		const calls, seconds = 100, 60 // each second
		var wg sync.WaitGroup
		broke := atomic.Int64{}
		for range seconds {
			for range calls {
				wg.Go(func() {
					_, err := ask(client, echo, "x")
					if strings.Contains(err.Error(), "the retry budget is spent") {
						broke.Add(1)
					}
				})
			}
			time.Sleep(time.Second)
		}
		wg.Wait()
		n, _, _ := a.counts()
		extra := n - calls*seconds
		// 20 a second by the share, 10 by the floor, and the purse that was full at first.
		if extra > 30*seconds+100+20*10 || extra < 30*seconds-60 {
			t.Errorf("%d calls came to %d, so %d repetitions", calls*seconds, n, extra)
		}
		if broke.Load() == 0 {
			t.Error("no error says that the budget is spent")
		}
	})
}

func TestRetryWithinDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.add("a")
		client := w.client("tcp://a:1", WithRetry(RetryPolicy{Attempts: 100, Backoff: Backoff{Base: time.Second, Factor: 1, Max: time.Second}, Ratio: 1, Floor: 10}))
		defer w.close(client)
		a.become(func(asked) rpc.Reply { return refuses(rpc.Busy("full")) })
		ctx, cancel := context.WithTimeout(context.Background(), 3500*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := askCtx(ctx, client, echo, "x")
		wantError(t, err, rpc.ResourceExhausted, rpc.NotExecuted, "full (after 4 attempts)")
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("took %v", d)
		}
		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(1500*time.Millisecond, cancel)
		_, err = askCtx(ctx, client, echo, "x")
		wantError(t, err, rpc.Canceled, rpc.NotExecuted, "canceled during the wait for the next attempt; the last attempt: full (after 2 attempts)")

		done := make(chan error, 1)
		go func() { _, err := ask(client, echo, "x"); done <- err }()
		time.Sleep(500 * time.Millisecond)
		client.Close()
		wantError(t, <-done, rpc.Canceled, rpc.NotExecuted, "the client was closed")
	})
}

// TestRoundRobin: calls are spread evenly, also over what is left when a server is down.
func TestRoundRobin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a, b, c := w.add("a"), w.add("b"), w.add("c")
		client := w.client("tcp://a:1,tcp://b:1,tcp://c:1", WithBalancer(RoundRobin))
		defer w.close(client)
		synctest.Wait() // all are connected
		for range 30 {
			if _, err := ask(client, echo, "x"); err != nil {
				t.Fatal(err)
			}
		}
		b.kill()
		synctest.Wait()
		for range 30 {
			if _, err := ask(client, echo, "x"); err != nil {
				t.Fatal(err)
			}
		}
		for name, h := range map[string]*house{"a": a, "c": c} {
			if n, _, _ := h.counts(); n != 25 {
				t.Errorf("%d calls at %s, want 25", n, name)
			}
		}
		if n, _, _ := b.counts(); n != 10 {
			t.Errorf("%d calls at b, want 10", n)
		}
		a.kill()
		c.kill()
		synctest.Wait()
		_, err := ask(client, echo, "x")
		wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "connection refused (next attempt in")
	})
}

// TestLeastPending: a server ten times slower gets fewer calls, and none fails.
func TestLeastPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		houses := map[string]*house{}
		for name, takes := range map[string]time.Duration{"a": 10, "b": 10, "slow": 100} {
			h := w.add(name)
			h.become(func(asked) rpc.Reply { time.Sleep(takes * time.Millisecond); return says(name) })
			houses[name] = h
		}
		client := w.client("tcp://a:1,tcp://b:1,tcp://slow:1", WithBalancer(LeastPending))
		defer w.close(client)
		synctest.Wait()
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				for range 100 {
					if _, err := ask(client, echo, "x"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		slow, _, _ := houses["slow"].counts()
		if slow > 3000/5 || slow == 0 {
			t.Errorf("%d of 3000 calls went to the slow server, a third would be without regard to load", slow)
		}
	})
}

// TestOutlier: a server that is up but answers rubbish gets no calls for a while, then another chance.
func TestOutlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("a")
		w.add("b")
		bad := w.add("bad")
		bad.become(func(asked) rpc.Reply { return refuses(rpc.NewError(rpc.Internal, "broken")) })
		client := w.client("tcp://a:1,tcp://b:1,tcp://bad:1", WithBalancer(RoundRobin),
			WithEjection(Ejection{Local: 5, Remote: 5, Base: 30 * time.Second, Max: time.Minute, Share: 0.5, Panic: 0.5}))
		defer w.close(client)
		synctest.Wait()
		errs := 0
		run := func() {
			for range 300 {
				if _, err := ask(client, echo, "x"); err != nil {
					errs++
				}
			}
		}
		run()
		if n, _, _ := bad.counts(); n != 5 || errs != 5 {
			t.Errorf("%d calls, %d errors before it was ejected", n, errs)
		}
		time.Sleep(30 * time.Second)
		run()
		if n, _, _ := bad.counts(); n != 10 {
			t.Errorf("%d calls with the second chance", n)
		}
		bad.become(func(asked) rpc.Reply { return says("healed") })
		time.Sleep(60 * time.Second) // twice as long as before
		run()
		if n, _, _ := bad.counts(); n != 110 {
			t.Errorf("%d calls after it healed, want 10 + 100", n)
		}
	})
}

// TestOutlierCap: when most servers fail, at most the share is ejected, and the others go on getting calls.
func TestOutlierCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		var addresses []string
		for i := range 6 {
			name := fmt.Sprint("s", i)
			w.add(name).become(func(asked) rpc.Reply { return refuses(rpc.NewError(rpc.Internal, "broken")) })
			addresses = append(addresses, "tcp://"+name+":1")
		}
		client := w.client(strings.Join(addresses, ","), WithBalancer(RoundRobin))
		defer w.close(client)
		synctest.Wait()
		for range 600 {
			ask(client, echo, "x")
		}
		out := 0
		client.mu.Lock()
		for _, s := range client.servers {
			if s.record.out {
				out++
			}
		}
		client.mu.Unlock()
		if f := client.fleet.Load(); out != 3 || len(f.usable) != 3 || f.panics {
			t.Errorf("%d of 6 ejected, %d usable, panics %v", out, len(f.usable), f.panics)
		}
		w.servers[strings.TrimPrefix(client.fleet.Load().usable[0].address, "tcp://")].kill()
		time.Sleep(2 * helmWatch) // after calls one by one it may take that long to notice
		synctest.Wait()
		if f := client.fleet.Load(); len(f.usable) != 5 || !f.panics {
			t.Errorf("with 2 of 6 good: %d usable, panics %v", len(f.usable), f.panics)
		}
	})
}

// TestLostConnectionsAreOneFailure: however many calls were on them.
func TestLostConnectionsAreOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a, b := w.add("a"), w.add("b")
		a.become(after(time.Hour, "a"))
		b.become(after(time.Hour, "b"))
		client := w.client("tcp://a:1,tcp://b:1", WithBalancer(RoundRobin))
		defer w.close(client)
		for i := range 5 {
			synctest.Wait()
			time.Sleep(10 * time.Second) // so that both are connected
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { ask(client, echo, "x") })
			}
			synctest.Wait()
			if f := client.fleet.Load(); len(f.usable) != 2 {
				t.Fatalf("after %d losses %d servers are usable", i, len(f.usable))
			}
			a.kill()
			a.start()
			b.kill()
			b.start()
			wg.Wait()
		}
		time.Sleep(10 * time.Second)
		if f := client.fleet.Load(); len(f.usable) != 1 { // the fifth in a row, and one of two is the share
			t.Errorf("%d servers are usable", len(f.usable))
		}
	})
}

// news is a resolver whose list a test changes.
type news struct {
	now   []string
	lists chan []string
	err   chan error
}

func (n *news) Resolve(context.Context) ([]string, error) { return n.now, nil }

func (n *news) Watch(ctx context.Context, update func([]string)) error {
	for {
		select {
		case list := <-n.lists:
			update(list)
		case err := <-n.err:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// TestResolverUnderLoad changes the list again and again while calls run: none fails, with any balancer and any method.
func TestResolverUnderLoad(t *testing.T) {
	for _, b := range []Balancer{FailoverOrder, RoundRobin, LeastPending} {
		for _, r := range []rpc.Retry{rpc.RetryUnset, rpc.RetryNever} {
			t.Run(fmt.Sprint(b, " ", r), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTown(t)
					var all []string
					for _, name := range []string{"a", "b", "c", "d"} {
						w.add(name).become(func(asked) rpc.Reply { time.Sleep(3 * time.Millisecond); return says(name) })
						all = append(all, "tcp://"+name+":1")
					}
					n := &news{now: all[:2], lists: make(chan []string), err: make(chan error)}
					client, err := DialResolver(context.Background(), n, WithDialer(w.dial), WithBalancer(b))
					if err != nil {
						t.Fatal(err)
					}
					defer w.close(client)
					stop := make(chan struct{})
					var wg sync.WaitGroup
					var calls atomic.Int64
					m := like(r)
					for range 20 {
						wg.Go(func() {
							for {
								select {
								case <-stop:
									return
								default:
								}
								if s, err := ask(client, m, "x"); err != nil {
									t.Errorf("%q, %v", s, err)
									return
								}
								calls.Add(1)
							}
						})
					}
					for i := range 200 {
						time.Sleep(time.Millisecond)
						n.lists <- [][]string{all[:2], all[2:], all[1:3], all, all[3:], nil, {"rubbish"}}[i%7]
					}
					n.err <- errors.New("the registry is down") // and the last list stays
					for range 50 {
						time.Sleep(time.Millisecond)
					}
					close(stop)
					wg.Wait()
					if calls.Load() < 1000 {
						t.Errorf("only %d calls", calls.Load())
					}
				})
			})
		}
	}
}

func TestDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := []string{"10.0.0.2", "10.0.0.1", "::1", "10.0.0.2"}
		var fail error
		d := DNS{Address: "tcp://db:70", Interval: time.Minute, LookupHost: func(_ context.Context, host string) ([]string, error) {
			if host != "db" {
				t.Errorf("looked up %q", host)
			}
			return hosts, fail
		}}
		list, err := d.Resolve(context.Background())
		if fmt.Sprint(list) != "[tcp://10.0.0.1:70 tcp://10.0.0.2:70 tcp://[::1]:70]" || err != nil {
			t.Errorf("%v, %v", list, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		began := time.Now()
		err = d.Watch(ctx, func(list []string) {
			if time.Since(began)%time.Minute != 0 || len(list) != 3 {
				t.Errorf("%v after %v", list, time.Since(began))
			}
			if time.Since(began) == 3*time.Minute {
				fail = errors.New("no name server")
			}
		})
		if err != fail || time.Since(began) != 4*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		fail = nil
		d.Address = "tls://db:70"
		list, err = d.Resolve(ctx)
		if fmt.Sprint(list) != "[tls://10.0.0.1:70 tls://10.0.0.2:70 tls://[::1]:70]" || err != nil {
			t.Errorf("with TLS: %v, %v", list, err)
		}
		fail = errors.New("no name server")
		d.Address = "tcp://db:70"
		for _, bad := range []string{"db:70", "unix:///x"} {
			if _, err := (DNS{Address: bad}).Resolve(ctx); err == nil {
				t.Errorf("%s was accepted", bad)
			}
		}
		_, err = DialResolver(ctx, d)
		wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "finding the servers: no name server")
	})
}
