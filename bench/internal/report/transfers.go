package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// TransferRow is what the passes of one peer come to in one direction: medians.
type TransferRow struct {
	Title                      string
	Kind                       peer.Kind
	Rate                       float64 // MB/s
	ClientCPU, ServerCPU       float64 // seconds for each GB
	ClientAllocs, ServerAllocs float64 // per message

	// Of these, each pass gives one, against what ran in the same pass; 0 if there was nothing to compare with.
	RateToBest  float64 // MB/s, as a multiple of the best framework that is neither ours nor this row's
	CPUToBest   float64 // CPU for each GB, as a multiple of that framework's
	RateToLimit float64 // MB/s, as a fraction of TCP's

	Spread    float64
	Passes    int
	Disturbed int
}

// SummarizeTransfers makes rows of the results of one direction: ours first, then frameworks, then limits, the fastest
// of each first.
func SummarizeTransfers(results []cell.Transfer) []TransferRow {
	var rows []TransferRow
	for _, passes := range groups(results, func(t cell.Transfer) string { return t.Peer }) {
		rows = append(rows, newTransferRow(passes, results))
	}
	sortRows(rows, func(r TransferRow) (peer.Kind, float64) { return r.Kind, r.Rate })
	return rows
}

func newTransferRow(passes, all []cell.Transfer) TransferRow {
	row := TransferRow{
		Title: passes[0].Title, Kind: passes[0].Kind, Passes: len(passes),
		Rate:         medianOf(passes, func(t cell.Transfer) float64 { return t.Rate }),
		ClientCPU:    medianOf(passes, func(t cell.Transfer) float64 { return t.ClientCPU }),
		ServerCPU:    medianOf(passes, func(t cell.Transfer) float64 { return t.ServerCPU }),
		ClientAllocs: medianOf(passes, func(t cell.Transfer) float64 { return t.ClientAllocs }),
		ServerAllocs: medianOf(passes, func(t cell.Transfer) float64 { return t.ServerAllocs }),
		Spread:       spread(passes, func(t cell.Transfer) float64 { return t.Rate }),
	}
	var toBest, cpuToBest, toLimit []float64
	for _, t := range passes {
		if t.Disturbed() {
			row.Disturbed++
		}
		best, limit := cell.Transfer{}, cell.Transfer{}
		for _, o := range all {
			switch {
			case o.Pass != t.Pass:
			case o.Kind == peer.Framework && o.Peer != t.Peer && o.Rate > best.Rate:
				best = o
			case o.Kind == peer.Limit && o.Rate > limit.Rate:
				limit = o
			}
		}
		if best.Rate > 0 {
			toBest = append(toBest, t.Rate/best.Rate)
			cpuToBest = append(cpuToBest, t.CPU()/best.CPU())
		}
		if limit.Rate > 0 {
			toLimit = append(toLimit, t.Rate/limit.Rate)
		}
	}
	row.RateToBest, row.CPUToBest, row.RateToLimit = median(toBest), median(cpuToBest), median(toLimit)
	return row
}

// Transfers writes the table of one direction.
func Transfers(w io.Writer, d cell.Direction, size int, results []cell.Transfer) error {
	titles := map[cell.Direction]string{
		cell.Down: "Stream from the server to the client", cell.Up: "Stream from the client to the server",
		cell.Upload: "Upload of 256 MiB on a new connection",
	}
	t := table{
		title: fmt.Sprintf("%s, messages of %s", titles[d], bytesOf(size)),
		columns: []string{
			"", "MB/s", "CPU-s/GB client + server", "allocs/message client + server",
			"MB/s ÷ best other", "CPU ÷ best other", "MB/s ÷ TCP", "spread", "passes",
		},
	}
	disturbed := 0
	for _, r := range SummarizeTransfers(results) {
		disturbed += r.Disturbed
		t.add(
			string(r.Kind)+": "+r.Title,
			thousands(r.Rate),
			fmt.Sprintf("%.2f + %.2f = %.2f", r.ClientCPU, r.ServerCPU, r.ClientCPU+r.ServerCPU),
			fmt.Sprintf("%.1f + %.1f", r.ClientAllocs, r.ServerAllocs),
			ratio(r.RateToBest), ratio(r.CPUToBest), ratio(r.RateToLimit),
			fmt.Sprintf("%.0f %%", 100*r.Spread),
			fmt.Sprint(r.Passes),
		)
	}
	t.noteDisturbed(disturbed, len(results))
	return t.write(w)
}

// bytesOf prints a number of bytes in the largest unit that divides it.
func bytesOf(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// groups puts results with the same key together, keys in the order of their first result.
func groups[R any, K comparable](results []R, key func(R) K) [][]R {
	var keys []K
	byKey := make(map[K][]R)
	for _, r := range results {
		k := key(r)
		if byKey[k] == nil {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], r)
	}
	sets := make([][]R, len(keys))
	for i, k := range keys {
		sets[i] = byKey[k]
	}
	return sets
}

// sortRows sorts by kind, ours first and limits last, and the largest value of each kind first.
func sortRows[R any](rows []R, by func(R) (peer.Kind, float64)) {
	order := []peer.Kind{peer.Ours, peer.Framework, peer.Limit}
	slices.SortStableFunc(rows, func(a, b R) int {
		kindA, a1 := by(a)
		kindB, b1 := by(b)
		return cmp.Or(cmp.Compare(slices.Index(order, kindA), slices.Index(order, kindB)), cmp.Compare(b1, a1))
	})
}
