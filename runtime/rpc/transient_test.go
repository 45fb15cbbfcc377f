package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// verdict is an exception that is transient or not.
type verdict bool

func (v verdict) Error() string          { return fmt.Sprint("verdict ", bool(v)) }
func (v verdict) TransientFailure() bool { return bool(v) }

func TestIsTransient(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"no error", nil, false},
		{"plain", errors.New("oh dear"), false},
		{"deadline of a context", context.DeadlineExceeded, false},
		{"transient exception", verdict(true), true},
		{"permanent exception", verdict(false), false},
		{"wrapped", fmt.Errorf("asking: %w", verdict(true)), true},
		{"joined", errors.Join(errors.New("oh dear"), verdict(true)), true},
		{"the first counts", errors.Join(verdict(false), verdict(true)), false},
		{"busy", rpc.Busy("full"), true},
		{"standby", rpc.Standby("over there"), true},
		{"lost", rpc.NewError(rpc.Unavailable, "connection lost"), true},
		{"advice after execution", &rpc.Error{Code: rpc.Aborted, Execution: rpc.Executed, Advice: rpc.AdviceRetry}, true},
		{"a limit", rpc.NewError(rpc.ResourceExhausted, "too large"), false},
		{"deadline", rpc.NewError(rpc.DeadlineExceeded, "late"), false},
		{"canceled", rpc.NewError(rpc.Canceled, "no more"), false},
		{"a code over its cause", rpc.Errorf(rpc.Internal, "broken: %w", verdict(true)), false},
	} {
		if got := rpc.IsTransient(tt.err); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// Whoever makes calls again by himself asks whether it makes sense. That it does no harm is for him to know.
func ExampleIsTransient() {
	attempts := 0
	look := func() error { // a call that changes nothing
		if attempts++; attempts < 3 {
			return rpc.Busy("the queue is full")
		}
		return rpc.NewError(rpc.NotFound, "no such page")
	}
	err := look()
	for rpc.IsTransient(err) && attempts < 5 { // and a pause between them, as a rule
		err = look()
	}
	fmt.Println(attempts, "attempts;", err)
	// Output: 3 attempts; not_found: no such page
}
