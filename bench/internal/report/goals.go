package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Goal is what was set out to be reached, and what was.
type Goal struct {
	Name, Want, Got string
	Met             bool
}

// Goals writes a table of goals, nothing if there are none.
func Goals(w io.Writer, goals []Goal) error {
	if len(goals) == 0 {
		return nil
	}
	t := table{title: "Goals", columns: []string{"", "goal", "measured", "met"}}
	for _, g := range goals {
		met := "yes"
		if !g.Met {
			met = "**no**"
		}
		t.add(g.Name, g.Want, g.Got, met)
	}
	t.note = "Ratios are medians of ratios within a pass. Where others do not compress, Kuafu is taken without compression."
	return t.write(w)
}

// goals are those that d has results for.
func (d *Data) goals() (goals []Goal) {
	goals = append(goals, d.rateGoals()...)
	goals = append(goals, d.costGoals()...)
	goals = append(goals, d.firstGoals()...)
	goals = append(goals, d.streamGoals()...)
	goals = append(goals, d.latencyGoals()...)
	for _, r := range d.Idle {
		if r.Peer == "kuafu" {
			goals = append(goals, Goal{"server memory for an idle connection", "<= 2 KiB",
				fmt.Sprintf("%.1f KiB, %.1f KiB collected", r.Grown/1024, r.Freed/1024), r.Freed <= 2<<10})
		}
	}
	return goals
}

// pick returns the results of one payload and number of callers.
func (d *Data) pick(size string, callers int) (results []cell.Result) {
	for _, r := range d.Calls {
		if r.Payload == size && r.Callers == callers {
			results = append(results, r)
		}
	}
	return results
}

// ours is the peer that is compared with others.
func ours(size string) string {
	if size == "64k" {
		return "kuafu-plain"
	}
	return "kuafu"
}

// against returns the median over the passes of ours/best, where best is the highest value of the others wanted, or the
// lowest if lowest is set; ok is false if that is nowhere to be had.
func against(results []cell.Result, name string, lowest bool, value func(cell.Result) float64, wanted func(cell.Result) bool) (float64, bool) {
	var ratios []float64
	for _, r := range results {
		if r.Peer != name {
			continue
		}
		best := 0.0
		for _, o := range results {
			if o.Pass == r.Pass && wanted(o) && (best == 0 || (value(o) > best) != lowest) {
				best = value(o)
			}
		}
		if best > 0 {
			ratios = append(ratios, value(r)/best)
		}
	}
	return median(ratios), len(ratios) > 0
}

func rateOf(r cell.Result) float64 { return r.Rate }
func p50Of(r cell.Result) float64  { return r.P50 }

func isBase(r cell.Result) bool      { return r.Base }
func isFramework(r cell.Result) bool { return r.Kind == peer.Framework }
func isPeer(name string) func(cell.Result) bool {
	return func(r cell.Result) bool { return r.Peer == name }
}

func (d *Data) rateGoals() (goals []Goal) {
	for _, g := range []struct {
		callers int
		name    string
		atLeast float64
		of      func(cell.Result) bool
	}{
		{100, "gRPC-go", 8, isBase}, {100, "the best other framework", 4, isFramework},
		{1000, "gRPC-go", 8, isBase}, {1000, "the best other framework", 3, isFramework},
		{1000, "multiplexer with a generated codec and a goroutine per call", 1, isPeer("codec-mux-go")},
	} {
		if x, ok := against(d.pick("1k", g.callers), "kuafu", false, rateOf, g.of); ok {
			goals = append(goals, Goal{fmt.Sprintf("1 KiB, %d callers, calls/s", g.callers),
				fmt.Sprintf(">= %gx %s", g.atLeast, g.name), fmt.Sprintf("%.2fx", x), x >= g.atLeast})
		}
	}
	one := d.pick("1k", 1)
	if x, ok := against(one, "kuafu", true, p50Of, isPeer("gnet")); ok {
		goals = append(goals, Goal{"1 KiB, 1 caller, p50", "<= 1.6x gnet echo", fmt.Sprintf("%.2fx", x), x <= 1.6})
	}
	if x, ok := against(one, "kuafu", true, p50Of, isFramework); ok {
		goals = append(goals, Goal{"1 KiB, 1 caller, p50", "lower than every framework's", fmt.Sprintf("%.2fx the lowest", x), x < 1})
	}
	return goals
}

func (d *Data) costGoals() (goals []Goal) {
	for _, row := range Summarize(d.pick("1k", 100)) {
		if row.Peer != "kuafu" {
			continue
		}
		allocs := row.ClientAllocs + row.ServerAllocs
		goals = append(goals,
			Goal{"1 KiB, 100 callers, CPU per call, client + server", "<= 12 us", fmt.Sprintf("%.1f us", row.CPU), row.CPU <= 12},
			Goal{"1 KiB, 100 callers, allocs per call, client + server", "<= 12", fmt.Sprintf("%.1f", allocs), allocs <= 12})
	}
	return goals
}

