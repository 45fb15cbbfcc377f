package cell

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
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

// load is a number of callers, each making one call after another.
type load struct {
	measuring atomic.Bool // a call counts if this is set when it ends
	stopped   atomic.Bool
	first     sync.WaitGroup // callers whose first call has not ended
	callers   sync.WaitGroup // callers that have not returned
	latency   [shards]stats.Histogram

	mu  sync.Mutex
	err error // the first of any call
}

func startLoad(p peer.Peer, r role, m *payload.Message) (*load, error) {
	calls, err := p.Dial(r.Addr, r.Spec.Callers, r.Spec.Conns, m)
	if err != nil {
		return nil, err
	}
	l := new(load)
	l.first.Add(len(calls))
	for i, call := range calls {
		l.callers.Go(func() { l.run(call, int64(i)<<32, &l.latency[i%shards]) })
	}
	return l, nil
}

// run makes calls with ids from first on until the load is stopped or a call fails.
func (l *load) run(call peer.Call, first int64, latency *stats.Histogram) {
	err := call(first)
	if err != nil {
		l.fail(err)
	}
	l.first.Done()
	if err != nil {
		return
	}
	for id := first + 1; !l.stopped.Load(); id++ {
		began := time.Now()
		if err := call(id); err != nil {
			l.fail(err)
			return
		}
		if l.measuring.Load() {
			latency.Record(time.Since(began))
		}
	}
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// warm waits until every caller has made a call, however long the first ones take.
func (l *load) warm() error {
	if !within(warmTimeout, &l.first) {
		return fmt.Errorf("not every caller has had a reply after %v", warmTimeout)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// stop ends the callers and returns the latencies of all; any call's error is its own.
func (l *load) stop() (*stats.Histogram, error) {
	l.stopped.Store(true)
	all := new(stats.Histogram)
	if !within(drainTimeout, &l.callers) {
		return all, fmt.Errorf("calls are still under way after %v", drainTimeout)
	}
	for i := range l.latency {
		all.Merge(&l.latency[i])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && all.Count() == 0 {
		return all, errors.New("no call ended within the window")
	}
	return all, l.err
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
