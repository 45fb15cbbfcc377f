// Package report turns results into tables.
package report

import (
	"slices"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Row is what the passes of one peer come to: medians, one of each column on its own.
type Row struct {
	Peer, Title    string
	Kind           peer.Kind
	Payload        string
	Callers, Conns int
	Rate           float64
	P50, P99, P999 float64 // microseconds
	ClientCPU      float64 // microseconds per call, as are the next two
	ServerCPU      float64
	CPU            float64
	ClientAllocs   float64 // per call
	ServerAllocs   float64

	// Of these, each pass gives one, against what ran in the same pass; 0 if there was nothing to compare with.
	RateToBase float64 // calls/s, as a multiple of gRPC-go's
	CPUToBase  float64 // CPU per call, as a multiple of gRPC-go's
	RateToBest float64 // calls/s, as a multiple of the best framework that is neither ours nor this row's

	Spread    float64 // of calls/s: (largest - smallest) / median
	Passes    int
	Disturbed int // passes with much else running
}

// Summarize makes rows of the results of one payload and one number of callers: ours first, then frameworks, then
// limits, the fastest of each first.
func Summarize(results []cell.Result) []Row {
	type key struct {
		peer  string
		conns int
	}
	var rows []Row
	for _, passes := range groups(results, func(r cell.Result) key { return key{r.Peer, r.Conns} }) {
		rows = append(rows, newRow(passes, results))
	}
	sortRows(rows, func(r Row) (peer.Kind, float64) { return r.Kind, r.Rate })
	return rows
}

func newRow(passes, all []cell.Result) Row {
	first := passes[0]
	row := Row{
		Peer: first.Peer, Title: first.Title, Kind: first.Kind, Payload: first.Payload,
		Callers: first.Callers, Conns: first.Conns, Passes: len(passes),
		Rate:         medianOf(passes, func(r cell.Result) float64 { return r.Rate }),
		P50:          medianOf(passes, func(r cell.Result) float64 { return r.P50 }),
		P99:          medianOf(passes, func(r cell.Result) float64 { return r.P99 }),
		P999:         medianOf(passes, func(r cell.Result) float64 { return r.P999 }),
		ClientCPU:    medianOf(passes, func(r cell.Result) float64 { return r.ClientCPU }),
		ServerCPU:    medianOf(passes, func(r cell.Result) float64 { return r.ServerCPU }),
		CPU:          medianOf(passes, cell.Result.CPU),
		ClientAllocs: medianOf(passes, func(r cell.Result) float64 { return r.ClientAllocs }),
		ServerAllocs: medianOf(passes, func(r cell.Result) float64 { return r.ServerAllocs }),
	}
	var toBase, cpuToBase, toBest []float64
	for _, r := range passes {
		if r.Disturbed() {
			row.Disturbed++
		}
		if base, ok := fastest(all, r.Pass, func(o cell.Result) bool { return o.Base }); ok {
			toBase = append(toBase, r.Rate/base.Rate)
			cpuToBase = append(cpuToBase, r.CPU()/base.CPU())
		}
		best, ok := fastest(all, r.Pass, func(o cell.Result) bool {
			return o.Kind == peer.Framework && o.Peer != r.Peer
		})
		if ok {
			toBest = append(toBest, r.Rate/best.Rate)
		}
	}
	row.RateToBase, row.CPUToBase, row.RateToBest = median(toBase), median(cpuToBase), median(toBest)
	row.Spread = spread(passes, func(r cell.Result) float64 { return r.Rate })
	return row
}

// fastest returns the result with the most calls/s of those of a pass that are wanted.
func fastest(all []cell.Result, pass int, wanted func(cell.Result) bool) (best cell.Result, ok bool) {
	for _, r := range all {
		if r.Pass == pass && wanted(r) && (!ok || r.Rate > best.Rate) {
			best, ok = r, true
		}
	}
	return best, ok
}

func valuesOf[R any](results []R, value func(R) float64) []float64 {
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = value(r)
	}
	return values
}

func medianOf[R any](results []R, value func(R) float64) float64 {
	return median(valuesOf(results, value))
}

// spread returns (largest - smallest) / median of at least one result; 0 if the median is.
func spread[R any](results []R, value func(R) float64) float64 {
	values := valuesOf(results, value)
	if middle := median(values); middle > 0 {
		return (slices.Max(values) - slices.Min(values)) / middle
	}
	return 0
}

// median returns the middle of the values, the mean of the two middle ones of an even number, 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
