package report

import (
	"fmt"
	"slices"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/plot"
)

func emphasis(k peer.Kind) plot.Emphasis {
	switch k {
	case peer.Ours:
		return plot.Strong
	case peer.Limit:
		return plot.Faint
	}
	return plot.Plain
}

// bars collects the series of a chart, in the order in which they come.
type bars struct {
	chart  plot.Bars
	series map[string]int
}

func newBars(title, y string, groups ...string) *bars {
	return &bars{plot.Bars{Title: title, Y: y, Groups: groups}, make(map[string]int)}
}

func (b *bars) set(name string, k peer.Kind, group int, value float64) {
	i, ok := b.series[name]
	if !ok {
		i = len(b.chart.Series)
		b.series[name] = i
		b.chart.Series = append(b.chart.Series,
			plot.BarSeries{Name: name, Emphasis: emphasis(k), Values: make([]float64, len(b.chart.Groups))})
	}
	b.chart.Series[i].Values[group] = value
}

// callBars are calls/s and processor time of one payload, grouped by callers. Series are in the order of the group with
// the most callers.
func callBars(size string, results []cell.Result) (rate, cpu plot.Bars) {
	var callers []int
	for _, r := range results {
		if !slices.Contains(callers, r.Callers) {
			callers = append(callers, r.Callers)
		}
	}
	slices.Sort(callers)
	names := make([]string, len(callers))
	for i, n := range callers {
		names[i] = fmt.Sprintf("%d %s", n, plural("caller", n))
	}
	rates := newBars("Calls per second, "+size+" (logarithmic)", "calls/s", names...)
	costs := newBars("Processor time of a call, client + server, "+size+" (logarithmic)", "us", names...)
	for i := len(callers) - 1; i >= 0; i-- {
		ofCallers := slices.DeleteFunc(slices.Clone(results), func(r cell.Result) bool { return r.Callers != callers[i] })
		fewest := make(map[string]int) // connections, of which the chart has the fewest
		for _, row := range Summarize(ofCallers) {
			if n, ok := fewest[row.Title]; ok && n <= row.Conns {
				continue
			}
			fewest[row.Title] = row.Conns
			rates.set(row.Title, row.Kind, i, row.Rate)
			costs.set(row.Title, row.Kind, i, row.CPU)
		}
	}
	return rates.chart, costs.chart
}

func openBars(results []cell.Open) plot.Bars {
	title := "Latency of calls that are due at one rate for all"
	if results[0].Own {
		title = "Latency of calls at a share of each one's own capacity"
	}
	b := newBars(title+" (logarithmic)", "us", "p50", "p99", "p99.9")
	for _, r := range SummarizeOpen(results) {
		b.set(r.Title, r.Kind, 0, r.P50)
		b.set(r.Title, r.Kind, 1, r.P99)
		b.set(r.Title, r.Kind, 2, r.P999)
	}
	return b.chart
}

func transferBars(results []cell.Transfer) plot.Bars {
	directions := cell.Directions()
	names := make([]string, len(directions))
	for i, d := range directions {
		names[i] = string(d)
	}
	b := newBars("One stream (logarithmic)", "MB/s", names...)
	for i, d := range directions {
		of := slices.DeleteFunc(slices.Clone(results), func(t cell.Transfer) bool { return t.Direction != d })
		for _, r := range SummarizeTransfers(of) {
			b.set(r.Title, r.Kind, i, r.Rate)
		}
	}
	return b.chart
}

func besideBars(results []cell.Beside) plot.Bars {
	b := newBars("p99 of a call beside a bulk stream on its connection (logarithmic)", "us", "idle", "down", "up")
	for _, passes := range groups(results, func(r cell.Beside) string { return r.Peer }) {
		for i, value := range []func(cell.Beside) float64{
			func(r cell.Beside) float64 { return r.Idle.P99 },
			func(r cell.Beside) float64 { return r.Down.P99 },
			func(r cell.Beside) float64 { return r.Up.P99 },
		} {
			b.set(passes[0].Title, passes[0].Kind, i, medianOf(passes, value))
		}
	}
	return b.chart
}

func stuckBars(results []cell.Stuck) plot.Bars {
	b := newBars(fmt.Sprintf("p99 beside %d streams that nobody reads (logarithmic)", results[0].Streams), "us",
		"call, idle", "call", "stream, idle", "stream")
	for _, passes := range groups(results, func(r cell.Stuck) string { return r.Peer }) {
		for i, value := range []func(cell.Stuck) float64{
			func(r cell.Stuck) float64 { return r.IdleCall.P99 },
			func(r cell.Stuck) float64 { return r.Call.P99 },
			func(r cell.Stuck) float64 { return r.IdleChat.P99 },
			func(r cell.Stuck) float64 { return r.Chat.P99 },
		} {
			b.set(passes[0].Title, passes[0].Kind, i, medianOf(passes, value))
		}
	}
	return b.chart
}

func idleBars(results []cell.Idle) plot.Bars {
	b := newBars(fmt.Sprintf("Server memory for each of %d idle connections (logarithmic)", results[0].Conns), "KiB", "as it stands", "collected")
	for _, r := range results {
		b.set(r.Title, r.Kind, 0, r.Grown/1024)
		b.set(r.Title, r.Kind, 1, r.Freed/1024)
	}
	return b.chart
}

// scaleLines has the processor time of a call along an axis.
func scaleLines(axis cell.Axis, results []cell.Scale) plot.Lines {
	l := plot.Lines{Title: axisTitles[axis], X: string(axis), Y: "CPU-us/call, client + server"}
	if axis == cell.Payload {
		l.X = "payload, bytes"
	}
	kinds := make(map[string]peer.Kind)
	for _, r := range results {
		kinds[r.Title] = r.Kind
	}
	for _, points := range groups(SummarizeScale(results), func(p Point) string { return p.Title }) {
		s := plot.LineSeries{Name: points[0].Title, Emphasis: emphasis(kinds[points[0].Title])}
		if axis == cell.Methods {
			s.Emphasis = plot.Strong
		}
		for _, p := range points {
			s.Points = append(s.Points, plot.Point{X: float64(p.At), Y: p.CPU})
		}
		l.Series = append(l.Series, s)
	}
	return l
}
