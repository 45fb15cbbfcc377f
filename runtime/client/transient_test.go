package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// opinion is a result with a text, or with a transient or a permanent exception, as generated code has them.
type opinion struct{ success, passing, lasting string }

func (m *opinion) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	for id, s := range []string{m.success, m.passing, m.lasting} {
		if s != "" {
			e.StringField(int16(id), s)
		}
	}
	e.EndStruct(outer)
}

func (m *opinion) DecodeThrift(d *codec.Decoder) {
	*m = opinion{}
	fields := []*string{&m.success, &m.passing, &m.lasting}
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		*fields[f.ID] = d.String()
	}
	d.EndStruct(outer)
}

func (m *opinion) TransientFailure() bool { return m.passing != "" }

// script answers the first attempt with its first word, and so on; its last word holds for all that follow. A word may have
// a text behind a colon.
func script(h *house, words ...string) {
	h.become(func(x asked) rpc.Reply { return act(h, words[min(int(x.Retry), len(words)-1)]) })
}

func act(h *house, word string) rpc.Reply {
	word, text, _ := strings.Cut(word, ":")
	switch word {
	case "passing":
		return rpc.Reply{Result: &opinion{passing: text}}
	case "lasting":
		return rpc.Reply{Result: &opinion{lasting: text}}
	case "both": // which no server sends
		return rpc.Reply{Result: &opinion{success: text, passing: text}}
	case "busy":
		return refuses(rpc.Busy("full"))
	case "missing":
		return refuses(&rpc.Error{Code: rpc.NotFound, Message: "nothing there", Execution: rpc.Executed})
	case "crash":
		h.kill()
		h.start()
	}
	return rpc.Reply{Result: &opinion{success: text}}
}

// told describes how a call has ended.
func told(r *opinion, err error) string {
	if err == nil {
		return fmt.Sprintf("%s/%s/%s", r.success, r.passing, r.lasting)
	}
	e := err.(*rpc.Error)
	return fmt.Sprint(e.Code, " ", e.Execution)
}

// manners are the ways of making a call.
var manners = []struct {
	name  string
	async bool
	opts  []Option
}{
	{"Call", false, nil},
	{"Go", true, nil},
	{"Call, interceptors", false, []Option{WithInterceptors(passOn)}},
	{"Go, interceptors", true, []Option{WithInterceptors(passOn)}},
	{"Call, hedging", false, []Option{WithHedging(Hedging{Delay: time.Hour, Extra: 1})}},
	{"Go, hedging", true, []Option{WithHedging(Hedging{Delay: time.Hour, Extra: 1})}},
}

func judged(ctx context.Context, c *Client, async bool, m *rpc.Method, r *opinion) error {
	if async {
		return c.Go(ctx, m, &text{"x"}, r).Wait(context.Background())
	}
	return c.Call(ctx, m, &text{"x"}, r)
}

