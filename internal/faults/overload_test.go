package faults

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
)

// flood is what became of a server that was sent more calls than it can take.
type flood struct {
	peak     float64 // calls that succeed each second while there are just enough of them
	goodput  float64 // and in time, during the flood
	offered  float64 // calls each second, during the flood
	handlers int64   // that were started during the flood
	wasted   int64   // of them, those whose callers had no use for the outcome
	late     int64   // of them, those that were started after their deadline
	memory   int64   // growth of the server's live heap from early in the flood to its end, in bytes
}

func (f flood) String() string {
	return fmt.Sprintf("peak %.0f/s, offered %.0f/s, goodput %.0f/s (%.1f %% of the peak); %d handlers ran, %d in vain, %d begun after the deadline; live heap %+d KiB",
		f.peak, f.offered, f.goodput, 100*f.goodput/f.peak, f.handlers, f.wasted, f.late, f.memory/1024)
}

const (
	floodWorkers = 4
	floodHold    = 5 * time.Millisecond
	floodTimeout = 250 * time.Millisecond // half of what a full queue takes
)

// measureFlood measures the peak for d and then sends four times as many calls for 2 d, with deadlines that are shorter
// than the queue. They come at their rate, whatever becomes of those before, and are not repeated.
func measureFlood(t testing.TB, d time.Duration, c config) (f flood) {
	c.Address, c.Workers = "tcp://127.0.0.1:0", floodWorkers
	p := start(t, c)
	conns := make([]*client.Client, 4)
	for i := range conns {
		conns[i] = dial(t, p.address)
	}
	f.peak = closedLoop(t, conns, d)
	before := p.report()

	ctx, cancel := context.WithTimeout(t.Context(), 2*d)
	defer cancel()
	begin, settled := time.Now(), time.Now().Add(d/4)
	early := make(chan report, 1)
	time.AfterFunc(d/2, func() { early <- p.report() })
	var good, succeeded atomic.Int64
	var wg sync.WaitGroup
	sent := 0
	for tick := time.NewTicker(2 * time.Millisecond); ctx.Err() == nil; <-tick.C {
		for due := int(4 * f.peak * time.Since(begin).Seconds()); sent < due; sent++ {
			conn := conns[sent%len(conns)]
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), floodTimeout)
				defer cancel()
				var r receipt
				if conn.Go(ctx, methodRead, &order{Hold: floodHold}, &r).Wait(ctx) == nil {
					succeeded.Add(1)
					if now := time.Now(); now.After(settled) && now.Before(begin.Add(2*d)) {
						good.Add(1)
					}
				}
			})
		}
	}
	f.offered = float64(sent) / time.Since(begin).Seconds()
	f.memory = p.report().Heap - (<-early).Heap
	wg.Wait()
	after := p.report()
	f.goodput = float64(good.Load()) / begin.Add(2*d).Sub(settled).Seconds()
	f.handlers, f.late = after.Begun-before.Begun, after.Late-before.Late
	f.wasted = f.handlers - succeeded.Load()
	return f
}

// closedLoop returns the calls that succeed each second with just enough callers to keep all workers busy.
func closedLoop(t testing.TB, conns []*client.Client, d time.Duration) float64 {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var took times
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range 3 * floodWorkers {
		wg.Go(func() { repeat(ctx, t, conns[i%len(conns)], methodRead, order{Hold: floodHold}, 0, &took) })
	}
	wg.Wait()
	return float64(took.count()) / time.Since(begin).Seconds()
}

// TestFlood: four times the load that a server can take costs it next to nothing of what it can do.
func TestFlood(t *testing.T) {
	var f flood
	for range attempts {
		f = measureFlood(t, span(time.Second), config{})
		t.Log(f)
		if f.late > f.handlers/100 { // a few, if the process loses its processor between the look at the clock and the handler
			t.Errorf("%d of %d handlers began after their calls' deadlines", f.late, f.handlers)
		}
		if f.memory > 16<<20 {
			t.Errorf("the server's heap grew by %d KiB", f.memory/1024)
		}
		if f.offered >= 3*f.peak && f.goodput >= 0.8*f.peak {
			return
		}
	}
	t.Errorf("%v: want at least 80 %% under a load of four times the peak", f)
}

