package report

import (
	"fmt"
	"io"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// OpenRow is what the passes of one peer at one rate come to: medians.
type OpenRow struct {
	Title             string
	Kind              peer.Kind
	Capacity, Offered float64 // calls/s
	P50, P99, P999    float64 // microseconds
	CPU               float64 // microseconds per call
	Late              float64 // microseconds
	P99ToBest         float64 // as a multiple of the lowest of the other frameworks in the same pass
	Passes, Disturbed int
}

// SummarizeOpen makes rows of results: ours first, then the lowest p99 first.
func SummarizeOpen(results []cell.Open) []OpenRow {
	var rows []OpenRow
	for _, passes := range groups(results, func(o cell.Open) string { return o.Peer }) {
		of := func(value func(cell.Open) float64) float64 { return medianOf(passes, value) }
		row := OpenRow{
			Title: passes[0].Title, Kind: passes[0].Kind, Passes: len(passes),
			Capacity: passes[0].Capacity, Offered: passes[0].Offered,
			P50:  of(func(o cell.Open) float64 { return o.P50 }),
			P99:  of(func(o cell.Open) float64 { return o.P99 }),
			P999: of(func(o cell.Open) float64 { return o.P999 }),
			CPU:  of(func(o cell.Open) float64 { return o.CPU() }),
			Late: of(func(o cell.Open) float64 { return o.Late }),
		}
		var toBest []float64
		for _, o := range passes {
			if o.Disturbed() {
				row.Disturbed++
			}
			best := 0.0
			for _, other := range results {
				if other.Pass == o.Pass && other.Peer != o.Peer && other.Kind == peer.Framework && (best == 0 || other.P99 < best) {
					best = other.P99
				}
			}
			if best > 0 {
				toBest = append(toBest, o.P99/best)
			}
		}
		row.P99ToBest = median(toBest)
		rows = append(rows, row)
	}
	sortRows(rows, func(r OpenRow) (peer.Kind, float64) { return r.Kind, -r.P99 })
	return rows
}

// Open writes the table of one kind of rate: each peer's own, or one for all.
func Open(w io.Writer, results []cell.Open) error {
	if len(results) == 0 {
		return nil
	}
	first := results[0]
	rate := fmt.Sprintf("%s calls/s for all", thousands(first.Offered))
	if first.Own {
		rate = fmt.Sprintf("%.0f %% of each one's own capacity", 100*first.Offered/first.Capacity)
	}
	t := table{
		title: fmt.Sprintf("Open loop, %s, %d %s, %s", first.Payload, first.Callers, plural("caller", first.Callers), rate),
		columns: []string{
			"", "capacity, calls/s", "offered, calls/s", "p50", "p99", "p99.9", "p99 ÷ best other", "CPU-us/call",
			"generator late, p99", "passes",
		},
	}
	disturbed := 0
	for _, r := range SummarizeOpen(results) {
		disturbed += r.Disturbed
		t.add(
			string(r.Kind)+": "+r.Title, thousands(r.Capacity), thousands(r.Offered),
			duration(r.P50), duration(r.P99), duration(r.P999), ratio(r.P99ToBest),
			fmt.Sprintf("%.1f", r.CPU), duration(r.Late), fmt.Sprint(r.Passes),
		)
	}
	t.noteDisturbed(disturbed, len(results))
	return t.write(w)
}
