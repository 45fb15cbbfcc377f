package report

import (
	"fmt"
	"io"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
)

// Beside writes the table of calls beside bulk streams.
func Beside(w io.Writer, results []cell.Beside) error {
	t := table{
		title: "Calls of 1 KiB beside a bulk stream on the same connection, 1 caller",
		columns: []string{
			"", "idle p50", "idle p99", "down p50", "down p99", "down p99 ÷ idle", "down MB/s",
			"up p50", "up p99", "up p99 ÷ idle", "up MB/s", "passes",
		},
	}
	disturbed := 0
	for _, passes := range groups(results, func(b cell.Beside) string { return b.Peer }) {
		of := func(value func(cell.Beside) float64) float64 { return medianOf(passes, value) }
		for _, b := range passes {
			disturbed += disturbedOf(b.Idle, b.Down, b.Up)
		}
		t.add(
			string(passes[0].Kind)+": "+passes[0].Title,
			duration(of(func(b cell.Beside) float64 { return b.Idle.P50 })),
			duration(of(func(b cell.Beside) float64 { return b.Idle.P99 })),
			duration(of(func(b cell.Beside) float64 { return b.Down.P50 })),
			duration(of(func(b cell.Beside) float64 { return b.Down.P99 })),
			ratio(of(func(b cell.Beside) float64 { return b.Down.P99 / b.Idle.P99 })),
			thousands(of(func(b cell.Beside) float64 { return b.DownRate })),
			duration(of(func(b cell.Beside) float64 { return b.Up.P50 })),
			duration(of(func(b cell.Beside) float64 { return b.Up.P99 })),
			ratio(of(func(b cell.Beside) float64 { return b.Up.P99 / b.Idle.P99 })),
			thousands(of(func(b cell.Beside) float64 { return b.UpRate })),
			fmt.Sprint(len(passes)),
		)
	}
	t.noteDisturbed(disturbed, 3*len(results))
	return t.write(w)
}

// Stuck writes the table of streams that nobody reads.
func Stuck(w io.Writer, streams int, results []cell.Stuck) error {
	t := table{
		title: fmt.Sprintf("Calls and a healthy stream beside %s streams that nobody reads", thousands(float64(streams))),
		columns: []string{
			"", "call idle p99", "call p50", "call p99", "p99 ÷ idle", "stream idle p99", "stream p50", "stream p99", "p99 ÷ idle",
			"client KiB/stuck stream", "server KiB/stuck stream", "passes",
		},
	}
	disturbed := 0
	for _, passes := range groups(results, func(s cell.Stuck) string { return s.Peer }) {
		of := func(value func(cell.Stuck) float64) float64 { return medianOf(passes, value) }
		for _, s := range passes {
			disturbed += disturbedOf(s.IdleCall, s.IdleChat, s.Call, s.Chat)
		}
		t.add(
			string(passes[0].Kind)+": "+passes[0].Title,
			duration(of(func(s cell.Stuck) float64 { return s.IdleCall.P99 })),
			duration(of(func(s cell.Stuck) float64 { return s.Call.P50 })),
			duration(of(func(s cell.Stuck) float64 { return s.Call.P99 })),
			ratio(of(func(s cell.Stuck) float64 { return s.Call.P99 / s.IdleCall.P99 })),
			duration(of(func(s cell.Stuck) float64 { return s.IdleChat.P99 })),
			duration(of(func(s cell.Stuck) float64 { return s.Chat.P50 })),
			duration(of(func(s cell.Stuck) float64 { return s.Chat.P99 })),
			ratio(of(func(s cell.Stuck) float64 { return s.Chat.P99 / s.IdleChat.P99 })),
			fmt.Sprintf("%.1f", of(func(s cell.Stuck) float64 { return s.ClientMemory })/1024),
			fmt.Sprintf("%.1f", of(func(s cell.Stuck) float64 { return s.ServerMemory })/1024),
			fmt.Sprint(len(passes)),
		)
	}
	t.noteDisturbed(disturbed, 4*len(results))
	return t.write(w)
}

func disturbedOf(windows ...cell.Latency) (n int) {
	for _, w := range windows {
		if w.Disturbed() {
			n++
		}
	}
	return n
}
