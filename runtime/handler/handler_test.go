package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// number is a struct of one field, {1: i64 n}, as arguments and as result.
type number struct{ n int64 }

func (m *number) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I64Field(1, m.n)
	e.EndStruct(outer)
}

func (m *number) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.ID == 1 && f.Type == codec.I64 {
			m.n = d.I64()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

// plain is a dialect that leaves bodies alone.
type plain struct{ openErr error }

func (p plain) Open(*rpc.Call) error                                  { return p.openErr }
func (plain) AppendReply(dst []byte, _ *rpc.Call, _ rpc.Reply) []byte { return dst }

// replies gathers what calls were answered with.
type replies struct {
	mu sync.Mutex
	by map[uint64]rpc.Reply
	c  chan rpc.Reply
}

func newReplies(n int) *replies {
	return &replies{by: make(map[uint64]rpc.Reply), c: make(chan rpc.Reply, n)}
}

func (r *replies) Reply(c *rpc.Call, reply rpc.Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, twice := r.by[c.ID]; twice {
		panic("a call was answered twice")
	}
	r.by[c.ID] = reply
	r.c <- reply
}

// get returns the reply to a call, if there is one.
func (r *replies) get(id uint64) (rpc.Reply, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reply, ok := r.by[id]
	return reply, ok
}

type invoke func(ctx context.Context, args *number) (codec.Encodable, error)

func register(t *testing.T, f invoke) *rpc.Registry {
	t.Helper()
	var r rpc.Registry
	err := r.Register(&rpc.Service{Name: "Test", Handlers: []rpc.Handler{{
		Method:  &rpc.Method{Service: "Test", Name: "run", FullName: "Test.run"},
		NewArgs: func() codec.Decodable { return new(number) },
		Invoke: func(ctx context.Context, args codec.Decodable) (codec.Encodable, error) {
			return f(ctx, args.(*number))
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

func start(t *testing.T, r *rpc.Registry, o Options) *Handler {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	h, err := New(r, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func call(id uint64, n int64, to *replies) *rpc.Call {
	e := codec.NewEncoder(codec.Binary, nil)
	(&number{n}).EncodeThrift(e)
	return &rpc.Call{ID: id, Name: "run", Body: e.Bytes(), Dialect: plain{}, Replier: to, Received: time.Now()}
}

func square(_ context.Context, args *number) (codec.Encodable, error) {
	return &number{args.n * args.n}, nil
}

func TestEveryCallIsAnsweredOnce(t *testing.T) {
	const calls, batch = 10_000, 7
	to := newReplies(calls)
	h := start(t, register(t, square), Options{Workers: 8, Queue: calls})
	for id := uint64(0); id < calls; {
		var b []*rpc.Call
		for range batch {
			if id < calls {
				b = append(b, call(id, int64(id), to))
				id++
			}
		}
		h.Dispatch(b)
	}
	if n := h.Close(context.Background()); n != 0 {
		t.Fatalf("%d workers after Close", n)
	}
	if len(to.by) != calls {
		t.Fatalf("%d replies to %d calls", len(to.by), calls)
	}
	for id, r := range to.by {
		if got := r.Result.(*number).n; got != int64(id*id) {
			t.Fatalf("call %d: %d", id, got)
		}
	}
}

// Long calls must each get a worker, though only one wake-up is under way at a time.
func TestLongCallsRunTogether(t *testing.T) {
	const workers = 16
	to := newReplies(workers)
	var together sync.WaitGroup
	together.Add(workers)
	h := start(t, register(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
		together.Done()
		together.Wait() // returns only if all of them run at once
		return args, nil
	}), Options{Workers: workers})
	var b []*rpc.Call
	for id := range uint64(workers) {
		b = append(b, call(id, 1, to))
	}
	h.Dispatch(b)
	h.Close(context.Background())
	if len(to.by) != workers {
		t.Fatalf("%d replies", len(to.by))
	}
}

func TestFullQueueRefuses(t *testing.T) {
	to := newReplies(10)
	release := make(chan struct{})
	running := make(chan struct{}, 1)
	h := start(t, register(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
		running <- struct{}{}
		<-release
		return args, nil
	}), Options{Workers: 1, Queue: 2})
	h.Dispatch([]*rpc.Call{call(1, 0, to)})
	<-running
	h.Dispatch([]*rpc.Call{call(2, 0, to), call(3, 0, to), call(4, 0, to)})
	r := <-to.c
	if r.Err == nil || r.Err.Code != rpc.ResourceExhausted || r.Err.Execution != rpc.NotExecuted {
		t.Fatalf("got %+v", r)
	}
	go func() { <-running; <-running }()
	close(release)
	h.Close(context.Background())
	for _, id := range []uint64{1, 2, 3} {
		if to.by[id].Err != nil {
			t.Errorf("call %d: %v", id, to.by[id].Err)
		}
	}
	if to.by[4].Err == nil {
		t.Error("call 4 found room")
	}
}

func TestReplies(t *testing.T) {
	declared := errors.New("declared")
	cases := []struct {
		name   string
		invoke invoke
		change func(*rpc.Call)
		code   rpc.Code // 0: a result
		exec   rpc.Execution
		text   string
	}{
		{name: "result", invoke: square},
		{name: "declared exception", invoke: func(context.Context, *number) (codec.Encodable, error) { return &number{}, declared }},
		{name: "plain error", invoke: func(context.Context, *number) (codec.Encodable, error) { return nil, errors.New("oh dear") },
			code: rpc.Unknown, exec: rpc.Executed, text: "oh dear"},
		{name: "coded error", invoke: func(context.Context, *number) (codec.Encodable, error) {
			return nil, rpc.NewError(rpc.NotFound, "no such thing")
		}, code: rpc.NotFound, exec: rpc.Executed, text: "no such thing"},
		{name: "context error", invoke: func(context.Context, *number) (codec.Encodable, error) { return nil, context.DeadlineExceeded },
			code: rpc.DeadlineExceeded, exec: rpc.Executed},
		{name: "panic", invoke: func(context.Context, *number) (codec.Encodable, error) { panic("secret") },
			code: rpc.Internal, exec: rpc.Executed, text: "the handler panicked"},
		{name: "runtime panic", invoke: func(_ context.Context, args *number) (codec.Encodable, error) { return &number{1 / (args.n - 3)}, nil },
			code: rpc.Internal, exec: rpc.Executed, text: "the handler panicked"},
		{name: "unknown method", invoke: square, change: func(c *rpc.Call) { c.Name = "walk" },
			code: rpc.Unimplemented, text: "no method walk"},
		{name: "unopenable", invoke: square, change: func(c *rpc.Call) { c.Dialect = plain{errors.New("bad snappy")} },
			code: rpc.InvalidArgument, text: "bad snappy"},
		{name: "coded unopenable", invoke: square, change: func(c *rpc.Call) {
			c.Dialect = plain{rpc.NewError(rpc.ResourceExhausted, "too large")}
		}, code: rpc.ResourceExhausted, text: "too large"},
		{name: "truncated arguments", invoke: square, change: func(c *rpc.Call) { c.Body = c.Body[:4] },
			code: rpc.InvalidArgument, text: "arguments: "},
		{name: "expired in the queue", invoke: square, change: func(c *rpc.Call) { c.Deadline = c.Received.Add(-time.Second) },
			code: rpc.DeadlineExceeded, text: "queued"},
		{name: "canceled in the queue", invoke: square, change: func(c *rpc.Call) { c.Cancel(context.Canceled) },
			code: rpc.Canceled, text: "queued"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			to := newReplies(1)
			var log strings.Builder
			h := start(t, register(t, tc.invoke), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			c := call(1, 3, to)
			if tc.change != nil {
				tc.change(c)
			}
			h.Dispatch([]*rpc.Call{c})
			h.Close(context.Background())
			r := to.by[1]
			switch {
			case tc.code == 0 && (r.Err != nil || r.Result == nil):
				t.Fatalf("got %+v", r)
			case tc.code != 0 && (r.Err == nil || r.Result != nil || r.Err.Code != tc.code || !strings.Contains(r.Err.Message, tc.text)):
				t.Fatalf("got %+v", r)
			}
			if want := tc.exec; tc.code != 0 && r.Err.Execution != cmpOr(want, rpc.NotExecuted) {
				t.Errorf("execution: %v", r.Err.Execution)
			}
			if panicked := strings.Contains(tc.name, "panic"); panicked != strings.Contains(log.String(), "handler panicked") {
				t.Errorf("log: %q", log.String())
			}
		})
	}
}

func cmpOr(x, zero rpc.Execution) rpc.Execution {
	if x == rpc.MaybeExecuted {
		return zero
	}
	return x
}

func TestDeadlineAndCancelReachTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newReplies(2)
		h := start(t, register(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
			child, stop := context.WithCancel(ctx)
			defer stop()
			<-child.Done()
			return nil, ctx.Err()
		}), Options{})
		late, canceled := call(1, 0, to), call(2, 0, to)
		late.Deadline = time.Now().Add(time.Minute)
		h.Dispatch([]*rpc.Call{late, canceled})
		synctest.Wait()
		canceled.Cancel(context.Canceled)
		synctest.Wait()
		if r, ok := to.get(2); !ok || r.Err.Code != rpc.Canceled {
			t.Errorf("canceled call: %+v", r)
		}
		began := time.Now()
		h.Close(context.Background())
		if d := time.Since(began); d != time.Minute {
			t.Errorf("the other ended after %v", d)
		}
		if to.by[1].Err.Code != rpc.DeadlineExceeded {
			t.Errorf("late call: %+v", to.by[1])
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newReplies(2)
		release := make(chan struct{})
		h := start(t, register(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
			<-release // a handler that does not look at its context
			return args, nil
		}), Options{})
		h.Dispatch([]*rpc.Call{call(1, 0, to)})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if n := h.Close(ctx); n != 1 {
			t.Errorf("%d workers run, want 1", n)
		}
		h.Dispatch([]*rpc.Call{call(2, 0, to)})
		if r, _ := to.get(2); r.Err == nil || r.Err.Code != rpc.Unavailable || r.Err.Execution != rpc.NotExecuted {
			t.Errorf("after Close: %+v", r)
		}
		close(release)
		if n := h.Close(context.Background()); n != 0 {
			t.Errorf("%d workers run", n)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := New(nil, Options{Workers: -1}); err == nil {
		t.Error("a negative number of workers passed")
	}
	if _, err := New(nil, Options{BusyPoll: MaxBusyPoll + 1}); err == nil {
		t.Error("looking for too long passed")
	}
}

// BenchmarkDispatch measures what this stage adds to a call, decoding of an i64 included: plain ones, ones with a deadline,
// of 100 callers in a fair queue, of an inline method, and of an at-most-once method.
func BenchmarkDispatch(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkDispatch(b, Options{}, func(int, *rpc.Call) {}) })
	b.Run("deadline", func(b *testing.B) {
		deadline := time.Now().Add(time.Hour)
		benchmarkDispatch(b, Options{}, func(_ int, c *rpc.Call) { c.Received, c.Deadline = time.Now(), deadline })
	})
	b.Run("fair", func(b *testing.B) {
		var peers [100]rpc.Peer
		for i := range peers {
			peers[i] = rpc.Peer{Network: "tls", Identity: rpc.Identity{Kind: rpc.IdentityTLS, Name: fmt.Sprint(i)}}
		}
		benchmarkDispatch(b, Options{Overload: Overload{Fair: true}}, func(i int, c *rpc.Call) { c.Peer = &peers[i%len(peers)] })
	})
	b.Run("inline", func(b *testing.B) {
		benchmarkDispatch(b, Options{Inline: []string{"Test.run"}}, func(int, *rpc.Call) {})
	})
	b.Run("at_most_once", func(b *testing.B) {
		m := rpc.Method{Service: "Test", Name: "run", FullName: "Test.run", Retry: rpc.RetryAtMostOnce}
		benchmarkDispatch(b, Options{}, func(i int, c *rpc.Call) {
			h := *c.Handler
			h.Method = &m
			c.Handler, c.ClientID, c.Number = &h, rpc.ClientID{1}, uint64(i+1)
		})
	})
}

func benchmarkDispatch(b *testing.B, o Options, change func(i int, c *rpc.Call)) {
	target := &rpc.Handler{
		Method:  &rpc.Method{Service: "Test", Name: "run", FullName: "Test.run"},
		NewArgs: func() codec.Decodable { return new(number) },
		Invoke:  func(_ context.Context, args codec.Decodable) (codec.Encodable, error) { return args.(*number), nil },
	}
	var r rpc.Registry
	if err := r.Register(&rpc.Service{Name: "Test", Handlers: []rpc.Handler{*target}}); err != nil {
		b.Fatal(err)
	}
	h, err := New(&r, o)
	if err != nil {
		b.Fatal(err)
	}
	const batch = 32
	done := make(chan struct{}, batch)
	to := replierFunc(func(*rpc.Call, rpc.Reply) { done <- struct{}{} })
	e := codec.NewEncoder(codec.Binary, nil)
	(&number{1}).EncodeThrift(e)
	calls := make([]*rpc.Call, batch)
	b.ReportAllocs()
	for i := 0; i < b.N; i += batch {
		for j := range calls {
			calls[j] = &rpc.Call{Handler: target, Body: e.Bytes(), Dialect: plain{}, Replier: to}
			change(i+j, calls[j])
		}
		h.Dispatch(calls)
		for range batch {
			<-done
		}
	}
	h.Close(context.Background())
}

type replierFunc func(*rpc.Call, rpc.Reply)

func (f replierFunc) Reply(c *rpc.Call, r rpc.Reply) { f(c, r) }
