package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestReplyError(t *testing.T) {
	standby := rpc.Standby("over there")
	downstream := *standby
	downstream.Remote, downstream.Method = true, "Other.call"
	own := &rpc.Error{Code: rpc.Unavailable, Message: "m", Execution: rpc.NotExecuted}
	for _, tt := range []struct {
		name string
		err  error
		want rpc.Error
	}{
		{"plain", errors.New("oh dear"), rpc.Error{Code: rpc.Unknown, Message: "oh dear", Execution: rpc.Executed}},
		{"context", context.Canceled, rpc.Error{Code: rpc.Canceled, Message: "context canceled", Execution: rpc.Executed}},
		{"coded", rpc.NewError(rpc.NotFound, "gone"), rpc.Error{Code: rpc.NotFound, Message: "gone", Execution: rpc.Executed}},
		{"standby", standby, *standby},
		{"busy", rpc.Busy("later"), rpc.Error{Code: rpc.ResourceExhausted, Message: "later", Execution: rpc.NotExecuted, Advice: rpc.AdviceRetry}},
		{"of a call that the handler made", &downstream, rpc.Error{Code: rpc.Unavailable, Message: "over there", Execution: rpc.Executed}},
		{"wrapped", fmt.Errorf("asking: %w", &downstream), rpc.Error{Code: rpc.Unavailable, Message: "asking: " + downstream.Error(), Execution: rpc.Executed}},
		{"without advice", own, rpc.Error{Code: rpc.Unavailable, Message: "m", Execution: rpc.Executed}},
	} {
		got := rpc.ReplyError(tt.err)
		if *got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, *got, tt.want)
		}
		if got == tt.err {
			t.Errorf("%s: the handler's own error was returned", tt.name)
		}
	}
}

func TestAdviceNames(t *testing.T) {
	for a, want := range map[rpc.Advice]string{rpc.AdviceNone: "none", rpc.AdviceRetry: "retry", rpc.AdviceFailover: "failover", 9: "advice(9)"} {
		if got := a.String(); got != want {
			t.Errorf("%d: %q, want %q", a, got, want)
		}
	}
}

func TestStagesInErrors(t *testing.T) {
	e := &rpc.Error{Code: rpc.DeadlineExceeded, Message: "late", Method: "Echo.echo", Stages: rpc.Stages{
		Dial: 1, ClientQueue: 2, Wire: 3, ServerQueue: 1200 * time.Millisecond, Handler: 300 * time.Millisecond, Reply: 4,
	}}
	const want = "Echo.echo: deadline_exceeded: late (maybe executed) [dial 1ns, client queue 2ns, wire 3ns, server queue 1.2s, handler 300ms, reply 4ns]"
	if got := e.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if s := (rpc.Stages{}).String(); s != "" {
		t.Errorf("no stages: %q", s)
	}
}

func TestDisconnected(t *testing.T) {
	plain, oneway, detached := new(rpc.Call), &rpc.Call{Oneway: true}, new(rpc.Call)
	detached.Detach()
	for _, c := range []*rpc.Call{plain, oneway, detached} {
		c.Disconnected()
	}
	if plain.Context().Err() != context.Canceled || oneway.Context().Err() != nil || detached.Context().Err() != nil {
		t.Errorf("%v, %v, %v", plain.Context().Err(), oneway.Context().Err(), detached.Context().Err())
	}
	detached.Cancel(context.Canceled) // the caller itself may still cancel
	if detached.Context().Err() == nil {
		t.Error("a detached call cannot be canceled")
	}
}

func TestEnded(t *testing.T) {
	at := time.Now().Add(time.Hour)
	c := &rpc.Call{Deadline: at}
	if err := c.Ended(at.Add(-1)); err != nil {
		t.Errorf("before the deadline: %v", err)
	}
	canceled := &rpc.Call{Deadline: at}
	canceled.Cancel(context.Canceled)
	if err := canceled.Ended(at.Add(-1)); err != context.Canceled {
		t.Errorf("canceled: %v", err)
	}
	past := &rpc.Call{Deadline: time.Now().Add(-time.Second)}
	if err := past.Ended(time.Now()); err != context.DeadlineExceeded {
		t.Errorf("past the deadline: %v", err)
	}
}
