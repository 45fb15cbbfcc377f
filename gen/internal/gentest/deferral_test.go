package gentest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/kitchen"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/services"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/shared"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// answers tells a deferring implementation, by the call's number, how to answer it. They report what the deferral does.
type answers[D any] map[int32]func(D) bool

// deferring implements services.Calls, and answers from another goroutine.
type deferring struct {
	services.Calls // the methods that no test calls
	fail           answers[*services.CallsFailDeferral]
	failVoid       answers[*services.CallsFailVoidDeferral]
	failStruct     answers[*services.CallsFailStructDeferral]
	wrong          chan error
}

// later answers a call as soon as its method may have returned.
func later[D any](d D, err error, answer func(D) bool) error {
	if err != nil {
		return err
	}
	go answer(d)
	return rpc.ErrDeferred
}

func (s *deferring) Fail(ctx context.Context, how int32) (int32, error) {
	d, err := services.DeferCallsFail(ctx)
	return 0, later(d, err, s.fail[how])
}

func (s *deferring) FailVoid(ctx context.Context, how int32) error {
	d, err := services.DeferCallsFailVoid(ctx)
	return later(d, err, s.failVoid[how])
}

func (s *deferring) FailStruct(ctx context.Context, how int32) (*kitchen.Later, error) {
	d, err := services.DeferCallsFailStruct(ctx)
	return nil, later(d, err, s.failStruct[how])
}

// Hints makes the mistake of deferring another method's call.
func (s *deferring) Hints(ctx context.Context) error {
	_, err := services.DeferCallsFail(ctx)
	_, err2 := services.DeferCallsFailVoid(ctx)
	s.wrong <- errors.Join(err, err2)
	return err
}

