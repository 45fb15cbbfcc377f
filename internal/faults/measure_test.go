package faults

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// attempts is how often a figure may be measured until it is right: the machine may be busy with other things.
const attempts = 6

// promptly is what is added to the time in which something has to come to its end, for a machine that is busy. It is short
// beside what the end would take if it came in another way.
const promptly = 5 * time.Second

// span returns how long a measurement takes.
func span(short time.Duration) time.Duration {
	if *long {
		return 5 * short
	}
	return short
}

// times are how long calls took.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	t.all = append(t.all, d)
	t.mu.Unlock()
}

// quantile returns the time that a share of the calls did not exceed; 0 if there were none.
func (t *times) quantile(share float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) == 0 {
		return 0
	}
	slices.Sort(t.all)
	return t.all[min(int(share*float64(len(t.all))), len(t.all)-1)]
}

func (t *times) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

func median[T cmp.Ordered](values []T) T {
	values = slices.Clone(values)
	slices.Sort(values)
	return values[len(values)/2]
}

// repeat makes calls one after the other until ctx ends, with a pause in between, and adds how long each took to took,
// which may be nil. All must succeed.
func repeat(ctx context.Context, t testing.TB, c *client.Client, m *rpc.Method, o order, pause time.Duration, took *times) {
	for ctx.Err() == nil {
		begin := time.Now()
		if _, err := call(context.Background(), c, m, o); err != nil {
			t.Errorf("a call of %s: %v", m.FullName, err)
			return
		}
		if took != nil {
			took.add(time.Since(begin))
		}
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// medianOf returns the median of one figure of several runs.
func medianOf[R any, T cmp.Ordered](runs []R, figure func(R) T) T {
	values := make([]T, len(runs))
	for i, r := range runs {
		values[i] = figure(r)
	}
	return median(values)
}