// TestFloodWithoutShedding is the same with a server that begins whatever still has time left: the measure must tell the
// difference, because calls come to a worker when their callers are about to give up.
func TestFloodWithoutShedding(t *testing.T) {
	var f flood
	for range attempts {
		f = measureFlood(t, span(time.Second), config{KeepStale: true})
		t.Log(f)
		if f.goodput < 0.8*f.peak && f.wasted >= f.handlers/4 {
			return
		}
	}
	t.Errorf("%v: nothing is lost without shedding, so the test shows nothing", f)
}

// fairness is how long the calls of a modest caller take, which has one in flight: alone, in the first second beside a
// caller that has come with 512 at once, and later on.
type fairness struct{ alone, first, later quantiles }

type quantiles struct{ mid, high time.Duration } // median and 99th percentile

func (f fairness) firstRatio() float64 { return float64(f.first.high) / float64(f.alone.high) }
func (f fairness) laterRatio() float64 { return float64(f.later.high) / float64(f.alone.high) }

func (f fairness) String() string {
	return fmt.Sprintf("p99 %v alone, %v in the first second beside 512 calls (%.2f x), %v later (%.2f x); p50 %v, %v and %v",
		f.alone.high, f.first.high, f.firstRatio(), f.later.high, f.laterRatio(), f.alone.mid, f.first.mid, f.later.mid)
}

// measureFairness measures the modest caller alone and beside the greedy one, for d each but for the first second. In
// between the queue gets settle of the time that its settings, the default ones, may need to learn who is who.
func measureFairness(t testing.TB, d, settle time.Duration, fair bool) (f fairness) {
	const hold = 10 * time.Millisecond // long beside what the processors, which all share, are late by
	p := start(t, config{Address: "tcp://127.0.0.1:0", Workers: 16, Queue: 1024, Fair: fair})
	modest, greedy := dial(t, p.address), dial(t, p.address)
	one := func(d time.Duration) quantiles {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		var took times
		repeat(ctx, t, modest, methodRead, order{Hold: hold}, 0, &took)
		return quantiles{took.quantile(0.5), took.quantile(0.99)}
	}
	f.alone = one(d)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 512 {
		// Different ones, or the workers would march in step, and a call that has missed one lot would wait for the next.
		o := order{Hold: hold/2 + hold*time.Duration(i)/512}
		wg.Go(func() { repeat(ctx, t, greedy, methodRead, o, 0, nil) })
	}
	f.first = one(time.Second)
	time.Sleep(settle)
	f.later = one(d)
	cancel()
	wg.Wait()
	return f
}

// TestFairness: with a fair queue a caller with one call in flight hardly notices another with 512, from the first second
// on.
func TestFairness(t *testing.T) {
	var f fairness
	good := func(q quantiles) bool { return q.mid <= 2*f.alone.mid && q.high <= 2*f.alone.high+100*time.Millisecond }
	for range attempts {
		f = measureFairness(t, span(time.Second), 0, true)
		t.Log(f)
		if good(f.first) && good(f.later) {
			return
		}
	}
	t.Errorf("%v: want at most twice as long; p99 may have 100 ms more, for a busy machine", f)
}

// TestUnfairness is the same without: the measure must tell the difference.
func TestUnfairness(t *testing.T) {
	var f fairness
	for range attempts {
		f = measureFairness(t, time.Second, 0, false)
		t.Log(f)
		if f.first.mid > 4*f.alone.mid && f.later.mid > 4*f.alone.mid {
			return
		}
	}
	t.Errorf("%v: the queue is fair without being asked to, so the test shows nothing", f)
}
