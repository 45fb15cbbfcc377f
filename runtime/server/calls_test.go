package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// exercise makes every kind of call. Over Thrift, coded errors lose their code, and calls their deadline.
func exercise(t *testing.T, h *host, c rpc.Caller, native bool) {
	ctx := t.Context()
	e := echotest.NewEchoClient(c)
	check(t, e, 1)

	call := e.EchoAsync(ctx, message(2))
	got, err := call.Wait(ctx)
	if diff := cmp.Diff(message(2), got); err != nil || diff != "" {
		t.Errorf("async: %v\n%s", err, diff)
	}

	_, err = e.Refuse(ctx, 7)
	var refused *echotest.Refused
	if !errors.As(err, &refused) || refused.Reason != "no" || refused.Code != 7 {
		t.Errorf("declared exception: got %v", err)
	}
	if s, err := e.Refuse(ctx, 0); s != "fine" || err != nil {
		t.Errorf("got %q, %v", s, err)
	}
	code, exec := rpc.NotFound, rpc.Executed
	if !native {
		code, exec = rpc.Internal, rpc.MaybeExecuted
	}
	_, err = e.Refuse(ctx, -int32(rpc.NotFound))
	wantError(t, err, code, exec, "code 5")
	_, err = e.Explode(ctx, "secret")
	wantError(t, err, rpc.Internal, exec, "panicked")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the caller is told too much: %v", err)
	}
	_, err = e.Ring(ctx)
	if rpc.CodeOf(err) != rpc.Internal || !strings.Contains(err.Error(), "result") {
		t.Errorf("a result that cannot be encoded: %v", err)
	}

	if err := e.Note(ctx, "to whom it may concern"); err != nil {
		t.Error(err)
	}
	select {
	case s := <-h.impl.notes:
		if s != "to whom it may concern" {
			t.Errorf("noted %q", s)
		}
	case <-time.After(soon):
		t.Error("the oneway call did not arrive")
	}

	want, _ := h.impl.Big(ctx, 3<<20)
	b, err := e.Big(ctx, 3<<20)
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("big: %d bytes, %v", len(b), err)
	}
	if s, err := e.Plain(ctx, 600_000); err != nil || s != strings.Repeat("plain ", 100_000) {
		t.Errorf("plain: %d bytes, %v", len(s), err)
	}
	long := strings.Repeat("round and round ", 100_000)
	if s, err := e.Packed(ctx, long); err != nil || s != long {
		t.Errorf("packed: %d bytes, %v", len(s), err)
	}
	check(t, e, 3) // after all that
}

func TestCalls(t *testing.T) {
	h := start(t)
	for name, address := range map[string]string{"TCP": h.tcp, "Unix": h.unix} {
		t.Run(name, func(t *testing.T) { exercise(t, h, h.dial(address), true) })
		t.Run(name+" compact", func(t *testing.T) {
			exercise(t, h, h.dial(address, client.WithEncoding(codec.Compact)), true)
		})
		t.Run(name+" 4 connections", func(t *testing.T) {
			exercise(t, h, h.dial(address, client.WithConnections(4)), true)
		})
	}
	t.Run("second TCP port", func(t *testing.T) {
		if _, err := h.srv.Listen("tcp://127.0.0.1:0"); err == nil {
			t.Error("an address was bound while serving")
		}
	})
}

// Both services have a method whoami; each client reaches its own, and an ancestor's name reaches the descendant.
func TestServices(t *testing.T) {
	h := start(t)
	c := h.dial(h.tcp)
	if s, err := echotest.NewEchoClient(c).Whoami(t.Context()); s != "echo" || err != nil {
		t.Errorf("Echo: %q, %v", s, err)
	}
	if s, err := echotest.NewClockClient(c).Whoami(t.Context()); s != "clock" || err != nil {
		t.Errorf("Clock: %q, %v", s, err)
	}
	if s, err := echotest.NewBaseClient(c).Whoami(t.Context()); s != "echo" || err != nil {
		t.Errorf("Base: %q, %v", s, err)
	}
	if n, err := echotest.NewClockClient(c).Ticks(t.Context(), 5); n != 1005 || err != nil {
		t.Errorf("ticks: %d, %v", n, err)
	}
}

