package handler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// registerOnce is register for an at-most-once method.
func registerOnce(t *testing.T, f invoke) *rpc.Registry {
	t.Helper()
	r := register(t, f)
	h, err := r.LookupThrift("run")
	if err != nil {
		t.Fatal(err)
	}
	h.Method.Retry = rpc.RetryAtMostOnce
	return r
}

// attempt is one attempt at call number n of client 1.
func attempt(r *rpc.Registry, id, n uint64, retry uint32, to *replies) *rpc.Call {
	c := call(id, int64(n), to)
	c.Handler, _ = r.LookupThrift("run")
	c.ClientID, c.Number, c.Retry = rpc.ClientID{1}, n, retry
	return c
}

// value returns the number in a reply, as the other side would decode it.
func value(t *testing.T, r rpc.Reply) int64 {
	t.Helper()
	if r.Err != nil || r.Result == nil {
		t.Fatalf("got %+v", r)
	}
	e := codec.NewEncoder(codec.Compact, nil)
	r.Result.EncodeThrift(e)
	var n number
	d := codec.NewDecoder(codec.Compact, e.Bytes())
	if n.DecodeThrift(d); e.Err() != nil || d.Err() != nil {
		t.Fatal(e.Err(), d.Err())
	}
	return n.n
}

func TestRetriesAreNotExecutedAgain(t *testing.T) {
	executed := 0
	reg := registerOnce(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
		executed++
		rpc.SetReplyMetadata(ctx, "served", fmt.Sprint(executed))
		switch args.n {
		case 2:
			return nil, rpc.NewError(rpc.NotFound, "no such thing")
		case 3:
			panic("oops")
		case 4: // a declared exception
			return &number{44}, errors.New("declared")
		}
		return &number{args.n * 10}, nil
	})
	h := start(t, reg, Options{Workers: 1})
	to := newReplies(100)
	id := uint64(0)
	do := func(n uint64, retry uint32) (rpc.Reply, string) {
		id++
		c := attempt(reg, id, n, retry, to)
		h.Dispatch([]*rpc.Call{c})
		r := <-to.c
		served, _ := rpc.DecodeMetadata(c.ReplyMetadata()).Get("served")
		return r, served
	}
	for n := uint64(1); n <= 4; n++ {
		first, served := do(n, 0)
		for retry := range uint32(3) {
			again, servedAgain := do(n, retry) // 0: a first attempt that was overtaken
			if executed != int(n) || servedAgain != served {
				t.Fatalf("call %d was executed again: %d, metadata %q and %q", n, executed, served, servedAgain)
			}
			if first.Err != nil {
				if again.Err == nil || again.Err.Code != first.Err.Code || again.Err.Message != first.Err.Message || again.Err.Execution != rpc.Executed {
					t.Errorf("call %d: %+v, then %+v", n, first.Err, again.Err)
				}
			} else if a, b := value(t, first), value(t, again); a != b {
				t.Errorf("call %d: %d, then %d", n, a, b)
			}
		}
	}
	// The same number with another method or from another process is another matter.
	other := attempt(reg, 50, 1, 1, to)
	changed := *other.Handler
	m := *changed.Method
	m.FullName = "Test.walk"
	changed.Method = &m
	other.Handler = &changed
	h.Dispatch([]*rpc.Call{other})
	if r := <-to.c; r.Err == nil || r.Err.Code != rpc.InvalidArgument || r.Err.Execution != rpc.NotExecuted {
		t.Errorf("another method: %+v", r)
	}
	stranger := attempt(reg, 51, 1, 1, to)
	stranger.Peer = &rpc.Peer{Identity: rpc.Identity{Kind: rpc.IdentityTLS, Name: "mallory"}}
	h.Dispatch([]*rpc.Call{stranger})
	if r := <-to.c; r.Err == nil || r.Err.Code != rpc.InvalidArgument {
		t.Errorf("another identity: %+v", r)
	}
	client := attempt(reg, 52, 1, 1, to)
	client.ClientID = rpc.ClientID{2}
	h.Dispatch([]*rpc.Call{client})
	if r := <-to.c; value(t, r) != 10 || executed != 5 {
		t.Errorf("another client: %+v, %d executed", r, executed)
	}
	h.Close(context.Background())
	if s := h.Stats(); s.RetryCacheHit != 12 || s.RetryCacheUpdated != 5 || s.RetryCacheCalls != 5 {
		t.Errorf("%+v", s)
	}
}

func TestUnrecognizableRetriesAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Options, *rpc.Call){
		"no number":    func(_ *Options, c *rpc.Call) { c.Number = 0 },
		"no client id": func(_ *Options, c *rpc.Call) { c.ClientID = rpc.ClientID{} },
		"no cache":     func(o *Options, _ *rpc.Call) { o.Retries.Bytes = -1 },
	} {
		executed := 0
		reg := registerOnce(t, func(context.Context, *number) (codec.Encodable, error) { executed++; return &number{}, nil })
		to := newReplies(2)
		first, again := attempt(reg, 1, 1, 0, to), attempt(reg, 2, 1, 1, to)
		var o Options
		change(&o, first)
		change(&o, again)
		h := start(t, reg, o)
		h.Dispatch([]*rpc.Call{first, again})
		h.Close(context.Background())
		if r := to.by[1]; r.Err != nil || executed != 1 {
			t.Errorf("%s: the first attempt: %+v", name, r)
		}
		if r := to.by[2]; r.Err == nil || r.Err.Code != rpc.FailedPrecondition || r.Err.Execution != rpc.MaybeExecuted {
			t.Errorf("%s: the second: %+v", name, r)
		}
	}
}

func TestRetriesWaitWithinTheirDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		executed := 0
		reg := registerOnce(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
			executed++
			<-release
			return &number{args.n}, ctx.Err()
		})
		h := start(t, reg, Options{Workers: 1})
		to := newReplies(10)
		first := attempt(reg, 1, 9, 0, to)
		late, canceled, patient := attempt(reg, 2, 9, 1, to), attempt(reg, 3, 9, 2, to), attempt(reg, 4, 9, 3, to)
		late.Deadline = time.Now().Add(time.Minute)
		h.Dispatch([]*rpc.Call{first})
		h.Dispatch([]*rpc.Call{late, canceled, patient}) // with the only worker busy
		synctest.Wait()
		first.Disconnected() // which the call survives
		canceled.Disconnected()
		synctest.Wait()
		if r, ok := to.get(3); !ok || r.Err.Code != rpc.Canceled || r.Err.Execution != rpc.MaybeExecuted {
			t.Errorf("canceled: %+v", r)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if r, ok := to.get(2); !ok || r.Err.Code != rpc.DeadlineExceeded || r.Err.Execution != rpc.MaybeExecuted || r.Err.Stages.ServerQueue != time.Minute {
			t.Errorf("late: %+v", r)
		}
		if _, ok := to.get(4); ok {
			t.Error("the patient one is answered already")
		}
		close(release)
		h.Close(context.Background())
		for _, id := range []uint64{1, 4} {
			if r, ok := to.get(id); !ok || value(t, r) != 9 {
				t.Errorf("call %d: %+v", id, r)
			}
		}
		if executed != 1 {
			t.Errorf("executed %d times", executed)
		}
	})
}

// An attempt that is refused, or that expires in the queue, was none: who waits for it takes its place.
func TestWaitingRetryTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		executed := 0
		reg := registerOnce(t, func(_ context.Context, args *number) (codec.Encodable, error) {
			executed++
			<-release
			return args, nil
		})
		h := start(t, reg, Options{Workers: 1})
		to := newReplies(10)
		blocker := attempt(reg, 1, 1, 0, to)
		first, second, third := attempt(reg, 2, 2, 0, to), attempt(reg, 3, 2, 1, to), attempt(reg, 4, 2, 2, to)
		first.Deadline = time.Now().Add(time.Second)
		h.Dispatch([]*rpc.Call{blocker})
		synctest.Wait()
		h.Dispatch([]*rpc.Call{first, second, third})
		time.Sleep(time.Minute)
		close(release)
		h.Close(context.Background())
		if r := to.by[2]; r.Err == nil || r.Err.Code != rpc.DeadlineExceeded || r.Err.Execution != rpc.NotExecuted {
			t.Errorf("first: %+v", r)
		}
		if a, b := value(t, to.by[3]), value(t, to.by[4]); a != 2 || b != 2 || executed != 2 {
			t.Errorf("%d and %d, executed %d times", a, b, executed)
		}
	})
}

