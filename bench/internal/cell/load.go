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

// drainTimeout is how long calls may take to end after the last window.
const drainTimeout = 10 * time.Second

// load is a number of callers, each making one call after another.
type load struct {
	measuring atomic.Bool // a call counts if this is set when it ends
	stopped   atomic.Bool
	callers   sync.WaitGroup
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
	for i, call := range calls {
		l.callers.Go(func() { l.run(call, int64(i)<<32, &l.latency[i%shards]) })
	}
	return l, nil
}

// run makes calls with ids from first on until the load is stopped or a call fails.
func (l *load) run(call peer.Call, first int64, latency *stats.Histogram) {
	for id := first; !l.stopped.Load(); id++ {
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

// stop ends the callers and returns the latencies of all; any call's error is its own.
func (l *load) stop() (*stats.Histogram, error) {
	l.stopped.Store(true)
	ended := make(chan struct{})
	go func() {
		l.callers.Wait()
		close(ended)
	}()
	all := new(stats.Histogram)
	select {
	case <-ended:
	case <-time.After(drainTimeout):
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
