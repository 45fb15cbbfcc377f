package handler

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// startInline starts a Handler whose only method may be run inline, and returns what makes calls of it.
func startInline(t *testing.T, o Options, f invoke) (h *Handler, make func(id uint64, to rpc.Replier) *rpc.Call) {
	t.Helper()
	r := register(t, f)
	o.Inline = []string{"Test.run"}
	h = start(t, r, o)
	target := r.Lookup([]byte("Test.run"))
	return h, func(id uint64, to rpc.Replier) *rpc.Call {
		c := from("a:1", id, to)
		c.Name, c.Handler = "", target
		return c
	}
}

func TestInlineRunsOnTheDispatcher(t *testing.T) {
	for name, tt := range map[string]struct {
		o      Options
		change func(*rpc.Call)
		inline bool
	}{
		"inline":                    {inline: true},
		"with interceptors":         {inline: true, o: Options{Interceptors: []rpc.ServerInterceptor{pass}}},
		"timed":                     {inline: true, o: Options{Exact: true}},
		"callers are told apart":    {o: Options{Overload: Overload{MaxPerCaller: 10}}},
		"the method is known later": {change: func(c *rpc.Call) { c.Name, c.Handler = "run", nil }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, call := startInline(t, tt.o, square)
				to := newReplies(1)
				c := call(3, to)
				if tt.change != nil {
					tt.change(c)
				}
				h.Dispatch([]*rpc.Call{c})
				if s := h.Stats(); (s.Workers == 0) != tt.inline {
					t.Errorf("%d workers", s.Workers)
				}
				if r := <-to.c; r.Err != nil || r.Result.(*number).n != 9 {
					t.Errorf("%+v", r)
				}
				h.Close(t.Context())
				s := h.Stats()
				if s.Requests != 1 || s.CallSuccesses != 1 || s.InProcess != 0 || tt.o.Exact && (s.QueueTime.Count != 1 || s.ProcessingTime.Count != 1) {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// pass is an interceptor.
func pass(next rpc.ServerHandler) rpc.ServerHandler { return next }

// While calls are queued, others queue behind them.
func TestInlineDoesNotOvertake(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{})
	h, call := startInline(t, Options{Workers: 1}, func(_ context.Context, args *number) (codec.Encodable, error) {
		if args.n == 0 {
			held <- struct{}{}
			<-hold
		}
		return args, nil
	})
	to := newReplies(3)
	queued := func(id uint64) *rpc.Call {
		c := call(id, to)
		c.Name, c.Handler = "run", nil
		return c
	}
	h.Dispatch([]*rpc.Call{queued(0)})
	<-held
	h.Dispatch([]*rpc.Call{queued(1)})
	h.Dispatch([]*rpc.Call{call(2, to)})
	if s := h.Stats(); s.Queued != 2 || s.CallSuccesses != 0 {
		t.Errorf("%+v", s)
	}
	close(hold)
	h.Close(t.Context())
	if len(to.by) != 3 {
		t.Errorf("%d replies", len(to.by))
	}
}

// A loop that has run calls for long enough leaves the rest to workers.
func TestInlineHasABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, call := startInline(t, Options{}, func(_ context.Context, args *number) (codec.Encodable, error) {
			time.Sleep(45 * time.Microsecond)
			return args, nil
		})
		to := newReplies(100)
		var batch []*rpc.Call
		for id := range uint64(100) {
			batch = append(batch, call(id, to))
		}
		began := time.Now()
		h.Dispatch(batch)
		if took := time.Since(began); took != 225*time.Microsecond {
			t.Errorf("Dispatch took %v, want five calls' time", took)
		}
		h.Close(t.Context())
		if s := h.Stats(); s.CallSuccesses != 100 || len(to.by) != 100 {
			t.Errorf("%d replies, %+v", len(to.by), s)
		}
	})
}