// dial serves services in memory until the test ends, and returns a client of theirs.
func dial(t *testing.T, of ...*rpc.Service) *client.Client {
	t.Helper()
	s, err := rpctest.NewServer(rpctest.Options{}, of...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(t.Context(), "tcp://any:1", client.WithDialer(s.Dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c
}

// TestDeferrals: results, declared exceptions and other errors reach the caller as if the method had returned them.
func TestDeferrals(t *testing.T) {
	busy := &services.Busy{RetryAfterMs: 7}
	wrapped := fmt.Errorf("not now: %w", busy)
	c := services.NewCallsClient(dial(t, services.NewCallsService(&deferring{
		fail: answers[*services.CallsFailDeferral]{
			0: func(d *services.CallsFailDeferral) bool { return d.Reply(5) },
			1: func(d *services.CallsFailDeferral) bool { return d.Fail(wrapped) },
			2: func(d *services.CallsFailDeferral) bool { return d.Fail(&services.Gone{Reason: "sold"}) },
			3: func(d *services.CallsFailDeferral) bool { return d.Fail(rpc.NewError(rpc.NotFound, "no such thing")) },
			4: func(d *services.CallsFailDeferral) bool { return d.Fail(errors.New("oops")) },
			5: func(d *services.CallsFailDeferral) bool { return d.Fail(nil) },
		},
		failVoid: answers[*services.CallsFailVoidDeferral]{
			0: func(d *services.CallsFailVoidDeferral) bool { return d.Reply() },
			1: func(d *services.CallsFailVoidDeferral) bool { return d.Fail(wrapped) },
			4: func(d *services.CallsFailVoidDeferral) bool { return d.Fail(errors.New("oops")) },
			5: func(d *services.CallsFailVoidDeferral) bool { return d.Fail(nil) },
		},
		failStruct: answers[*services.CallsFailStructDeferral]{
			0: func(d *services.CallsFailStructDeferral) bool { return d.Reply(&kitchen.Later{X: 3}) },
			1: func(d *services.CallsFailStructDeferral) bool { return d.Fail(wrapped) },
			6: func(d *services.CallsFailStructDeferral) bool { return d.Reply(nil) },
		},
	})))
	for how, want := range map[int32]struct {
		code rpc.Code // where it is no exception
		text string
	}{
		0: {}, 1: {}, 2: {},
		3: {rpc.NotFound, "no such thing"}, 4: {rpc.Unknown, "oops"}, 5: {rpc.Internal, "without an error"}, 6: {rpc.Internal, "returned no result"},
	} {
		check := func(method string, err error) {
			t.Helper()
			var gotBusy *services.Busy
			var gotGone *services.Gone
			switch {
			case how == 0 && err == nil:
			case how == 1 && errors.As(err, &gotBusy) && cmp.Equal(busy, gotBusy):
			case how == 2 && errors.As(err, &gotGone) && gotGone.Reason == "sold":
			case want.code != 0 && err != nil && rpc.CodeOf(err) == want.code && strings.Contains(err.Error(), want.text):
			default:
				t.Errorf("%s %d: %v", method, how, err)
			}
		}
		if how < 6 {
			n, err := c.Fail(t.Context(), how)
			check("fail", err)
			if err == nil && n != 5 {
				t.Errorf("result %d", n)
			}
		}
		if how != 2 && how != 3 && how != 6 {
			check("failVoid", c.FailVoid(t.Context(), how))
		}
		if how < 2 || how == 6 {
			v, err := c.FailStruct(t.Context(), how)
			check("failStruct", err)
			if err == nil && v.X != 3 {
				t.Errorf("result %v", v)
			}
		}
	}
}

// TestDeferralAnswersOnce: as rpc.Deferral does.
func TestDeferralAnswersOnce(t *testing.T) {
	again := make(chan bool, 3)
	c := services.NewCallsClient(dial(t, services.NewCallsService(&deferring{
		fail: answers[*services.CallsFailDeferral]{0: func(d *services.CallsFailDeferral) bool {
			first := d.Context().Err() == nil && d.Reply(1)
			again <- first && !d.Reply(2) && !d.Fail(errors.New("late")) && !d.Fail(nil)
			return first
		}},
		failVoid: answers[*services.CallsFailVoidDeferral]{0: func(d *services.CallsFailVoidDeferral) bool {
			first := d.Context().Err() == nil && d.Fail(&services.Busy{})
			again <- first && !d.Reply() && !d.Fail(errors.New("late"))
			return first
		}},
	})))
	if n, err := c.Fail(t.Context(), 0); n != 1 || err != nil || !<-again {
		t.Errorf("%d, %v, or it answered twice", n, err)
	}
	var busy *services.Busy
	if err := c.FailVoid(t.Context(), 0); !errors.As(err, &busy) || !<-again {
		t.Errorf("%v, or it answered twice", err)
	}
}

// TestDeferralOfAnotherMethod: what is typed for one method does not answer a call of another.
func TestDeferralOfAnotherMethod(t *testing.T) {
	wrong := make(chan error, 1)
	c := services.NewCallsClient(dial(t, services.NewCallsService(&deferring{wrong: wrong})))
	if err := c.Hints(t.Context()); rpc.CodeOf(err) != rpc.FailedPrecondition {
		t.Error(err)
	}
	text := (<-wrong).Error()
	for _, want := range []string{"Calls.hints cannot be deferred as one of Calls.fail\n", "Calls.hints cannot be deferred as one of Calls.failVoid"} {
		if !strings.Contains(text+"\n", want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if _, err := services.DeferCallsFail(t.Context()); rpc.CodeOf(err) != rpc.FailedPrecondition {
		t.Errorf("outside of a call: %v", err)
	}
}

// inheritor implements services.Derived. Its methods do not know through which service they are called.
type inheritor struct{ services.Derived }

func (inheritor) Middle(ctx context.Context, v string) (string, error) {
	d, err := services.DeferMiddleMiddle(ctx)
	return "", later(d, err, func(d *services.MiddleMiddleDeferral) bool { return d.Reply(v + v) })
}

func (inheritor) Healthy(ctx context.Context) (bool, error) {
	d, err := services.DeferDerivedHealthy(ctx)
	return false, later(d, err, func(d *services.DerivedHealthyDeferral) bool { return d.Reply(true) })
}

// TestDeferralOfInheritedMethods: the functions of all services that have a method are good for it, across packages.
func TestDeferralOfInheritedMethods(t *testing.T) {
	conn := dial(t, services.NewDerivedService(inheritor{}), services.NewMiddleService(inheritor{}), shared.NewHealthService(inheritor{}))
	for _, c := range []interface {
		Healthy(context.Context) (bool, error)
	}{services.NewDerivedClient(conn), services.NewMiddleClient(conn), shared.NewHealthClient(conn)} {
		if ok, err := c.Healthy(t.Context()); !ok || err != nil {
			t.Errorf("%T: %v, %v", c, ok, err)
		}
	}
	for _, c := range []interface {
		Middle(context.Context, string) (string, error)
	}{services.NewDerivedClient(conn), services.NewMiddleClient(conn)} {
		if v, err := c.Middle(t.Context(), "ab"); v != "abab" || err != nil {
			t.Errorf("%T: %q, %v", c, v, err)
		}
	}
}
