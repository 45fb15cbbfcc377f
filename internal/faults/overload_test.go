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
	for range 3 { // the machine may be busy
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
	f := measureFlood(t, span(time.Second), config{KeepStale: true})
	t.Log(f)
	if f.goodput >= 0.8*f.peak || f.wasted < f.handlers/4 {
		t.Errorf("%v: nothing is lost without shedding, so the test shows nothing", f)
	}
}

// fairness is how long the calls of a modest caller take.
type fairness struct {
	alone, beside       time.Duration // 99th percentiles: alone, and beside a caller with 512 calls in flight
	aloneMid, besideMid time.Duration // medians
}

func (f fairness) ratio() float64 { return float64(f.beside) / float64(f.alone) }

func (f fairness) String() string {
	return fmt.Sprintf("p99 %v alone, %v beside 512 calls (%.2f x); p50 %v and %v", f.alone, f.beside, f.ratio(), f.aloneMid, f.besideMid)
}

// measureFairness measures for d each. The queue gets two of its periods to learn who is greedy: until the first one
// ends, the modest caller stays where it was put when it was alone, and all costs were its own.
func measureFairness(t testing.TB, d time.Duration, fair bool) (f fairness) {
	const hold = 10 * time.Millisecond // long beside what the processors, which all share, are late by
	const period = 250 * time.Millisecond
	p := start(t, config{Address: "tcp://127.0.0.1:0", Workers: 16, Queue: 4096, Fair: fair, Period: period}) // room for 1,024 on each level
	modest, greedy := dial(t, p.address), dial(t, p.address)
	one := func() (mid, high time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		var took times
		repeat(ctx, t, modest, methodRead, order{Hold: hold}, 0, &took)
		return took.quantile(0.5), took.quantile(0.99)
	}
	f.aloneMid, f.alone = one()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	before := p.report().Begun
	for i := range 512 {
		// Different ones, or the workers would march in step, and a call that has missed one lot would wait for the next.
		o := order{Hold: hold/2 + hold*time.Duration(i)/512}
		wg.Go(func() { repeat(ctx, t, greedy, methodRead, o, 0, nil) })
	}
	p.await(before + 1024)
	time.Sleep(2 * period)
	f.besideMid, f.beside = one()
	cancel()
	wg.Wait()
	return f
}

// TestFairness: with a fair queue a caller with one call in flight hardly notices another with 512.
func TestFairness(t *testing.T) {
	var f fairness
	for range 3 {
		f = measureFairness(t, span(time.Second), true)
		t.Log(f)
		if f.besideMid <= 2*f.aloneMid && f.beside <= 2*f.alone+100*time.Millisecond {
			return
		}
	}
	t.Errorf("%v: want at most twice as long; p99 may have 100 ms more, for a busy machine", f)
}

// TestUnfairness is the same without: the measure must tell the difference.
func TestUnfairness(t *testing.T) {
	f := measureFairness(t, time.Second, false)
	t.Log(f)
	if f.besideMid <= 4*f.aloneMid {
		t.Errorf("%v: the queue is fair without being asked to, so the test shows nothing", f)
	}
}