func TestUnknownMethod(t *testing.T) {
	h := start(t)
	for _, m := range []*rpc.Method{
		{Service: "Echo", Name: "walk", FullName: "Echo.walk"},
		{Service: "Nobody", Name: "echo", FullName: "Nobody.echo"},
	} {
		err := h.dial(h.tcp).Call(t.Context(), m, &echotest.Msg{}, &echotest.Msg{})
		wantError(t, err, rpc.Unimplemented, rpc.NotExecuted, "no ")
	}
}

func TestDeadlineReachesTheHandler(t *testing.T) {
	h := start(t)
	e := h.echo()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	left, err := e.Left(ctx)
	if d := time.Duration(left) * time.Microsecond; err != nil || d > time.Hour || d < time.Hour-soon {
		t.Errorf("%v left, %v", d, err)
	}
	left, err = e.Left(t.Context()) // the IDL says 7 s
	if d := time.Duration(left) * time.Microsecond; err != nil || d > 7*time.Second || d <= 0 {
		t.Errorf("%v left, %v", d, err)
	}

	for timeout := 50 * time.Millisecond; timeout < soon; timeout *= 2 { // on a busy machine it may be over before the call arrives
		ctx, cancel = context.WithTimeout(t.Context(), timeout)
		_, err = e.Slow(ctx, "deadline")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		select {
		case a := <-h.impl.arrived:
			awaitEnd(t, a.ctx, context.DeadlineExceeded, context.Canceled) // whichever of clock and caller is first
			return
		case <-time.After(timeout):
		}
	}
	t.Error("no call of Slow arrived")
}

func awaitEnd(t *testing.T, ctx context.Context, want ...error) {
	t.Helper()
	select {
	case <-ctx.Done():
		for _, w := range want {
			if ctx.Err() == w {
				return
			}
		}
		t.Errorf("the handler's context ended with %v, want %v", ctx.Err(), want)
	case <-time.After(soon):
		t.Error("the handler's context goes on")
	}
}

func TestCancelReachesTheHandler(t *testing.T) {
	h := start(t)
	e := h.echo()
	ctx, cancel := context.WithCancel(t.Context())
	call := e.SlowAsync(ctx, "cancel")
	a := h.awaitArrival()
	cancel()
	_, err := call.Wait(t.Context())
	wantError(t, err, rpc.Canceled, rpc.MaybeExecuted, "")
	awaitEnd(t, a.ctx, context.Canceled)
	check(t, e, 1) // the connection is none the worse

	// So does the end of the connection.
	c := h.dial(h.tcp)
	echotest.NewEchoClient(c).SlowAsync(t.Context(), "gone")
	a = h.awaitArrival()
	c.Close()
	awaitEnd(t, a.ctx, context.Canceled)
}

func TestRepliesOutOfOrder(t *testing.T) {
	h := start(t)
	e := h.echo()
	const n = 50
	var calls []*echotest.EchoSlowCall
	for i := range n {
		calls = append(calls, e.SlowAsync(t.Context(), fmt.Sprint(i)))
	}
	for range n {
		h.awaitArrival()
	}
	for i := n - 1; i >= 0; i-- {
		close(h.impl.gate(fmt.Sprint(i)))
		s, err := calls[i].Wait(t.Context())
		if s != fmt.Sprintf("woken %d", i) || err != nil {
			t.Fatalf("call %d: %q, %v", i, s, err)
		}
		if i > 0 {
			select {
			case <-calls[i-1].Done():
				t.Fatalf("call %d ended before it was released", i-1)
			default:
			}
		}
	}
}

func TestManyCallersOnOneConnection(t *testing.T) {
	h := start(t)
	e := h.echo()
	const callers, each = 1000, 5
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				check(t, e, int64(i*each+j))
			}
		})
	}
	wg.Wait()
}
