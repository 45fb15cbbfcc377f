package cell

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/stats"
)

// shards is how many histograms the callers share, lest they all write to the same cache lines.
const shards = 16

// Bounds on waiting for calls: for the first of each caller, and for the last after the window.
const (
	warmTimeout  = 30 * time.Second
	drainTimeout = 10 * time.Second
)

// callers are goroutines that each make one call after another.
type callers struct {
	measuring atomic.Bool // a call counts if this is set when it ends
	stopped   atomic.Bool
	first     sync.WaitGroup // callers whose first call has not ended
	running   sync.WaitGroup // callers that have not returned
	latency   [shards]stats.Histogram

	mu  sync.Mutex
	err error // the first of any call
}

// newCallers starts a goroutine for each call.
func newCallers(calls []peer.Call) *callers {
	c := new(callers)
	c.first.Add(len(calls))
	for i, call := range calls {
		c.running.Go(func() { c.run(call, int64(i)<<32, &c.latency[i%shards]) })
	}
	return c
}

// run makes calls with ids from first on until they are stopped or a call fails.
func (c *callers) run(call peer.Call, first int64, latency *stats.Histogram) {
	err := call(first)
	if err != nil {
		c.fail(err)
	}
	c.first.Done()
	if err != nil {
		return
	}
	for id := first + 1; !c.stopped.Load(); id++ {
		began := time.Now()
		if err := call(id); err != nil {
			c.fail(err)
			return
		}
		if c.measuring.Load() {
			latency.Record(time.Since(began))
		}
	}
}

func (c *callers) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// warm waits until every caller has made a call, however long the first ones take.
func (c *callers) warm() error {
	if !within(warmTimeout, &c.first) {
		return fmt.Errorf("not every caller has had a reply after %v", warmTimeout)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *callers) begin() { c.measuring.Store(true) }

func (c *callers) end() { c.measuring.Store(false) }

// stop ends the callers and returns the latencies of all; any call's error is its own.
func (c *callers) stop() (*stats.Histogram, error) {
	c.stopped.Store(true)
	all := new(stats.Histogram)
	if !within(drainTimeout, &c.running) {
		return all, fmt.Errorf("calls are still under way after %v", drainTimeout)
	}
	for i := range c.latency {
		all.Merge(&c.latency[i])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && all.Count() == 0 {
		return all, errors.New("no call ended within the window")
	}
	return all, c.err
}

// within waits for a group, and reports whether that ended in time.
func within(timeout time.Duration, group *sync.WaitGroup) bool {
	ended := make(chan struct{})
	go func() {
		group.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-time.After(timeout):
		return false
	}
}