func TestHandlerThatDidNothingIsNoAttempt(t *testing.T) {
	executed := 0
	reg := registerOnce(t, func(context.Context, *number) (codec.Encodable, error) {
		if executed++; executed == 1 {
			return nil, rpc.Standby("not the active one")
		}
		return &number{1}, nil
	})
	h := start(t, reg, Options{})
	to := newReplies(2)
	h.Dispatch([]*rpc.Call{attempt(reg, 1, 1, 0, to)})
	if r := <-to.c; r.Err == nil || r.Err.Code != rpc.Unavailable || r.Err.Execution != rpc.NotExecuted || r.Err.Advice != rpc.AdviceFailover {
		t.Errorf("standby: %+v", r)
	}
	h.Dispatch([]*rpc.Call{attempt(reg, 2, 1, 1, to)})
	if r := <-to.c; value(t, r) != 1 || executed != 2 {
		t.Errorf("the next attempt: %+v", r)
	}
	h.Close(context.Background())
}

func TestDeferredAtMostOnce(t *testing.T) {
	deferrals := make(chan *rpc.Deferral, 2)
	reg := registerOnce(t, defers(deferrals))
	h := start(t, reg, Options{Workers: 1})
	to := newReplies(3)
	h.Dispatch([]*rpc.Call{attempt(reg, 1, 1, 0, to)})
	d := <-deferrals
	h.Dispatch([]*rpc.Call{attempt(reg, 2, 1, 1, to)})
	d.Reply(&number{6})
	h.Dispatch([]*rpc.Call{attempt(reg, 3, 1, 2, to)})
	for range 3 {
		if r := <-to.c; value(t, r) != 6 {
			t.Errorf("got %+v", r)
		}
	}
	if len(deferrals) != 0 {
		t.Error("executed twice")
	}
	h.Close(context.Background())
}

func TestCloseEndsWaitingRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		reg := registerOnce(t, func(_ context.Context, args *number) (codec.Encodable, error) { <-release; return args, nil })
		h := start(t, reg, Options{})
		to := newReplies(3)
		h.Dispatch([]*rpc.Call{attempt(reg, 1, 1, 0, to), attempt(reg, 2, 1, 1, to)})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if n := h.Close(ctx); n != 1 {
			t.Errorf("%d workers", n)
		}
		if r, ok := to.get(2); !ok || r.Err == nil || r.Err.Code != rpc.Unavailable || r.Err.Execution != rpc.MaybeExecuted {
			t.Errorf("the waiting one: %+v", r)
		}
		h.Dispatch([]*rpc.Call{attempt(reg, 3, 1, 2, to)})
		if r, ok := to.get(3); !ok || r.Err == nil || r.Err.Code != rpc.Unavailable {
			t.Errorf("one that comes after Close: %+v", r)
		}
		close(release)
		if n := h.Close(context.Background()); n != 0 || len(to.by) != 3 {
			t.Errorf("%d workers, %d replies", n, len(to.by))
		}
	})
}

// memoryStore is a RetryStore that two servers share.
type memoryStore struct {
	mu    sync.Mutex
	saved []*RetryEntry
	fail  error
}

func (s *memoryStore) Save(e *RetryEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		s.saved = append(s.saved, e)
	}
	return s.fail
}

func (s *memoryStore) Load(restore func(*RetryEntry)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.saved {
		restore(e)
	}
	return s.fail
}

