package handler

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// defers is an implementation that hands its Deferrals over.
func defers(to chan<- *rpc.Deferral) invoke {
	return func(ctx context.Context, _ *number) (codec.Encodable, error) {
		d, err := rpc.Defer(ctx)
		if err != nil {
			return nil, err
		}
		to <- d
		return nil, rpc.ErrDeferred
	}
}

func TestDeferredCallsHoldNoWorker(t *testing.T) {
	const calls = 100
	to, deferrals := newReplies(calls), make(chan *rpc.Deferral, calls)
	h := start(t, register(t, defers(deferrals)), Options{Workers: 1})
	for id := range uint64(calls) {
		h.Dispatch([]*rpc.Call{call(id, int64(id), to)})
	}
	for n := range int64(calls) { // all of them wait, though there is one worker
		d := <-deferrals
		defer func() {
			if !d.Reply(&number{n}) || d.Reply(&number{n}) || d.Fail(errors.New("late")) {
				t.Error("a Deferral answers once")
			}
		}()
	}
	if len(to.c) != 0 {
		t.Errorf("%d replies already", len(to.c))
	}
	t.Cleanup(func() {
		if n := h.Close(context.Background()); n != 0 || len(to.by) != calls {
			t.Errorf("%d workers, %d replies after Close", n, len(to.by))
		}
		if s := h.Stats(); s.Deferred != 0 || s.Unsettled != 0 || s.CallSuccesses != calls || s.DeferredProcessingTime.Count != calls {
			t.Errorf("%+v", s)
		}
	})
}

func TestDeferredReplies(t *testing.T) {
	cases := []struct {
		name   string
		invoke invoke
		code   rpc.Code // 0: the result 7
		text   string
	}{
		{"answered before the return", func(ctx context.Context, _ *number) (codec.Encodable, error) {
			d, err := rpc.Defer(ctx)
			if err != nil {
				return nil, err
			}
			d.Reply(&number{7})
			return nil, rpc.ErrDeferred
		}, 0, ""},
		{"answered before an error is returned", func(ctx context.Context, _ *number) (codec.Encodable, error) {
			d, _ := rpc.Defer(ctx)
			d.Reply(&number{7})
			return nil, errors.New("too late")
		}, 0, ""},
		{"failed", func(ctx context.Context, _ *number) (codec.Encodable, error) {
			d, _ := rpc.Defer(ctx)
			go d.Fail(rpc.NewError(rpc.NotFound, "nothing"))
			return nil, rpc.ErrDeferred
		}, rpc.NotFound, "nothing"},
		{"failed without an error", func(ctx context.Context, _ *number) (codec.Encodable, error) {
			d, _ := rpc.Defer(ctx)
			d.Fail(nil)
			return nil, rpc.ErrDeferred
		}, rpc.Internal, "without an error"},
		{"a result all the same", func(ctx context.Context, _ *number) (codec.Encodable, error) {
			rpc.Defer(ctx)
			return &number{7}, nil
		}, 0, ""},
		{"an error all the same", func(ctx context.Context, _ *number) (codec.Encodable, error) {
			rpc.Defer(ctx)
			return nil, rpc.NewError(rpc.Aborted, "no")
		}, rpc.Aborted, "no"},
		{"a panic", func(ctx context.Context, _ *number) (codec.Encodable, error) {
			rpc.Defer(ctx)
			panic("oops")
		}, rpc.Internal, "the handler panicked"},
		{"twice", func(ctx context.Context, _ *number) (codec.Encodable, error) {
			rpc.Defer(ctx)
			_, err := rpc.Defer(ctx)
			return nil, err
		}, rpc.FailedPrecondition, "before"},
		{"not deferred", func(context.Context, *number) (codec.Encodable, error) { return nil, rpc.ErrDeferred }, rpc.Internal, "without rpc.Defer"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			to := newReplies(1)
			h := start(t, register(t, tc.invoke), Options{})
			h.Dispatch([]*rpc.Call{call(1, 0, to)})
			r := <-to.c
			h.Close(context.Background())
			switch {
			case tc.code == 0 && (r.Err != nil || r.Result.(*number).n != 7):
				t.Errorf("got %+v", r)
			case tc.code != 0 && (r.Err == nil || r.Err.Code != tc.code || r.Err.Execution != rpc.Executed || !strings.Contains(r.Err.Message, tc.text)):
				t.Errorf("got %+v", r)
			}
			if s := h.Stats(); s.Unsettled != 0 {
				t.Errorf("%d Deferrals are unsettled", s.Unsettled)
			}
		})
	}
}

