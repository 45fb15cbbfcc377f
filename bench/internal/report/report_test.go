package report

import (
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