// TestTransientExceptions: which calls are made again, and what their callers get.
func TestTransientExceptions(t *testing.T) {
	idem := rpc.RetryIdempotent
	for _, tt := range []struct {
		name  string
		retry rpc.Retry
		words []string
		want  string
		calls int
	}{
		{"success", idem, []string{"ok:1"}, "1//", 1},
		{"passes", idem, []string{"passing:1", "passing:2", "ok:3"}, "3//", 3},
		{"does not pass", idem, []string{"passing:1", "passing:2", "passing:3", "passing:4", "ok:5"}, "/4/", 4},
		{"permanent", idem, []string{"lasting:1", "ok:2"}, "//1", 1},
		{"permanent, then", idem, []string{"passing:1", "lasting:2", "ok:3"}, "//2", 2},
		{"a result with it", idem, []string{"both:1", "ok:2"}, "2//", 2},
		{"refused, then", idem, []string{"passing:1", "missing", "ok:2"}, "not_found executed", 2},
		{"busy, then", idem, []string{"passing:1", "busy", "ok:2"}, "2//", 3},
		{"after busy", idem, []string{"busy", "busy", "busy", "passing:1", "ok:2"}, "/1/", 4},
		{"lost, then", idem, []string{"passing:1", "crash", "ok:2"}, "2//", 3},
		{"lost in the end", idem, []string{"passing:1", "crash"}, "unavailable executed", 4},
		{"at most once", rpc.RetryAtMostOnce, []string{"passing:1", "ok:2"}, "/1/", 1},
		{"at most once, after busy", rpc.RetryAtMostOnce, []string{"busy", "passing:1", "ok:2"}, "/1/", 2},
		{"unmarked", rpc.RetryUnset, []string{"passing:1", "ok:2"}, "/1/", 1},
		{"never", rpc.RetryNever, []string{"passing:1", "ok:2"}, "/1/", 1},
	} {
		for _, how := range manners {
			t.Run(tt.name+"/"+how.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTown(t)
					a := w.add("a")
					script(a, tt.words...)
					client := w.client("tcp://a:1", append(how.opts, WithWaitForReady())...)
					defer w.close(client)
					var r opinion
					err := judged(context.Background(), client, how.async, like(tt.retry), &r)
					if got := told(&r, err); got != tt.want {
						t.Errorf("got %s (%v), want %s", got, err, tt.want)
					}
					if calls, _, _ := a.counts(); calls != tt.calls {
						t.Errorf("%d attempts, want %d", calls, tt.calls)
					}
				})
			})
		}
	}
}

// TestTransientExceptionsUnseen: a result that says nothing is a result.
func TestTransientExceptionsUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.add("a")
		client := w.client("tcp://a:1")
		defer w.close(client)
		if s, err := ask(client, like(rpc.RetryIdempotent), "x"); s != "a" || err != nil {
			t.Errorf("%q, %v", s, err)
		}
		if calls, _, _ := a.counts(); calls != 1 {
			t.Errorf("%d attempts", calls)
		}
	})
}

// TestTransientExceptionsBounded: attempts end with the policy, the budget, the deadline, the context and the client, and the
// caller has the exception, unless another attempt was under way.
func TestTransientExceptionsBounded(t *testing.T) {
	const second = time.Second
	policy := RetryPolicy{Attempts: 4, Backoff: Backoff{Base: second, Factor: 1, Max: second}, Floor: 10}
	with := func(change func(*RetryPolicy)) Option {
		p := policy
		change(&p)
		return WithRetry(p)
	}
	hang := func(x asked) rpc.Reply {
		if x.Retry > 0 {
			<-x.ctx.Done()
		}
		return rpc.Reply{Result: &opinion{passing: "first"}}
	}
	for _, tt := range []struct {
		name   string
		option Option
		answer func(asked) rpc.Reply // nil: a transient exception, with the attempt's number
		cancel time.Duration         // 0: not
		close  time.Duration         // 0: not
		want   string
		took   time.Duration
		calls  int
	}{
		{"policy", with(func(p *RetryPolicy) {}), nil, 0, 0, "/3/", 3 * second, 4},
		{"no retries", with(func(p *RetryPolicy) { p.Attempts = 1 }), nil, 0, 0, "/0/", 0, 1},
		{"budget", with(func(p *RetryPolicy) { p.Floor = 0.2 }), nil, 0, 0, "/2/", 2 * second, 3},
		{"no budget", with(func(p *RetryPolicy) { p.Floor = 0 }), nil, 0, 0, "/0/", 0, 1},
		{"deadline before the second attempt", WithTimeout(second), nil, 0, 0, "/0/", 0, 1},
		{"deadline before the third", WithTimeout(2 * second), nil, 0, 0, "/1/", second, 2},
		{"deadline within the second", WithTimeout(2 * second), hang, 0, 0, "deadline_exceeded executed", 2 * second, 2},
		{"canceled in the pause", with(func(p *RetryPolicy) {}), nil, second / 2, 0, "/0/", second / 2, 1},
		{"canceled in the second attempt", with(func(p *RetryPolicy) {}), hang, 2 * second, 0, "canceled executed", 2 * second, 2},
		{"closed in the pause", with(func(p *RetryPolicy) {}), nil, 0, second / 2, "/0/", second / 2, 1},
		{"closed in the second attempt", with(func(p *RetryPolicy) {}), hang, 0, 2 * second, "canceled executed", 2 * second, 2},
	} {
		for _, how := range manners {
			t.Run(tt.name+"/"+how.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTown(t)
					a := w.add("a")
					a.become(tt.answer)
					if tt.answer == nil {
						a.become(func(x asked) rpc.Reply { return rpc.Reply{Result: &opinion{passing: fmt.Sprint(x.Retry)}} })
					}
					client := w.client("tcp://a:1", slices.Concat(how.opts, []Option{WithRetry(policy), tt.option})...)
					defer w.close(client)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					if tt.cancel > 0 {
						time.AfterFunc(tt.cancel, cancel)
					}
					if tt.close > 0 {
						time.AfterFunc(tt.close, func() { client.Close() })
					}
					began := time.Now()
					var r opinion
					err := judged(ctx, client, how.async, like(rpc.RetryIdempotent), &r)
					if got, took := told(&r, err), time.Since(began); got != tt.want || took != tt.took {
						t.Errorf("got %s (%v) after %v, want %s after %v", got, err, took, tt.want, tt.took)
					}
					if calls, _, _ := a.counts(); calls != tt.calls {
						t.Errorf("%d attempts, want %d", calls, tt.calls)
					}
				})
			})
		}
	}
}

