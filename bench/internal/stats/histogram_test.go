package stats

import (
	"math"
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	var a, b Histogram
	for i := 1; i <= 100_000; i++ {
		h := &a
		if i%2 == 0 {
			h = &b
		}
		h.Record(time.Duration(i) * time.Microsecond)
	}
	a.Merge(&b)
	if n := a.Count(); n != 100_000 {
		t.Errorf("counted %d", n)
	}
	for _, q := range []float64{0.001, 0.5, 0.99, 0.999, 1} {
		got, want := float64(a.Quantile(q)), q*100_000*float64(time.Microsecond)
		if math.Abs(got-want) > 0.008*want {
			t.Errorf("quantile %v is %v, want %v within 0.8 %%", q, got, want)
		}
	}
}

// TestBuckets checks that each value is in the bucket whose middle is near it, at the edges of the ranges too.
func TestBuckets(t *testing.T) {
	for _, v := range []uint64{0, 1, 127, 128, 129, 255, 256, 257, 1<<20 - 1, 1 << 20, math.MaxInt64} {
		got := float64(middle(bucket(v)))
		if math.Abs(got-float64(v)) > 0.004*float64(v)+0.5 {
			t.Errorf("%d is counted as %v", v, got)
		}
	}
	var empty Histogram
	if got := empty.Quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
	var h Histogram
	h.Record(-time.Second)
	if got := h.Quantile(0.5); got != 0 || h.Count() != 1 {
		t.Errorf("a negative duration counts as %v", got)
	}
}