func TestSlowMethodsAreNotInline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		hold := 60 * time.Microsecond
		h, call := startInline(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(_ context.Context, args *number) (codec.Encodable, error) {
			time.Sleep(hold)
			return args, nil
		})
		id := uint64(0)
		inline := func() bool {
			to := newReplies(1)
			began := time.Now()
			h.Dispatch([]*rpc.Call{call(id, to)})
			took := time.Since(began)
			<-to.c
			id++
			return took > 0
		}
		for i := range 8 {
			if !inline() {
				t.Fatalf("run %d was not inline", i)
			}
			if got := strings.Contains(log.String(), "too slow to be run inline"); got != (i == 7) {
				t.Fatalf("after run %d the log says %q", i, log.String())
			}
		}
		if inline() {
			t.Error("a slow method is still run inline")
		}
		time.Sleep(time.Minute)
		hold = 40 * time.Microsecond
		for range 100 {
			if !inline() {
				t.Fatal("a method that was slow a minute ago is not run inline")
			}
		}
		for i := range 200 { // one slow run in ten is too many, after a while
			hold = 40 * time.Microsecond
			if i%10 == 0 {
				hold = 60 * time.Microsecond
			}
			if !inline() {
				if i < 100 {
					t.Errorf("given up after %d runs", i)
				}
				h.Close(t.Context())
				return
			}
		}
		t.Error("one slow run in ten was never noticed")
	})
}

// Where the answer to one call is what dispatches the next, as on a Thrift connection, the stack must not grow with their
// number.
func TestInlineChainsAreShallow(t *testing.T) {
	const calls = 2_000
	var deepest atomic.Int64
	h, call := startInline(t, Options{Workers: 2}, func(_ context.Context, args *number) (codec.Encodable, error) {
		var pcs [1000]uintptr
		if n := int64(runtime.Callers(0, pcs[:])); n > deepest.Load() {
			deepest.Store(n)
		}
		return args, nil
	})
	done := make(chan struct{})
	var next rpc.Replier
	next = replierFunc(func(c *rpc.Call, r rpc.Reply) {
		if r.Err != nil {
			t.Error(r.Err)
		}
		if c.ID == calls {
			close(done)
			return
		}
		h.Dispatch([]*rpc.Call{call(c.ID+1, next)})
	})
	h.Dispatch([]*rpc.Call{call(0, next)})
	<-done
	h.Close(t.Context())
	if most := int64(20 * (runtime.GOMAXPROCS(0) + 2)); deepest.Load() > most {
		t.Errorf("%d frames deep, want at most %d", deepest.Load(), most)
	}
	if s := h.Stats(); s.CallSuccesses != calls+1 {
		t.Errorf("%+v", s)
	}
}

// What ends one run, or the goroutine, ends no other call.
func TestInlineSurvives(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("secret") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			h, call := startInline(t, Options{}, func(_ context.Context, args *number) (codec.Encodable, error) {
				if args.n == 0 {
					end()
				}
				return args, nil
			})
			to := newReplies(3)
			go h.Dispatch([]*rpc.Call{call(0, to), call(1, to), call(2, to)})
			for range 3 {
				<-to.c
			}
			if n := h.Close(t.Context()); n != 0 {
				t.Errorf("%d goroutines run", n)
			}
			for id := range uint64(3) {
				if r := to.by[id]; (r.Err != nil && r.Err.Code == rpc.Internal) != (id == 0) {
					t.Errorf("call %d: %+v", id, r)
				}
			}
		})
	}
}

func TestCloseWaitsForInlineCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h, call := startInline(t, Options{}, func(_ context.Context, args *number) (codec.Encodable, error) {
			<-release
			return args, nil
		})
		to := newReplies(2)
		late := call(1, to)
		late.Deadline = time.Now()
		go h.Dispatch([]*rpc.Call{call(0, to), late})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if n := h.Close(ctx); n != 1 {
			t.Errorf("%d calls run, want 1", n)
		}
		close(release)
		if n := h.Close(t.Context()); n != 0 {
			t.Errorf("%d calls run", n)
		}
		if r := to.by[1]; r.Err == nil || r.Err.Execution != rpc.NotExecuted {
			t.Errorf("the one behind it: %+v", r)
		}
	})
}

func TestInlineMethodsAreChecked(t *testing.T) {
	r := register(t, square)
	open := func(context.Context, codec.Decodable, rpc.Stream) (codec.Encodable, error) {
		return nil, errors.New("no")
	}
	args := func() codec.Decodable { return new(number) }
	if err := r.Register(&rpc.Service{Name: "Odd", Handlers: []rpc.Handler{
		{Method: &rpc.Method{Name: "stream", FullName: "Odd.stream", Stream: rpc.StreamResult}, NewArgs: args, Open: open},
		{Method: &rpc.Method{Name: "once", FullName: "Odd.once", Retry: rpc.RetryAtMostOnce}, NewArgs: args,
			Invoke: func(context.Context, codec.Decodable) (codec.Encodable, error) { return nil, nil }},
	}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run", "Test.walk", "Odd.stream", "Odd.once"} {
		if _, err := New(r, Options{Inline: []string{"Test.run", name}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
