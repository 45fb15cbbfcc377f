package cell

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/stats"
)

// arrivals is an open loop: calls are due at times that do not depend on how long calls take, and their latency counts
// from then. So a server that stands still for a while pays for all that would have come meanwhile. The times between
// two are distributed exponentially, as if many independent clients called.
type arrivals struct {
	callers // those who make the calls; an arrival that finds none free waits for one
	rate    float64
	began   time.Time
	due     chan time.Duration // after began; what nobody has taken yet
	stopped chan struct{}

	// The window, after began: a call counts if it was due within.
	from, until atomic.Int64

	late stats.Histogram // how long after it was due an arrival was handed over
}

// maxWaiting is how many arrivals may wait for callers. More would do so as well, before they are handed over.
const maxWaiting = 1 << 16

// newArrivals makes rate calls per second, by as many goroutines as there are calls.
func newArrivals(calls []peer.Call, rate float64) *arrivals {
	a := &arrivals{rate: rate, began: time.Now(), due: make(chan time.Duration, maxWaiting), stopped: make(chan struct{})}
	a.from.Store(math.MaxInt64)
	a.until.Store(math.MaxInt64)
	a.first.Add(len(calls))
	for i, call := range calls {
		a.running.Go(func() { a.work(call, int64(i)<<32, &a.latency[i%shards]) })
	}
	a.running.Go(a.schedule)
	return a
}

// schedule hands over arrivals until the loop is stopped.
func (a *arrivals) schedule() {
	defer close(a.due)
	timer, err := newTimer()
	if err != nil {
		a.fail(err)
		return
	}
	defer timer.close()
	a.first.Wait()
	random := rand.New(rand.NewPCG(44, 44))
	for next := time.Since(a.began); ; next += time.Duration(random.ExpFloat64() / a.rate * float64(time.Second)) {
		now := time.Since(a.began)
		if now < next {
			if err := timer.wait(next - now); err != nil {
				a.fail(err)
				return
			}
			now = time.Since(a.began)
		}
		select {
		case a.due <- next:
		case <-a.stopped:
			return
		}
		if a.counts(next) {
			a.late.Record(now - next)
		}
	}
}

// work makes calls when they are due, with ids from first on.
func (a *arrivals) work(call peer.Call, first int64, latency *stats.Histogram) {
	err := call(first)
	if err != nil {
		a.fail(err)
	}
	a.first.Done()
	id := first
	for due := range a.due {
		if err != nil {
			continue // somebody has to take what is due, or the end would not be seen
		}
		id++
		if err = call(id); err != nil {
			a.fail(err)
		} else if a.counts(due) {
			latency.Record(time.Since(a.began) - due)
		}
	}
}

func (a *arrivals) counts(due time.Duration) bool {
	return int64(due) >= a.from.Load() && int64(due) < a.until.Load()
}

func (a *arrivals) begin() { a.from.Store(int64(time.Since(a.began))) }

func (a *arrivals) end() { a.until.Store(int64(time.Since(a.began))) }

// stop waits for the calls that were due, however long they take.
func (a *arrivals) stop() (*stats.Histogram, error) {
	close(a.stopped)
	return a.callers.stop()
}