func TestDeferOutsideOfHandlers(t *testing.T) {
	if _, err := rpc.Defer(context.Background()); err == nil || rpc.CodeOf(err) != rpc.FailedPrecondition {
		t.Errorf("without a call: %v", err)
	}
	contexts := make(chan context.Context, 1)
	to := newReplies(1)
	h := start(t, register(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
		contexts <- ctx
		return args, nil
	}), Options{})
	h.Dispatch([]*rpc.Call{call(1, 0, to)})
	<-to.c
	if _, err := rpc.Defer(<-contexts); err == nil || rpc.CodeOf(err) != rpc.FailedPrecondition {
		t.Errorf("after the return: %v", err)
	}
	h.Close(context.Background())
}

func TestDeferredCallsAreBounded(t *testing.T) {
	to, deferrals := newReplies(3), make(chan *rpc.Deferral, 3)
	h := start(t, register(t, defers(deferrals)), Options{MaxDeferred: 2, Workers: 1})
	h.Dispatch([]*rpc.Call{call(1, 0, to), call(2, 0, to), call(3, 0, to)})
	r := <-to.c
	if r.Err == nil || r.Err.Code != rpc.ResourceExhausted || r.Err.Execution != rpc.NotExecuted || r.Err.Advice != rpc.AdviceRetry {
		t.Errorf("the third: %+v", r)
	}
	(<-deferrals).Reply(&number{1})
	<-to.c
	h.Dispatch([]*rpc.Call{call(4, 0, to)})
	second, fourth := <-deferrals, <-deferrals
	second.Reply(&number{2})
	fourth.Reply(&number{4})
	h.Close(context.Background())
	if len(to.by) != 4 {
		t.Errorf("%d replies", len(to.by))
	}
}

func TestDeferredCallsEndWithTheirContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, deferrals := newReplies(2), make(chan *rpc.Deferral, 2)
		h := start(t, register(t, defers(deferrals)), Options{})
		late, canceled := call(1, 0, to), call(2, 0, to)
		late.Deadline = time.Now().Add(time.Minute)
		h.Dispatch([]*rpc.Call{late, canceled})
		synctest.Wait()
		canceled.Cancel(context.Canceled)
		synctest.Wait()
		if r, _ := to.get(2); r.Err == nil || r.Err.Code != rpc.Canceled {
			t.Errorf("canceled: %+v", r)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		r, _ := to.get(1)
		if r.Err == nil || r.Err.Code != rpc.DeadlineExceeded || r.Err.Stages != (rpc.Stages{Handler: time.Minute}) {
			t.Errorf("late: %+v", r)
		}
		// The application has still to let go of them.
		if s := h.Stats(); s.Deferred != 0 || s.Unsettled != 2 {
			t.Errorf("%d deferred, %d unsettled", s.Deferred, s.Unsettled)
		}
		for range 2 {
			if d := <-deferrals; d.Context().Err() == nil || d.Reply(&number{1}) {
				t.Error("a call was answered twice")
			}
		}
		if s := h.Stats(); s.Unsettled != 0 {
			t.Errorf("%d unsettled", s.Unsettled)
		}
		h.Close(context.Background())
	})
}

func TestCloseEndsDeferredCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, deferrals := newReplies(2), make(chan *rpc.Deferral, 2)
		h := start(t, register(t, defers(deferrals)), Options{})
		h.Dispatch([]*rpc.Call{call(1, 0, to), call(2, 0, to)})
		synctest.Wait()
		go func() {
			time.Sleep(time.Second)
			(<-deferrals).Reply(&number{5}) // in time
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		began := time.Now()
		if n := h.Close(ctx); n != 0 || time.Since(began) != time.Minute {
			t.Errorf("%d workers after %v", n, time.Since(began))
		}
		results, cut := 0, 0
		for _, r := range to.by {
			switch {
			case r.Err == nil:
				results++
			case r.Err.Code == rpc.Unavailable && r.Err.Execution == rpc.MaybeExecuted:
				cut++
			}
		}
		if results != 1 || cut != 1 {
			t.Errorf("replies: %+v", to.by)
		}
		if n := h.Close(context.Background()); n != 0 {
			t.Errorf("%d workers after Close", n)
		}
	})
}
