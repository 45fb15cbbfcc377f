package faults

import (
	"flag"
	"strings"
	"testing"
	"time"
)

// TestFigures prints what this package measures, as medians of five runs. It runs only if asked for by name: go test
// ./internal/faults -run Figures -v.
func TestFigures(t *testing.T) {
	if !strings.Contains(flag.Lookup("test.run").Value.String(), "Figures") {
		t.Skip("only with -run Figures")
	}
	const runs = 5
	for _, fair := range []bool{true, false} {
		var all []fairness
		var ratios []float64
		for range runs {
			f := measureFairness(t, span(3*time.Second), fair)
			all, ratios = append(all, f), append(ratios, f.ratio())
		}
		t.Logf("fairness, fair queue %v: p99 of the caller with one call %v alone, %v beside 512 calls, %.2f x (medians); runs: %v",
			fair, medianOf(all, func(f fairness) time.Duration { return f.alone }),
			medianOf(all, func(f fairness) time.Duration { return f.beside }), median(ratios), ratios)
	}
	for _, keep := range []bool{false, true} {
		var all []flood
		for range runs {
			all = append(all, measureFlood(t, span(2*time.Second), config{KeepStale: keep}))
		}
		t.Logf("flood, shedding %v: peak %.0f/s, offered %.0f/s, goodput %.0f/s = %.3f of the peak, handlers in vain %.4f, begun late %d, live heap %+d KiB (medians); runs: %v",
			!keep, medianOf(all, func(f flood) float64 { return f.peak }), medianOf(all, func(f flood) float64 { return f.offered }),
			medianOf(all, func(f flood) float64 { return f.goodput }), medianOf(all, func(f flood) float64 { return f.goodput / f.peak }),
			medianOf(all, func(f flood) float64 { return float64(f.wasted) / float64(f.handlers) }),
			medianOf(all, func(f flood) int64 { return f.late }), medianOf(all, func(f flood) int64 { return f.memory / 1024 }), all)
	}
	var all []neighbours
	for range runs {
		all = append(all, measureNeighbours(t, span(3*time.Second)))
	}
	t.Logf("slow readers: p99 of 50 normal clients %v alone, %v beside 50 that read 1 KiB/s, %.2f x (medians); runs: %v",
		medianOf(all, func(n neighbours) time.Duration { return n.alone }), medianOf(all, func(n neighbours) time.Duration { return n.beside }),
		medianOf(all, func(n neighbours) float64 { return float64(n.beside) / float64(n.alone) }), all)
}