// TestTransientExceptionsHedged: one decides nothing while another attempt is under way; if all attempts have met one, the
// call is made again.
func TestTransientExceptionsHedged(t *testing.T) {
	const ms = time.Millisecond
	later := func(d time.Duration, word string) func(*atomic.Int64, asked) rpc.Reply {
		return func(calls *atomic.Int64, x asked) rpc.Reply {
			if calls.Add(1) > 2 {
				return act(nil, "ok:again")
			}
			select {
			case <-time.After(d):
			case <-x.ctx.Done():
			}
			return act(nil, word)
		}
	}
	for _, tt := range []struct {
		name     string
		a, b     func(*atomic.Int64, asked) rpc.Reply // b is asked 100 ms after a
		timeout  time.Duration
		want     string
		attempts int
		took     time.Duration
	}{
		{"the hedge succeeds", later(200*ms, "passing:a"), later(300*ms, "ok:b"), 0, "b//", 2, 400 * ms},
		{"the first succeeds", later(300*ms, "ok:a"), later(50*ms, "passing:b"), 0, "a//", 2, 300 * ms},
		{"the hedge is permanent", later(200*ms, "passing:a"), later(300*ms, "lasting:b"), 0, "//b", 2, 400 * ms},
		{"the hedge is refused", later(200*ms, "passing:a"), later(300*ms, "missing"), 0, "not_found executed", 2, 400 * ms},
		{"before the hedge", later(50*ms, "passing:a"), later(0, "ok:b"), 0, "b//", 2, 60 * ms},
		{"both", later(200*ms, "passing:a"), later(300*ms, "passing:b"), 0, "again//", 3, 410 * ms},
		{"the hedge is busy", later(200*ms, "passing:a"), later(300*ms, "busy"), 0, "again//", 3, 410 * ms},
		{"no time for another", later(200*ms, "passing:a"), later(300*ms, "passing:b"), 405 * ms, "/b/", 2, 400 * ms},
		{"deadline", later(200*ms, "passing:a"), later(time.Hour, "ok:b"), 500 * ms, "deadline_exceeded executed", 2, 500 * ms},
	} {
		for _, async := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, "/async ", async), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTown(t)
					a, b := w.add("a"), w.add("b")
					var calls atomic.Int64
					a.become(func(x asked) rpc.Reply { return tt.a(&calls, x) })
					b.become(func(x asked) rpc.Reply { return tt.b(&calls, x) })
					var done []observe.ClientCallDone
					client := w.client("tcp://a:1,tcp://b:1", WithBalancer(RoundRobin), WithTimeout(tt.timeout),
						WithRetry(RetryPolicy{Attempts: 4, Backoff: Backoff{Base: 10 * ms, Factor: 1, Max: 10 * ms}, Floor: 10}),
						WithHedging(Hedging{Delay: 100 * ms, Extra: 1}),
						WithEvents(observe.Events{ClientCallDone: func(d observe.ClientCallDone) { done = append(done, d) }}))
					defer w.close(client)
					synctest.Wait()
					client.made.Store(1) // so that a comes first
					began := time.Now()
					var r opinion
					err := judged(context.Background(), client, async, like(rpc.RetryIdempotent), &r)
					if got, took := told(&r, err), time.Since(began); got != tt.want || took != tt.took {
						t.Errorf("got %s (%v) after %v, want %s after %v", got, err, took, tt.want, tt.took)
					}
					if len(done) != 1 || done[0].Attempts != tt.attempts || done[0].Err != err {
						t.Errorf("events %+v, want %d attempts", done, tt.attempts)
					}
				})
			})
		}
	}
}