// firstGoals name the cells in which others are faster.
func (d *Data) firstGoals() (goals []Goal) {
	type cells struct {
		name, want string
		measured   int
		lost       []string
	}
	all := cells{name: "64 B and 64 KiB, 16 to 1000 callers, calls/s", want: "first among the frameworks in every cell"}
	dialects := cells{name: "Apache's clients, calls/s", want: "our server faster than Apache's in every cell"}
	check := func(c *cells, size string, callers int, name, title string, other func(cell.Result) bool) {
		x, ok := against(d.pick(size, callers), name, false, rateOf, other)
		if !ok {
			return
		}
		if c.measured++; x <= 1 {
			c.lost = append(c.lost, fmt.Sprintf("%s, %d %s%s: %.2fx", size, callers, plural("caller", callers), title, x))
		}
	}
	for _, cellsOf := range groups(d.Calls, func(r cell.Result) string { return fmt.Sprint(r.Payload, " ", r.Callers) }) {
		size, callers := cellsOf[0].Payload, cellsOf[0].Callers
		if (size == "64B" || size == "64k") && callers >= 16 {
			check(&all, size, callers, ours(size), "", isFramework)
		}
		for _, protocol := range []string{"binary", "compact"} {
			check(&dialects, size, callers, "kuafu-"+protocol, ", "+protocol, isPeer("thrift-"+protocol))
		}
	}
	for _, c := range []cells{all, dialects} {
		if c.measured == 0 {
			continue
		}
		got := fmt.Sprintf("in %d of %d", c.measured-len(c.lost), c.measured)
		if len(c.lost) > 0 {
			got += "; not: " + strings.Join(c.lost, "; ")
		}
		goals = append(goals, Goal{c.name, c.want, got, len(c.lost) == 0})
	}
	return goals
}

func (d *Data) streamGoals() (goals []Goal) {
	for _, of := range groups(d.Transfers, func(t cell.Transfer) cell.Direction { return t.Direction }) {
		direction := string(of[0].Direction)
		for _, r := range SummarizeTransfers(of) {
			if r.Kind == peer.Ours && r.RateToBest > 0 {
				goals = append(goals, Goal{fmt.Sprintf("stream, %s, %s, MB/s", direction, r.Title), ">= 1.6x the best other framework",
					fmt.Sprintf("%.2fx", r.RateToBest), r.RateToBest >= 1.6})
			}
			if r.Title == "Kuafu" && r.RateToLimit > 0 {
				goals = append(goals, Goal{fmt.Sprintf("stream, %s, bytes, MB/s", direction), ">= 60 % of TCP",
					fmt.Sprintf("%.0f %%", 100*r.RateToLimit), r.RateToLimit >= 0.6})
			}
		}
	}
	return goals
}

func (d *Data) latencyGoals() (goals []Goal) {
	for _, results := range groups(d.Open, func(o cell.Open) bool { return o.Own }) {
		rate := "at one rate for all"
		if results[0].Own {
			rate = "at a share of each one's own capacity"
		}
		for _, r := range SummarizeOpen(results) {
			if r.Kind == peer.Ours && r.P99ToBest > 0 {
				goals = append(goals, Goal{"open loop, 1 KiB, p99 " + rate, "lowest of all", fmt.Sprintf("%.2fx the lowest", r.P99ToBest), r.P99ToBest < 1})
			}
		}
	}
	for _, passes := range groups(d.Beside, func(b cell.Beside) string { return b.Peer }) {
		if passes[0].Kind != peer.Ours {
			continue
		}
		idle := medianOf(passes, func(b cell.Beside) float64 { return b.Idle.P99 })
		limit := max(300, 3*idle)
		for _, m := range []struct {
			direction string
			value     func(cell.Beside) float64
		}{
			{"down", func(b cell.Beside) float64 { return b.Down.P99 }},
			{"up", func(b cell.Beside) float64 { return b.Up.P99 }},
		} {
			p99 := medianOf(passes, m.value)
			goals = append(goals, Goal{"call beside a bulk stream " + m.direction + ", p99", "<= 300 us or 3x idle, whichever is more",
				fmt.Sprintf("%s; idle %s", duration(p99), duration(idle)), p99 <= limit})
		}
	}
	for _, passes := range groups(d.Stuck, func(s cell.Stuck) string { return fmt.Sprint(s.Peer, s.Streams) }) {
		if passes[0].Kind != peer.Ours {
			continue
		}
		x := medianOf(passes, func(s cell.Stuck) float64 { return s.Chat.P99 / s.IdleChat.P99 })
		goals = append(goals, Goal{fmt.Sprintf("healthy stream beside %d stuck ones, p99", passes[0].Streams), "< 2x idle", fmt.Sprintf("%.2fx", x), x < 2})
	}
	return goals
}
