package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// lines writes values as a file of results has them.
func lines(t *testing.T, values ...any) string {
	t.Helper()
	var b strings.Builder
	for _, v := range values {
		if err := json.NewEncoder(&b).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// everything has a result of each view.
func everything(t *testing.T) *Data {
	t.Helper()
	call := result("kuafu", peer.Ours, 0, 800, 10)
	call.View = "calls"
	other := result("grpc", peer.Framework, 0, 100, 100)
	other.View = "calls"
	latency := cell.Latency{P50: 50, P99: 100}
	d := new(Data)
	err := d.Add(strings.NewReader(lines(t, Environment{Date: "2026-01-02", Go: "go1", Versions: []string{"x v1"}},
		call, other,
		cell.Open{View: "open", Own: true, Capacity: 1000, Offered: 700, Result: call},
		cell.Open{View: "open", Offered: 500, Result: call},
		cell.Transfer{View: "stream", Peer: "kuafu", Title: "Kuafu", Kind: peer.Ours, Direction: cell.Down, Size: 1024, Rate: 10},
		cell.Beside{View: "beside", Peer: "kuafu", Title: "Kuafu", Kind: peer.Ours, Idle: latency, Down: latency, Up: latency},
		cell.Stuck{View: "stuck", Peer: "kuafu", Title: "Kuafu", Kind: peer.Ours, Streams: 7, Call: latency, Chat: latency, IdleCall: latency, IdleChat: latency},
		cell.Scale{View: "scale", Axis: cell.Callers, At: 10, Result: call},
		cell.Idle{View: "idle", Peer: "kuafu", Title: "Kuafu", Kind: peer.Ours, Conns: 10, Grown: 4096, Freed: 1024},
	)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "bench")
	if err := everything(t).Write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"README.md":         "2026-01-02; go1",
		"calls.md":          "![Calls per second, 1k (logarithmic)](calls-1k.svg)",
		"calls-1k.svg":      ">100 callers</text>",
		"cpu-1k.svg":        "<svg ",
		"open.md":           "70 % of each one's own capacity",
		"open-own.svg":      "<svg ",
		"open-common.svg":   "<svg ",
		"stream.md":         "messages of 1 KiB",
		"stream.svg":        "<svg ",
		"beside.md":         "beside 7 streams that nobody reads",
		"beside.svg":        "<svg ",
		"stuck-7.svg":       "<svg ",
		"scale.md":          "## Growing callers",
		"scale-callers.svg": "<svg ",
		"idle.md":           "| ours: Kuafu | 0.0 | 4.0 | 1.0 |",
		"idle-10.svg":       "<svg ",
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(b), want) {
			t.Errorf("%s: no %q in\n%s", name, want, b)
		}
	}
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- [Scale](scale.md)\n", "| 1 KiB, 100 callers, calls/s | >= 8x gRPC-go | 8.00x | yes |"} {
		if !strings.Contains(string(index), want) {
			t.Errorf("no %q in\n%s", want, index)
		}
	}
}

func TestAddErrors(t *testing.T) {
	here := lines(t, Environment{Go: "go1"})
	for input, want := range map[string]string{
		"{}\n":                      "line 1: neither a result nor an environment",
		here + "no JSON\n":          "line 2: ",
		here + `{"view":"weather"}`: `line 2: there is no view "weather"`,
		here + `{"view":"idle","idle_conns":"many"}`: "line 2: ",
		here + lines(t, Environment{Go: "go2"}):      "do not go with",
		strings.Repeat(" ", 2<<20):                   "too long",
	} {
		if err := new(Data).Add(strings.NewReader(input)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want something with %q", input, err, want)
		}
	}
	if err := new(Data).Add(strings.NewReader(here + lines(t, Environment{Go: "go1", Date: "tomorrow"}))); err != nil {
		t.Errorf("measured on two days: %v", err)
	}
}

func TestGoals(t *testing.T) {
	d := &Data{}
	for pass := range 3 {
		d.Calls = append(d.Calls,
			result("kuafu", peer.Ours, pass, 800, 10), result("grpc", peer.Framework, pass, 100, 100),
			result("kitex-mux", peer.Framework, pass, 300, 40))
	}
	small := func(name string, kind peer.Kind, size string, rate float64) {
		r := result(name, kind, 0, rate, 1)
		r.Payload = size
		d.Calls = append(d.Calls, r)
	}
	small("kuafu", peer.Ours, "64B", 900)
	small("drpc", peer.Framework, "64B", 500)
	small("kuafu-plain", peer.Ours, "64k", 40)
	small("drpc", peer.Framework, "64k", 50)
	small("kuafu-binary", peer.Ours, "64k", 60)
	small("thrift-binary", peer.Framework, "64k", 50)
	got := make(map[string]string)
	for _, g := range d.goals() {
		got[g.Name+": "+g.Want] = fmt.Sprintf("%s, %v", g.Got, g.Met)
	}
	want := map[string]string{
		"1 KiB, 100 callers, calls/s: >= 8x gRPC-go":                                             "8.00x, true",
		"1 KiB, 100 callers, calls/s: >= 4x the best other framework":                            "2.67x, false",
		"1 KiB, 100 callers, CPU per call, client + server: <= 12 us":                            "10.0 us, true",
		"1 KiB, 100 callers, allocs per call, client + server: <= 12":                            "0.0, true",
		"Apache's clients, calls/s: our server faster than Apache's in every cell":               "in 1 of 1, true",
		"64 B and 64 KiB, 16 to 1000 callers, calls/s: first among the frameworks in every cell": "in 1 of 2; not: 64k, 100 callers: 0.80x, false",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %q, want %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d goals, want %d: %v", len(got), len(want), got)
	}
}
