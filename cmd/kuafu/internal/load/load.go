// Package load sends calls to measure how long they take.
package load

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what to send, and how much. Either Calls or Duration ends the run, whichever comes first; one of them is set.
type Config struct {
	Concurrency int           // calls at once, at least 1
	Calls       int64         // 0 for no limit
	Duration    time.Duration // 0 for no limit

	// Rate is how many calls a second fall due. 0 is a closed loop: each worker sends its next call when the last one has
	// ended. Otherwise the loop is open: latency counts from when a call was due, so that a server that stalls
	// is charged for the calls which waited meanwhile (coordinated omission).
	Rate float64

	// Call makes one call and returns "" or the kind of its failure. It is called from Concurrency goroutines.
	Call func(ctx context.Context) (failure string)

	// Progress is called twice a second, if it is not nil, with the number of calls that have ended.
	Progress func(done int64, elapsed time.Duration)
}

// Report is what came of a run.
type Report struct {
	Calls    int64            // that have ended, failed ones included
	Failures map[string]int64 // by kind
	Unsent   int64            // open loop: calls that were due and had found no worker when the time was over
	Elapsed  time.Duration
	Latency  Histogram // of all calls, failed ones included
}

// Run sends calls until the end of the configuration or of ctx, and waits for those that are under way.
func Run(ctx context.Context, c Config) *Report {
	r := &run{Config: c, start: time.Now(), ended: make(chan struct{})}
	var ticker sync.WaitGroup
	if c.Progress != nil {
		ticker.Go(r.tick)
	}
	reports := make([]*Report, c.Concurrency)
	var workers sync.WaitGroup
	for i := range reports {
		reports[i] = &Report{Failures: make(map[string]int64)}
		workers.Go(func() { r.work(ctx, reports[i]) })
	}
	workers.Wait()
	total := &Report{Failures: make(map[string]int64), Elapsed: time.Since(r.start)}
	close(r.ended)
	ticker.Wait()
	for _, part := range reports {
		total.Calls += part.Calls
		for kind, n := range part.Failures {
			total.Failures[kind] += n
		}
		total.Latency.Add(&part.Latency)
	}
	if c.Rate > 0 {
		total.Unsent = max(0, r.due(total.Elapsed)-total.Calls)
	}
	return total
}

// run is the state that the workers share.
type run struct {
	Config
	start time.Time
	next  atomic.Int64 // the number of the next call
	done  atomic.Int64
	ended chan struct{}
}

// due returns how many calls fall due in a time, within the limits of the run.
func (r *run) due(elapsed time.Duration) int64 {
	if r.Duration > 0 {
		elapsed = min(elapsed, r.Duration)
	}
	n := int64(math.Ceil(elapsed.Seconds() * r.Rate))
	if r.Calls > 0 {
		n = min(n, r.Calls)
	}
	return n
}

func (r *run) work(ctx context.Context, report *Report) {
	var timer *time.Timer
	for ctx.Err() == nil {
		now := time.Since(r.start)
		if r.Duration > 0 && now >= r.Duration {
			return
		}
		i := r.next.Add(1) - 1
		if r.Calls > 0 && i >= r.Calls {
			return
		}
		begin := now
		if r.Rate > 0 {
			begin = time.Duration(float64(i) / r.Rate * float64(time.Second))
			if r.Duration > 0 && begin >= r.Duration {
				return
			}
			if wait := begin - now; wait > 0 {
				if timer == nil {
					timer = time.NewTimer(wait)
				} else {
					timer.Reset(wait)
				}
				select {
				case <-timer.C:
				case <-ctx.Done():
					return
				}
			}
		}
		failure := r.Call(ctx)
		if failure != "" && ctx.Err() != nil {
			return // the end of the run is no failure of the server
		}
		report.Latency.Record(time.Since(r.start) - begin)
		report.Calls++
		if failure != "" {
			report.Failures[failure]++
		}
		r.done.Add(1)
	}
}

func (r *run) tick() {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			r.Progress(r.done.Load(), time.Since(r.start))
		case <-r.ended:
			return
		}
	}
}
