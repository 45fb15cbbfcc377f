package report

import (
	"errors"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

func result(name string, kind peer.Kind, pass int, rate, cpu float64) cell.Result {
	return cell.Result{
		Peer: name, Title: strings.ToUpper(name), Kind: kind, Base: strings.HasPrefix(name, "grpc"), Payload: "1k",
		Callers: 100, Conns: 1, Pass: pass, Rate: rate, ClientCPU: cpu / 2, ServerCPU: cpu / 2,
	}
}

// In the second pass the machine is half as fast, which ratios within a pass do not see.
var results = []cell.Result{
	result("net", peer.Limit, 0, 1000, 1), result("kuafu", peer.Ours, 0, 800, 10),
	result("grpc", peer.Framework, 0, 80, 100), result("grpc-pool", peer.Framework, 0, 100, 80),
	result("kitex", peer.Framework, 0, 200, 50),
	result("net", peer.Limit, 1, 500, 2), result("kuafu", peer.Ours, 1, 400, 20),
	result("grpc", peer.Framework, 1, 50, 160), result("grpc-pool", peer.Framework, 1, 40, 200),
	result("kitex", peer.Framework, 1, 100, 100),
}

func TestSummarize(t *testing.T) {
	rows := Summarize(results)
	var order []string
	for _, r := range rows {
		order = append(order, r.Title)
	}
	if got, want := strings.Join(order, " "), "KUAFU KITEX GRPC-POOL GRPC NET"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
	ours, kitex := rows[0], rows[1]
	if ours.Rate != 600 || ours.RateToBase != 8 || ours.RateToBest != 4 || ours.CPUToBase != 0.125 || ours.Passes != 2 {
		t.Errorf("ours: %+v", ours)
	}
	if got, want := ours.Spread, 400.0/600; got != want {
		t.Errorf("spread %v, want %v", got, want)
	}
	// The best other framework of the best one is the second best.
	if kitex.RateToBest != 2 {
		t.Errorf("kitex is %v times the best other framework", kitex.RateToBest)
	}
}

func TestCalls(t *testing.T) {
	var b strings.Builder
	if err := Calls(&b, "1k", 100, append(results, cell.Result{Peer: "x", Title: "X", Rate: 1234567, Noise: cell.Noise{Other: 1}})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## 1k, 100 callers\n",
		"| ours: KUAFU | 1 | 600 |",
		"7.5 + 7.5 = 15.0",
		"| 8.00 | 0.12 | 4.00 | 67 % | 2 |",
		"1,234,567",
		"1 of 11 runs had",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestAloneThereAreNoRatios(t *testing.T) {
	row := Summarize(results[1:2])[0]
	if row.RateToBase != 0 || row.RateToBest != 0 || ratio(row.RateToBase) != "" {
		t.Errorf("%+v", row)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 3: {3}, 2: {3, 1}, 5: {9, 5, 1}} {
		if got := median(values); got != want {
			t.Errorf("median of %v is %v", values, got)
		}
	}
}

func TestTransfers(t *testing.T) {
	row := func(name string, kind peer.Kind, pass int, rate, cpu float64) cell.Transfer {
		return cell.Transfer{Peer: name, Title: name, Kind: kind, Pass: pass, Rate: rate, ClientCPU: cpu / 4, ServerCPU: 3 * cpu / 4}
	}
	all := []cell.Transfer{
		row("tcp", peer.Limit, 0, 2000, 0.5), row("grpc", peer.Framework, 0, 400, 4), row("drpc", peer.Framework, 0, 500, 2),
		row("kuafu", peer.Ours, 0, 1000, 1),
		row("tcp", peer.Limit, 1, 1000, 1), row("grpc", peer.Framework, 1, 250, 4), row("drpc", peer.Framework, 1, 200, 2),
		row("kuafu", peer.Ours, 1, 500, 2),
	}
	rows := SummarizeTransfers(all)
	ours, last := rows[0], rows[3]
	if ours.Rate != 750 || ours.RateToBest != 2 || ours.CPUToBest != 0.5 || ours.RateToLimit != 0.5 || ours.Passes != 2 {
		t.Errorf("ours: %+v", ours)
	}
	if last.Title != "tcp" || rows[1].Title != "drpc" {
		t.Errorf("order: %v", rows)
	}
	var b strings.Builder
	if err := Transfers(&b, cell.Upload, 64<<10, all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## Upload of 256 MiB on a new connection, messages of 64 KiB\n",
		"| ours: kuafu | 750 | 0.38 + 1.12 = 1.50 | 0.0 + 0.0 | 2.00 | 0.50 | 0.50 | 67 % | 2 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestBesideAndStuck(t *testing.T) {
	latency := func(p99 float64) cell.Latency { return cell.Latency{P50: p99 / 2, P99: p99} }
	beside := []cell.Beside{
		{Title: "X", Kind: peer.Ours, Idle: latency(100), Down: latency(300), Up: latency(200), DownRate: 1500, UpRate: 900},
		{Title: "X", Kind: peer.Ours, Idle: latency(200), Down: latency(1000), Up: latency(400), DownRate: 1500, UpRate: 900},
	}
	stuck := []cell.Stuck{{
		Title: "X", Kind: peer.Ours, IdleCall: latency(100), Call: latency(150), IdleChat: latency(80), Chat: latency(160),
		ClientMemory: 64 << 10, ServerMemory: 5 << 10,
	}}
	var b strings.Builder
	if err := errors.Join(Beside(&b, beside), Stuck(&b, 1000, stuck)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| ours: X | 75 us | 150 us | 325 us | 650 us | 4.00 | 1,500 | 150 us | 300 us | 2.00 | 900 | 2 |",
		"beside 1,000 streams",
		"| ours: X | 100 us | 75 us | 150 us | 1.50 | 80 us | 80 us | 160 us | 2.00 | 64.0 | 5.0 | 1 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestOpen(t *testing.T) {
	row := func(name string, kind peer.Kind, pass int, p99 float64) cell.Open {
		return cell.Open{
			Capacity: 1000, Offered: 700, Own: true, Late: 10,
			Result: cell.Result{
				Peer: name, Title: name, Kind: kind, Pass: pass, Payload: "1k", Callers: 100, P50: p99 / 2, P99: p99, P999: 2 * p99, ClientCPU: 4, ServerCPU: 5,
			},
		}
	}
	all := []cell.Open{
		row("netrpc", peer.Framework, 0, 400), row("grpc", peer.Framework, 0, 900), row("kuafu", peer.Ours, 0, 200),
		row("netrpc", peer.Framework, 1, 800), row("grpc", peer.Framework, 1, 1000), row("kuafu", peer.Ours, 1, 400),
	}
	var b strings.Builder
	if err := Open(&b, all); err != nil {
		t.Fatal(err)
	}
	want := `## Open loop, 1k, 100 callers, 70 % of each one's own capacity

|  | capacity, calls/s | offered, calls/s | p50 | p99 | p99.9 | p99 ÷ best other | CPU-us/call | generator late, p99 | passes |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
| ours: kuafu | 1,000 | 700 | 150 us | 300 us | 600 us | 0.50 | 9.0 | 10 us | 2 |
| framework: netrpc | 1,000 | 700 | 300 us | 600 us | 1200 us | 0.62 | 9.0 | 10 us | 2 |
| framework: grpc | 1,000 | 700 | 475 us | 950 us | 1900 us | 1.75 | 9.0 | 10 us | 2 |

`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	all[0].Own, all[0].Offered = false, 5000
	if err := Open(&b, all); err != nil || !strings.Contains(b.String(), "5,000 calls/s for all\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestScale(t *testing.T) {
	point := func(title string, axis cell.Axis, at, pass int, cpu float64) cell.Scale {
		return cell.Scale{Axis: axis, At: at, Result: cell.Result{Title: title, Pass: pass, Rate: 10, P50: 1, P99: 2, ClientCPU: cpu}}
	}
	var b strings.Builder
	err := errors.Join(
		Scale(&b, cell.Payload, []cell.Scale{
			point("B", cell.Payload, 1024, 0, 2), point("A", cell.Payload, 1024, 0, 4), point("B", cell.Payload, 64, 0, 1),
			point("B", cell.Payload, 1024, 1, 4),
		}),
		Scale(&b, cell.Methods, []cell.Scale{
			point("Kuafu, 10 methods", cell.Methods, 10, 0, 2), point("Kuafu, 1 methods", cell.Methods, 1, 0, 1),
		}))
	if err != nil {
		t.Fatal(err)
	}
	want := `## Growing payload: 1 caller

|  | payload | calls/s | p50 | p99 | CPU-us/call | CPU-ns/byte each way | passes |
|---|--:|--:|--:|--:|--:|--:|--:|
| B | 64 B | 10 | 1.0 us | 2.0 us | 1.0 | 15.62 | 1 |
| B | 1 KiB | 10 | 1.0 us | 2.0 us | 3.0 | 2.93 | 2 |
| A | 1 KiB | 10 | 1.0 us | 2.0 us | 4.0 | 3.91 | 1 |

## Growing methods: 1 KiB, 100 callers, 1 connection

|  | methods | calls/s | p50 | p99 | CPU-us/call | passes |
|---|--:|--:|--:|--:|--:|--:|
| Kuafu | 1 | 10 | 1.0 us | 2.0 us | 1.0 | 1 |
| Kuafu | 10 | 10 | 1.0 us | 2.0 us | 2.0 | 1 |

`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
