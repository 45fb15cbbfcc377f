package load

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestQuantiles compares with the sorted values.
func TestQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []float64{1, 100, 1e4, 1e6, 1e9, 1e15} {
		var h, parts Histogram
		var all []time.Duration
		for range 10 {
			var part Histogram
			for range 1000 {
				d := time.Duration(rng.ExpFloat64() * scale)
				all = append(all, d)
				h.Record(d)
				part.Record(d)
			}
			parts.Add(&part)
		}
		parts.sum = h.sum // which depends on the order of the additions
		if h != parts {
			t.Errorf("scale %g: the sum of the parts is another", scale)
		}
		slices.Sort(all)
		if h.Min() != all[0] || h.Max() != all[len(all)-1] || h.Count() != int64(len(all)) {
			t.Errorf("scale %g: %v to %v", scale, h.Min(), h.Max())
		}
		for _, q := range []float64{0, 0.001, 0.5, 0.9, 0.99, 0.999, 1} {
			exact := all[min(max(int(q*float64(len(all))+0.5)-1, 0), len(all)-1)]
			if got := h.Quantile(q); got < exact || float64(got) > float64(exact)*1.01 {
				t.Errorf("scale %g: quantile %g is %d, want %d", scale, q, got, exact)
			}
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Max() != 0 {
		t.Error("an empty histogram is not zero")
	}
	h.Add(new(Histogram))
	h.Record(-5)
	h.Record(1<<63 - 1)
	if h.Min() != 0 || h.Quantile(1) != 1<<63-1 || h.Quantile(0) != 0 {
		t.Errorf("%v, %v", h.Quantile(0), h.Quantile(1))
	}
	last := -1
	for shift := range 63 { // buckets cover everything, in order
		for _, d := range []time.Duration{1 << shift, 1<<shift + 1<<shift/2} {
			i := bucket(d)
			if i < last || d > upper(i) || i > 0 && d <= upper(i-1) {
				t.Errorf("%d is in bucket %d", d, i)
			}
			last = i
		}
	}
}

// TestClosedLoop: workers follow one another without pauses.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		r := Run(t.Context(), Config{Concurrency: 4, Calls: 10, Call: func(context.Context) string {
			time.Sleep(time.Second)
			if calls.Add(1) == 3 {
				return "busy"
			}
			return ""
		}})
		if r.Calls != 10 || calls.Load() != 10 || r.Elapsed != 3*time.Second || r.Failures["busy"] != 1 || r.Latency.Max() != time.Second || r.Unsent != 0 {
			t.Errorf("%d calls in %v, failures %v, max %v", r.Calls, r.Elapsed, r.Failures, r.Latency.Max())
		}
	})
}

func TestDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticks := 0
		r := Run(t.Context(), Config{Concurrency: 2, Duration: 10 * time.Second,
			Call:     func(context.Context) string { time.Sleep(300 * time.Millisecond); return "" },
			Progress: func(done int64, elapsed time.Duration) { ticks++ },
		})
		if r.Calls != 68 || r.Elapsed != 10200*time.Millisecond || ticks != 20 {
			t.Errorf("%d calls in %v, %d ticks", r.Calls, r.Elapsed, ticks)
		}
	})
}

// TestOpenLoop: a stall of the server is charged to every call that was due meanwhile, though only one call sat in it.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		r := Run(t.Context(), Config{Concurrency: 1, Duration: 10 * time.Second, Rate: 100, Call: func(context.Context) string {
			if first {
				first = false
				time.Sleep(5 * time.Second)
			}
			return ""
		}})
		if r.Calls != 1000 || r.Unsent != 0 {
			t.Errorf("%d calls, %d unsent", r.Calls, r.Unsent)
		}
		if p50, p75 := r.Latency.Quantile(0.5), r.Latency.Quantile(0.75); p50 > 10*time.Millisecond || p75 < 2400*time.Millisecond || p75 > 2600*time.Millisecond {
			t.Errorf("p50 %v, p75 %v, want nothing and half of the stall", p50, p75)
		}
		if r.Latency.Max() != 5*time.Second {
			t.Errorf("max %v", r.Latency.Max())
		}
	})
}

// TestOverload: what a server cannot keep up with is reported as unsent.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Run(t.Context(), Config{Concurrency: 2, Duration: 10 * time.Second, Rate: 100, Call: func(context.Context) string {
			time.Sleep(100 * time.Millisecond)
			return ""
		}})
		if r.Calls != 200 || r.Unsent != 800 {
			t.Errorf("%d calls, %d unsent", r.Calls, r.Unsent)
		}
	})
}

// TestInterrupt: the end of the context ends the run, and the calls that it ends are not counted as failures.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{0, 1} {
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			r := Run(ctx, Config{Concurrency: 1, Duration: time.Hour, Rate: rate, Call: func(ctx context.Context) string {
				select {
				case <-time.After(time.Second):
					return ""
				case <-ctx.Done():
					return "canceled"
				}
			}})
			cancel()
			if r.Calls != 2 || len(r.Failures) != 0 || r.Elapsed != 2500*time.Millisecond {
				t.Errorf("rate %g: %d calls, %v, %v", rate, r.Calls, r.Failures, r.Elapsed)
			}
		}
	})
}
