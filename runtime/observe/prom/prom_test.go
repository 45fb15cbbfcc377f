package prom_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/observe/prom"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

var (
	echo = &rpc.Method{Service: "Echo", Name: "echo", FullName: "Echo.echo"}
	note = &rpc.Method{Service: "Echo", Name: "note", FullName: "Echo.note", Oneway: true}
	peer = &rpc.Peer{Network: "tcp", Address: "192.0.2.1:1"}
)

type fixed observe.Snapshot

func (f fixed) Snapshot(int) observe.Snapshot { return observe.Snapshot(f) }

// scrape returns what a registry with only these metrics shows to Prometheus.
func scrape(t *testing.T, m *prom.Metrics) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(m); err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	defer ts.Close()
	resp, err := http.Get(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", resp.Status, body, err)
	}
	return string(body)
}

func TestExposition(t *testing.T) {
	m := prom.New(prom.Options{Buckets: []float64{0.001, 0.1}})
	e := m.Events()
	e.ConnOpened(observe.ConnOpened{Peer: peer})
	e.ConnOpened(observe.ConnOpened{Peer: peer})
	e.ConnOpened(observe.ConnOpened{Peer: &rpc.Peer{Network: "unix"}})
	e.ConnClosed(observe.ConnClosed{Peer: peer, End: observe.EndIdle, Reason: io.EOF})
	e.ConnRefused(observe.ConnRefused{Peer: peer, Limit: "connections"})
	e.HandshakeFailed(observe.HandshakeFailed{Peer: peer, Err: io.EOF})
	done := observe.CallDone{Method: echo, Peer: peer, Queue: 50 * time.Microsecond, Processing: 20 * time.Millisecond, Response: time.Second,
		RequestBytes: 100, RequestRawBytes: 250, ReplyBytes: 30, ReplyRawBytes: 90}
	e.CallDone(done)
	failed := done
	failed.Err = &rpc.Error{Code: rpc.NotFound, Execution: rpc.Executed}
	failed.Unsent, failed.ReplyBytes, failed.ReplyRawBytes = true, 0, 0
	e.CallDone(failed)
	refused := observe.CallDone{Method: echo, Queue: 2 * time.Second, RequestBytes: 7, RequestRawBytes: 7, ReplyBytes: 9,
		Err: &rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted}}
	e.CallDone(refused)
	e.CallDone(observe.CallDone{Method: note, Oneway: true, Processing: time.Millisecond, Queue: -1}) // a clock was set back
	for i := range 3 {
		e.CallDone(observe.CallDone{Name: fmt.Sprintf("made.up%d", i), Err: &rpc.Error{Code: rpc.Unimplemented, Execution: rpc.NotExecuted}})
	}
	e.SlowCall(observe.SlowCall{CallDone: done})
	e.ClientCallDone(observe.ClientCallDone{Method: echo, Took: 2 * time.Millisecond, Attempts: 3})
	e.ClientCallDone(observe.ClientCallDone{Method: echo, Took: time.Minute, Err: rpc.NewError(200, "from the future")})
	for _, name := range []string{"b", "a"} {
		if err := m.Watch(name, fixed{Calls: observe.Calls{Queued: 1, Running: 2, Deferred: 3, InFlight: 6}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Watch("a", fixed{}); err == nil {
		t.Error("two servers of one name are watched")
	}
	got := scrape(t, m)
	golden := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	problems, err := testutil.CollectAndLint(m)
	if err != nil || len(problems) > 0 {
		t.Errorf("the linter says %v, %v", problems, err)
	}
}

// Every metric that there is, is in the package's documentation, and the other way round.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, word := range strings.FieldsFunc(string(doc), func(r rune) bool { return !('a' <= r && r <= 'z' || r == '_') }) {
		if strings.HasPrefix(word, "kuafu_rpc_") {
			documented[word] = true
		}
	}
	golden, err := os.ReadFile(filepath.Join("testdata", "metrics.txt"))
	if err != nil {
		t.Fatal(err)
	}
	exposed := make(map[string]bool)
	for line := range strings.Lines(string(golden)) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			exposed[strings.Fields(name)[0]] = true
		}
	}
	if diff := cmp.Diff(documented, exposed); diff != "" {
		t.Errorf("-documented +exposed\n%s", diff)
	}
}

func TestDefaultBuckets(t *testing.T) {
	b := prom.DefaultBuckets()
	for i := range b[1:] {
		if b[i] >= b[i+1] {
			t.Errorf("%v does not rise", b)
		}
	}
	if b[0] != 0.00001 || b[len(b)-1] != 10 || len(b) != 19 {
		t.Errorf("%d bounds from %v to %v", len(b), b[0], b[len(b)-1])
	}
}

func TestNoAllocations(t *testing.T) {
	e := prom.New(prom.Options{}).Events()
	done := observe.CallDone{Method: echo, Processing: time.Millisecond}
	e.CallDone(done)
	if n := testing.AllocsPerRun(1000, func() { e.CallDone(done) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCallDone(b *testing.B) {
	e := prom.New(prom.Options{}).Events()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e.CallDone(observe.CallDone{Method: echo, Processing: time.Millisecond})
		}
	})
}
