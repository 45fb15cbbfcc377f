package handler

import (
	"context"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// The defaults are part of the documentation (docs/limits.md).
func TestDefaultLimits(t *testing.T) {
	var o Options
	if err := o.applyDefaultsAndValidate(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"workers", o.Workers, 256},
		{"queue", o.Queue, 25_600},
		{"deferred calls", o.MaxDeferred, 65_536},
		{"streams", o.MaxStreams, 16_384},
		{"retry cache", o.Retries.Bytes, 64 << 20},
		{"its age", o.Retries.Age, 10 * time.Minute},
		{"callers", o.Overload.MaxCallers, 10_000},
		{"calls of a caller", o.Overload.MaxPerCaller, 0},
		{"attempts that wait", maxWaiters, 16},
		{"part of the cache for one outcome", maxPart, 8},
		{"calls of a caller in the queue, for each that there is room for", greed, 8},
		{"time of a Dispatch for inline calls", inlineBudget, 200 * time.Microsecond},
		{"a slow inline run", inlineSlow, 50 * time.Microsecond},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v, documented as %v", tt.name, tt.got, tt.want)
		}
	}
}

// Sixteen attempts may wait for the outcome of another; one more is to come back later, and has no part in it.
func TestWaitingAttemptsAreBounded(t *testing.T) {
	release := make(chan struct{})
	reg := registerOnce(t, func(_ context.Context, args *number) (codec.Encodable, error) {
		<-release
		return args, nil
	})
	h := start(t, reg, Options{})
	to := newReplies(20)
	for i := range uint64(1 + maxWaiters + 1) {
		h.Dispatch([]*rpc.Call{attempt(reg, i, 1, uint32(i), to)})
	}
	r, ok := to.get(1 + maxWaiters)
	if !ok || r.Err == nil || r.Err.Code != rpc.ResourceExhausted || r.Err.Execution != rpc.NotExecuted || r.Err.Advice != rpc.AdviceRetry {
		t.Errorf("one too many: %+v", r)
	}
	if s := h.Stats(); s.ClientBackoff != 1 || len(to.c) != 1 {
		t.Errorf("%d were answered, %+v", len(to.c), s)
	}
	close(release)
	h.Close(context.Background())
	for i := range uint64(1 + maxWaiters) {
		if got := value(t, to.by[i]); got != 1 {
			t.Errorf("attempt %d: %d", i, got)
		}
	}
}
