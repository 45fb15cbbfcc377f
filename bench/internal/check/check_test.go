package check

import (
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

func result(name string, kind peer.Kind, pass int, rate, cpu, allocs float64) cell.Result {
	return cell.Result{
		Peer: name, Kind: kind, Payload: "1k", Callers: 100, Pass: pass, Rate: rate, ServerCPU: cpu, ClientAllocs: allocs, ServerAllocs: allocs,
	}
}

func TestFailures(t *testing.T) {
	const fine, other = 5.0, 100.0
	for _, tt := range []struct {
		name    string
		results []cell.Result
		want    []string // a part of each failure
	}{
		{"nothing measured", nil, nil},
		{"as it should be", []cell.Result{
			result("kuafu", peer.Ours, 0, 800, 10, fine), result("grpc", peer.Framework, 0, 100, 100, other),
		}, nil},
		{"a pass in which all is slow", []cell.Result{
			result("kuafu", peer.Ours, 0, 80, 100, fine), result("grpc", peer.Framework, 0, 10, 1000, other),
			result("kuafu", peer.Ours, 1, 800, 10, fine), result("grpc", peer.Framework, 1, 100, 100, other),
		}, nil},
		{"few calls, but cheap ones: the machine was busy", []cell.Result{
			result("kuafu", peer.Ours, 0, 90, 10, fine), result("grpc", peer.Framework, 0, 100, 100, other),
		}, nil},
		{"slower than another", []cell.Result{
			result("kuafu", peer.Ours, 0, 100, 50, fine), result("kitex-mux", peer.Framework, 0, 100, 50, other),
		}, []string{"1.00 times the calls/s of kitex-mux"}},
		{"not as much faster than gRPC-go as it was", []cell.Result{
			result("kuafu", peer.Ours, 0, 200, 50, fine), result("grpc", peer.Framework, 0, 100, 100, other),
		}, []string{"2.00 times the calls/s of grpc"}},
		{"a limit of the machine is no framework", []cell.Result{
			result("kuafu", peer.Ours, 0, 100, 50, fine), result("gnet", peer.Limit, 0, 1000, 5, other),
		}, nil},
		{"more allocations", []cell.Result{
			result("kuafu", peer.Ours, 0, 800, 10, 9), result("kuafu", peer.Ours, 1, 800, 10, 9), result("kuafu", peer.Ours, 2, 800, 10, 1),
		}, []string{"the client allocates 9.0", "the server allocates 9.0"}},
		{"more allocations once", []cell.Result{
			result("kuafu", peer.Ours, 0, 800, 10, 9), result("kuafu", peer.Ours, 1, 800, 10, fine), result("kuafu", peer.Ours, 2, 800, 10, fine),
		}, nil},
		{"another's client", []cell.Result{
			result("kuafu-binary", peer.Ours, 0, 800, 10, 7.5),
		}, nil},
	} {
		got := Failures(tt.results)
		if len(got) != len(tt.want) {
			t.Errorf("%s: %q", tt.name, got)
			continue
		}
		for i, want := range tt.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: %q, want something with %q", tt.name, got[i], want)
			}
		}
	}
}

func TestKnows(t *testing.T) {
	if !Knows("1k", 1) || !Knows("64k", 100) || Knows("64k", 1) || Knows("2k", 100) {
		t.Error("cells are known that are not, or the other way round")
	}
}

// TestLimits checks that every limit names peers that there are.
func TestLimits(t *testing.T) {
	for _, l := range allocLimits {
		if _, err := peer.Find(l.peer); err != nil || l.client < 0 || l.server <= 0 {
			t.Errorf("%+v: %v", l, err)
		}
	}
	for _, l := range lossLimits {
		for _, name := range append([]string{l.ours}, l.others...) {
			if _, err := peer.Find(name); err != nil || l.least <= 0 {
				t.Errorf("%+v: %v", l, err)
			}
		}
	}
}
