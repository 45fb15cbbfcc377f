package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
)

// Point is what the passes of one peer at one point of an axis come to: medians.
type Point struct {
	Title    string
	At       int
	Rate     float64 // calls/s
	P50, P99 float64 // microseconds
	CPU      float64 // microseconds per call
	Passes   int
}

// SummarizeScale makes points of the results of one axis: by peer, in the order of their first result, and then along
// the axis.
func SummarizeScale(results []cell.Scale) []Point {
	title := func(s cell.Scale) string {
		if s.Axis == cell.Methods {
			return "Kuafu" // a peer for each number
		}
		return s.Title
	}
	var points []Point
	for _, ofPeer := range groups(results, title) {
		slices.SortStableFunc(ofPeer, func(a, b cell.Scale) int { return cmp.Compare(a.At, b.At) })
		for _, passes := range groups(ofPeer, func(s cell.Scale) int { return s.At }) {
			points = append(points, Point{
				Title: title(passes[0]), At: passes[0].At, Passes: len(passes),
				Rate: medianOf(passes, func(s cell.Scale) float64 { return s.Rate }),
				P50:  medianOf(passes, func(s cell.Scale) float64 { return s.P50 }),
				P99:  medianOf(passes, func(s cell.Scale) float64 { return s.P99 }),
				CPU:  medianOf(passes, func(s cell.Scale) float64 { return s.CPU() }),
			})
		}
	}
	return points
}

var axisTitles = map[cell.Axis]string{
	cell.Callers:     "Growing callers: 1 KiB, 1 connection",
	cell.Connections: "Growing connections: 1 KiB, 100 callers, each of which goes from connection to connection",
	cell.Payload:     "Growing payload: 1 caller",
	cell.Methods:     "Growing methods: 1 KiB, 100 callers, 1 connection",
}

// Scale writes the table of one axis.
func Scale(w io.Writer, axis cell.Axis, results []cell.Scale) error {
	t := table{
		title:   axisTitles[axis],
		columns: []string{"", string(axis), "calls/s", "p50", "p99", "CPU-us/call", "passes"},
	}
	if axis == cell.Payload {
		t.columns = slices.Insert(t.columns, 6, "CPU-ns/byte each way")
	}
	disturbed := 0
	for _, r := range results {
		if r.Disturbed() {
			disturbed++
		}
	}
	for _, p := range SummarizeScale(results) {
		cells := []string{
			p.Title, fmt.Sprint(p.At), thousands(p.Rate), duration(p.P50), duration(p.P99), fmt.Sprintf("%.1f", p.CPU), fmt.Sprint(p.Passes),
		}
		if axis == cell.Payload {
			cells[1] = bytesOf(p.At)
			cells = slices.Insert(cells, 6, fmt.Sprintf("%.2f", 1000*p.CPU/float64(p.At)))
		}
		t.add(cells...)
	}
	t.noteDisturbed(disturbed, len(results))
	return t.write(w)
}