// TestTransientExceptionsBlameNobody: a server that throws them does its work. It is neither ejected nor failed over from.
func TestTransientExceptionsBlameNobody(t *testing.T) {
	for _, tt := range []struct {
		balancer Balancer
		want     string // of each call
		a, b     int    // attempts
	}{
		{FailoverOrder, "/a/", 40, 0},
		{RoundRobin, "b//", 5, 10}, // each second call begins at a, and goes to b then
	} {
		for _, async := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				a, b := w.add("a"), w.add("b")
				script(a, "passing:a")
				script(b, "ok:b")
				client := w.client("tcp://a:1,tcp://b:1", WithBalancer(tt.balancer),
					WithEjection(Ejection{Local: 1, Remote: 1, Base: time.Hour, Max: time.Hour, Share: 1}))
				defer w.close(client)
				synctest.Wait()
				client.made.Store(1) // so that a comes first
				for range 10 {
					var r opinion
					if got := told(&r, judged(context.Background(), client, async, like(rpc.RetryIdempotent), &r)); got != tt.want {
						t.Errorf("balancer %d: %s, want %s", tt.balancer, got, tt.want)
					}
				}
				an, _, _ := a.counts()
				bn, _, _ := b.counts()
				if an != tt.a || bn != tt.b {
					t.Errorf("balancer %d: %d attempts at a and %d at b, want %d and %d", tt.balancer, an, bn, tt.a, tt.b)
				}
			})
		}
	}
}

// TestTransientExceptionsToldOf: interceptors and events know calls, not attempts, and an exception is no error to them.
func TestTransientExceptionsToldOf(t *testing.T) {
	for _, tt := range []struct {
		words []string
		want  string
		tries int
	}{
		{[]string{"passing:1", "passing:2", "ok:3"}, "3//", 3},
		{[]string{"passing:4"}, "/4/", 4},
	} {
		for _, async := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				a := w.add("a")
				script(a, tt.words...)
				var seen []string
				var done []observe.ClientCallDone
				look := func(next rpc.ClientHandler) rpc.ClientHandler {
					return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
						err := next(ctx, m, args, result)
						seen = append(seen, told(result.(*opinion), err))
						return err
					}
				}
				client := w.client("tcp://a:1", WithInterceptors(look),
					WithEvents(observe.Events{ClientCallDone: func(d observe.ClientCallDone) { done = append(done, d) }}))
				defer w.close(client)
				var r opinion
				if err := judged(context.Background(), client, async, like(rpc.RetryIdempotent), &r); err != nil {
					t.Error(err)
				}
				if len(seen) != 1 || seen[0] != tt.want {
					t.Errorf("the interceptor saw %q, want %s", seen, tt.want)
				}
				if len(done) != 1 || done[0].Attempts != tt.tries || done[0].Err != nil || done[0].Stages.ClientQueue == 0 {
					t.Errorf("events %+v, want %d attempts", done, tt.tries)
				}
			})
		}
	}
}

