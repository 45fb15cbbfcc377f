package faults

import (
	"flag"
	"strings"
	"testing"
	"time"
)

// TestFigures prints what this package measures, as medians of five runs. It runs only if asked for by name: go test
// ./internal/faults -run Figures -v, or one of them, as in -run Figures/Flood.
func TestFigures(t *testing.T) {
	if !strings.Contains(flag.Lookup("test.run").Value.String(), "Figures") {
		t.Skip("only with -run Figures")
	}
	t.Run("Fairness", figuresOfFairness)
	t.Run("Flood", figuresOfFlood)
	t.Run("SlowReaders", figuresOfSlowReaders)
	t.Run("Bulk", figuresOfBulk)
	t.Run("Unread", figuresOfUnread)
}

func figuresOfFairness(t *testing.T) {
	for _, fair := range []bool{true, false} {
		all := five(t, func() fairness { return measureFairness(t, span(3*time.Second), 5*time.Second, fair) })
		high := func(of func(fairness) quantiles) time.Duration {
			return medianOf(all, func(f fairness) time.Duration { return of(f).high })
		}
		t.Logf("fair queue %v, medians: p99 of the caller with one call %v alone; beside 512 calls %v in the first second, %.2f x, and %v later, %.2f x", fair,
			high(func(f fairness) quantiles { return f.alone }),
			high(func(f fairness) quantiles { return f.first }), medianOf(all, fairness.firstRatio),
			high(func(f fairness) quantiles { return f.later }), medianOf(all, fairness.laterRatio))
	}
}

func figuresOfFlood(t *testing.T) {
	for _, keep := range []bool{false, true} {
		all := five(t, func() flood { return measureFlood(t, span(2*time.Second), config{KeepStale: keep}) })
		t.Logf("shedding %v, medians: peak %.0f/s, offered %.0f/s, goodput %.0f/s = %.3f of the peak; %.4f of the handlers in vain, %d begun late; live heap %+d KiB", !keep,
			medianOf(all, func(f flood) float64 { return f.peak }), medianOf(all, func(f flood) float64 { return f.offered }),
			medianOf(all, func(f flood) float64 { return f.goodput }), medianOf(all, func(f flood) float64 { return f.goodput / f.peak }),
			medianOf(all, func(f flood) float64 { return float64(f.wasted) / float64(f.handlers) }),
			medianOf(all, func(f flood) int64 { return f.late }), medianOf(all, func(f flood) int64 { return f.memory / 1024 }))
	}
}

func figuresOfSlowReaders(t *testing.T) {
	all := five(t, func() neighbours { return measureNeighbours(t, span(3*time.Second)) })
	t.Logf("medians: p99 of 50 normal clients %v alone, %v beside 50 that read 1 KiB/s, %.2f x",
		medianOf(all, func(n neighbours) time.Duration { return n.alone }), medianOf(all, func(n neighbours) time.Duration { return n.beside }),
		medianOf(all, func(n neighbours) float64 { return float64(n.beside) / float64(n.alone) }))
}

// five measures five times, and logs each.
func five[R any](t *testing.T, measure func() R) []R {
	all := make([]R, 5)
	for i := range all {
		all[i] = measure()
		t.Logf("run %d: %v", i+1, all[i])
	}
	return all
}
