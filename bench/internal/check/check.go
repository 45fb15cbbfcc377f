// Package check says whether results of calls are worse than what has been reached.
package check

import (
	"fmt"
	"slices"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Failures compares results with the limits of this package, each median of a cell's passes. A limit whose cell was not
// measured does not fail.
func Failures(results []cell.Result) (failures []string) {
	for _, l := range allocLimits {
		failures = append(failures, l.check(results)...)
	}
	for _, l := range lossLimits {
		failures = append(failures, l.check(results)...)
	}
	return failures
}

// Knows reports whether there is a limit for a payload and a number of callers.
func Knows(payload string, callers int) bool {
	return slices.ContainsFunc(allocLimits, func(l allocLimit) bool { return l.payload == payload && l.callers == callers }) ||
		slices.ContainsFunc(lossLimits, func(l lossLimit) bool { return l.payload == payload && l.callers == callers })
}

// check returns a sentence for each side that allocates more.
func (l allocLimit) check(results []cell.Result) (failures []string) {
	passes := pick(results, l.peer, l.payload, l.callers)
	if len(passes) == 0 {
		return nil
	}
	for _, side := range []struct {
		name string
		most float64
		of   func(cell.Result) float64
	}{
		{"client", l.client, func(r cell.Result) float64 { return r.ClientAllocs }},
		{"server", l.server, func(r cell.Result) float64 { return r.ServerAllocs }},
	} {
		if got := median(passes, side.of); side.most > 0 && got > side.most {
			failures = append(failures, fmt.Sprintf("%s, %s, %d callers: the %s allocates %.1f objects per call, more than %g",
				l.peer, l.payload, l.callers, side.name, got, side.most))
		}
	}
	return failures
}

// check returns a sentence for each framework that l.ours loses to.
func (l lossLimit) check(results []cell.Result) (failures []string) {
	var others []string
	for _, r := range results {
		if l.concerns(r) && !slices.Contains(others, r.Peer) {
			others = append(others, r.Peer)
		}
	}
	ours := pick(results, l.ours, l.payload, l.callers)
	for _, name := range others {
		rate, cpu, ok := compare(ours, pick(results, name, l.payload, l.callers))
		// Noise moves one or the other. What is slower is both.
		if ok && rate < l.least && cpu > 1/l.least {
			failures = append(failures, fmt.Sprintf("%s, %s, %d callers: %.2f times the calls/s of %s at %.2f times the CPU per call; at least %g was reached",
				l.ours, l.payload, l.callers, rate, name, cpu, l.least))
		}
	}
	return failures
}

// concerns reports whether r is of a framework that l is about.
func (l lossLimit) concerns(r cell.Result) bool {
	if r.Payload != l.payload || r.Callers != l.callers {
		return false
	}
	if l.others != nil {
		return slices.Contains(l.others, r.Peer)
	}
	return r.Kind == peer.Framework
}

// compare returns medians of ratios within a pass.
func compare(ours, theirs []cell.Result) (rate, cpu float64, ok bool) {
	type ratio struct{ rate, cpu float64 }
	var ratios []ratio
	for _, a := range ours {
		for _, b := range theirs {
			if a.Pass == b.Pass && b.Rate > 0 && b.CPU() > 0 {
				ratios = append(ratios, ratio{a.Rate / b.Rate, a.CPU() / b.CPU()})
			}
		}
	}
	if len(ratios) == 0 {
		return 0, 0, false
	}
	return median(ratios, func(r ratio) float64 { return r.rate }), median(ratios, func(r ratio) float64 { return r.cpu }), true
}

func pick(results []cell.Result, name, size string, callers int) (passes []cell.Result) {
	for _, r := range results {
		if r.Peer == name && r.Payload == size && r.Callers == callers {
			passes = append(passes, r)
		}
	}
	return passes
}

// median is the lower of the two middle values of an even number: limits are not exceeded by half of the passes.
func median[R any](results []R, value func(R) float64) float64 {
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = value(r)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