// TestTransientExceptionsOverThrift: the rules are those of native connections.
func TestTransientExceptionsOverThrift(t *testing.T) {
	for _, async := range []bool{false, true} {
		for _, tt := range []struct {
			retry rpc.Retry
			want  string
		}{
			{rpc.RetryIdempotent, "2//"},
			{rpc.RetryUnset, "/1/"},
			{rpc.RetryAtMostOnce, "/1/"},
		} {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes(t)
				c := p.client(WithThrift(Thrift{}))
				defer c.Close()
				s := p.thriftPeer(&thrift.Dialect{Framed: true, Strict: true})
				got := make(chan string)
				go func() {
					var r opinion
					err := judged(context.Background(), c, async, like(tt.retry), &r)
					got <- told(&r, err)
				}()
				s.reply(s.call(), rpc.Reply{Result: &opinion{passing: "1"}})
				if tt.retry == rpc.RetryIdempotent {
					s.reply(s.call(), rpc.Reply{Result: &opinion{success: "2"}})
				}
				if s := <-got; s != tt.want {
					t.Errorf("async %t, retry %d: got %s, want %s", async, tt.retry, s, tt.want)
				}
			})
		}
	}
}

// TestTransientExceptionsRandomly plays random scripts. Without an error the result is the last reply, all of it and nothing
// else; with one it is an error that a server has sent, or that of a lost connection. What is made inside never shows.
func TestTransientExceptionsRandomly(t *testing.T) {
	words := []string{"passing", "passing", "passing", "ok", "lasting", "both", "busy", "missing", "crash"}
	ends := make(map[string]int)
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			how := manners[rnd.IntN(len(manners))]
			var list []string
			for i := range 4 {
				list = append(list, fmt.Sprint(words[rnd.IntN(len(words))], ":", i))
			}
			w := newTown(t)
			a := w.add("a")
			script(a, list...)
			client := w.client("tcp://a:1", append(how.opts, WithWaitForReady())...)
			defer w.close(client)
			var r opinion
			err := judged(context.Background(), client, how.async, like(rpc.RetryIdempotent), &r)
			calls, _, _ := a.counts()
			last := list[calls-1]
			word, text, _ := strings.Cut(last, ":")
			want := map[string]string{
				"passing": "/" + text + "/", "ok": text + "//", "lasting": "//" + text, "both": text + "/" + text + "/",
				"busy": "resource_exhausted", "missing": "not_found", "crash": "unavailable",
			}[word]
			got := told(&r, err)
			if e, ok := err.(*rpc.Error); ok {
				got = e.Code.String()
				if e.Code == rpc.Aborted || strings.Contains(e.Error(), errTransient.Message) {
					t.Errorf("seed %d: %v", seed, err)
				}
			}
			if got != want {
				t.Errorf("seed %d, %s, %q: got %s, want %s", seed, how.name, list[:calls], got, want)
			}
			for i, word := range list[:calls-1] {
				if strings.HasPrefix(word, "ok") || strings.HasPrefix(word, "lasting") || strings.HasPrefix(word, "missing") {
					t.Errorf("seed %d: %q was not the end, but attempt %d of %d", seed, word, i, calls)
				}
			}
			ends[word]++
		})
	}
	if len(ends) != 7 {
		t.Errorf("calls ended with %v only", ends)
	}
}