func TestRetryStore(t *testing.T) {
	var executed atomic.Int64
	reg := registerOnce(t, func(_ context.Context, args *number) (codec.Encodable, error) {
		executed.Add(1)
		return &number{args.n + 1}, nil
	})
	store := new(memoryStore)
	to := newReplies(10)
	active := start(t, reg, Options{Retries: Retries{Store: store}})
	standby := start(t, reg, Options{})
	active.Dispatch([]*rpc.Call{attempt(reg, 1, 7, 0, to)})
	<-to.c
	standby.RestoreRetry(store.saved[0])                                // as it follows the active one's log
	restarted := start(t, reg, Options{Retries: Retries{Store: store}}) // which loads it
	for i, h := range []*Handler{standby, restarted} {
		h.Dispatch([]*rpc.Call{attempt(reg, uint64(2+i), 7, 1, to)})
		if r := <-to.c; value(t, r) != 8 || executed.Load() != 1 {
			t.Errorf("server %d: %+v, executed %d times", i, r, executed.Load())
		}
	}
	store.fail = errors.New("disk full")
	active.Dispatch([]*rpc.Call{attempt(reg, 4, 8, 0, to)})
	if r := <-to.c; r.Err == nil || r.Err.Code != rpc.Internal || r.Err.Execution != rpc.Executed || strings.Contains(r.Err.Message, "disk") {
		t.Errorf("a failed store: %+v", r)
	}
	active.Dispatch([]*rpc.Call{attempt(reg, 5, 8, 1, to)})
	if r := <-to.c; r.Err == nil || r.Err.Code != rpc.Internal || executed.Load() != 2 {
		t.Errorf("its retry: %+v, executed %d times", r, executed.Load())
	}
	if _, err := New(reg, Options{Retries: Retries{Store: store}}); !errors.Is(err, store.fail) {
		t.Errorf("a store that does not load: %v", err)
	}
	for _, h := range []*Handler{active, standby, restarted} {
		h.Close(context.Background())
	}
}

// unencodable is a result that generated code would not make.
type unencodable struct{ panics bool }

func (u unencodable) EncodeThrift(e *codec.Encoder) {
	if u.panics {
		panic("secret")
	}
	e.Fail(errors.New("no"))
}

func TestUnencodableOutcomes(t *testing.T) {
	reg := registerOnce(t, func(_ context.Context, args *number) (codec.Encodable, error) { return unencodable{args.n == 1}, nil })
	h := start(t, reg, Options{})
	to := newReplies(4)
	for id := range uint64(4) {
		h.Dispatch([]*rpc.Call{attempt(reg, id, 1+id/2, uint32(id%2), to)})
		if r := <-to.c; r.Err == nil || r.Err.Code != rpc.Internal || r.Err.Execution != rpc.Executed || strings.Contains(r.Err.Message, "secret") {
			t.Errorf("attempt %d: %+v", id, r)
		}
	}
	h.Close(context.Background())
}

// Clients that lose their connections at random and ask again: every call is executed once, and every attempt that gets a
// result gets the same one.
func TestRetriesRandomly(t *testing.T) {
	const calls = 300
	var executed [calls + 1]atomic.Int64
	reg := registerOnce(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
		executed[args.n].Add(1)
		if args.n%5 == 0 { // some later, from elsewhere
			d, err := rpc.Defer(ctx)
			if err != nil {
				return nil, err
			}
			time.AfterFunc(time.Duration(args.n)*time.Microsecond, func() { d.Reply(&number{-args.n}) })
			return nil, rpc.ErrDeferred
		}
		return &number{-args.n}, nil
	})
	h := start(t, reg, Options{Workers: 4, Queue: 16})
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(client), 4))
			to := newReplies(1 << 14)
			id := uint64(0)
			for n := uint64(1 + client); n <= calls; n += 8 {
				for retry := uint32(0); ; retry++ {
					id++
					c := attempt(reg, id, n, retry, to)
					c.ClientID = rpc.ClientID{byte(client + 1)}
					h.Dispatch([]*rpc.Call{c})
					if r.IntN(3) == 0 { // gone without looking
						c.Disconnected()
						continue
					}
					reply := <-to.c
					for { // those of lost attempts come here, too
						if _, ok := to.get(id); ok {
							break
						}
						reply = <-to.c
					}
					reply, _ = to.get(id)
					if reply.Err == nil {
						if got := value(t, reply); got != -int64(n) {
							t.Errorf("call %d: %d", n, got)
						}
						break
					}
					if reply.Err.Execution == rpc.Executed {
						t.Errorf("call %d: %v", n, reply.Err)
						break
					}
				}
			}
		})
	}
	wg.Wait()
	h.Close(context.Background())
	for n := 1; n <= calls; n++ {
		if got := executed[n].Load(); got != 1 {
			t.Errorf("call %d was executed %d times", n, got)
		}
	}
}
