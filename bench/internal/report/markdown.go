package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
)

// Calls writes the table of one payload and one number of callers.
func Calls(w io.Writer, payload string, callers int, results []cell.Result) error {
	t := table{
		title: fmt.Sprintf("%s, %d %s", payload, callers, plural("caller", callers)),
		columns: []string{
			"", "conns", "calls/s", "p50", "p99", "p99.9", "CPU-us/call client + server", "allocs/call client + server",
			"calls/s ÷ gRPC-go", "CPU ÷ gRPC-go", "calls/s ÷ best other", "spread", "passes",
		},
	}
	disturbed := 0
	for _, r := range Summarize(results) {
		disturbed += r.Disturbed
		t.add(
			string(r.Kind)+": "+r.Title,
			fmt.Sprint(r.Conns),
			thousands(r.Rate),
			duration(r.P50), duration(r.P99), duration(r.P999),
			fmt.Sprintf("%.1f + %.1f = %.1f", r.ClientCPU, r.ServerCPU, r.CPU),
			fmt.Sprintf("%.1f + %.1f", r.ClientAllocs, r.ServerAllocs),
			ratio(r.RateToBase), ratio(r.CPUToBase), ratio(r.RateToBest),
			fmt.Sprintf("%.0f %%", 100*r.Spread),
			fmt.Sprint(r.Passes),
		)
	}
	t.noteDisturbed(disturbed, len(results))
	return t.write(w)
}

// Idle writes the table of the memory of idle connections.
func Idle(w io.Writer, conns int, results []cell.Idle) error {
	t := table{
		title:   fmt.Sprintf("Server memory for each of %s idle connections", thousands(float64(conns))),
		columns: []string{"", "before, MiB", "grown by, KiB/connection", "after collection, KiB/connection"},
	}
	for _, r := range results {
		t.add(string(r.Kind)+": "+r.Title, fmt.Sprintf("%.1f", float64(r.Base)/(1<<20)),
			fmt.Sprintf("%.1f", r.Grown/1024), fmt.Sprintf("%.1f", r.Freed/1024))
	}
	return t.write(w)
}

// table is a Markdown table whose first column is text and whose others are numbers.
type table struct {
	title   string
	columns []string
	rows    [][]string
	note    string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// noteDisturbed says below the table how many runs were disturbed, if any.
func (t *table) noteDisturbed(disturbed, runs int) {
	if disturbed > 0 {
		t.note = fmt.Sprintf("%d of %d runs had more than 0.35 cores taken by other processes or 0.40 by the hypervisor.",
			disturbed, runs)
	}
}

func (t *table) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", t.title)
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.columns)
	fmt.Fprintf(&b, "|---|%s\n", strings.Repeat("--:|", len(t.columns)-1))
	for _, row := range t.rows {
		line(row)
	}
	if t.note != "" {
		fmt.Fprintf(&b, "\n%s\n", t.note)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

// duration prints microseconds.
func duration(us float64) string {
	switch {
	case us < 10:
		return fmt.Sprintf("%.1f us", us)
	case us < 10_000:
		return fmt.Sprintf("%.0f us", us)
	}
	return fmt.Sprintf("%.1f ms", us/1000)
}

// thousands prints a number without a fraction, with commas.
func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// ratio prints a ratio, or nothing for one that could not be computed.
func ratio(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

func plural(noun string, n int) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
