package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// soon is how long anything may take that does not depend on a timeout. It is long: the machine may be busy.
const soon = time.Minute

// echo implements echotest.Echo.
type echo struct {
	arrived chan arrival  // calls of Slow, in the order in which they began
	notes   chan string   // what Note was told
	free    chan struct{} // lets the stuck calls of Slow go

	mu      sync.Mutex
	release map[string]chan struct{}
}

type arrival struct {
	name string
	ctx  context.Context
}

var _ echotest.Echo = (*echo)(nil)

func newEcho() *echo {
	return &echo{
		arrived: make(chan arrival, 10_000),
		notes:   make(chan string, 10_000),
		free:    make(chan struct{}),
		release: make(map[string]chan struct{}),
	}
}

// gate returns the channel that lets the calls of Slow with a name go when it is closed.
func (e *echo) gate(name string) chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.release[name] == nil {
		e.release[name] = make(chan struct{})
	}
	return e.release[name]
}

func (e *echo) Whoami(context.Context) (string, error)                         { return "echo", nil }
func (e *echo) Echo(_ context.Context, m *echotest.Msg) (*echotest.Msg, error) { return m, nil }
func (e *echo) Packed(_ context.Context, text string) (string, error)          { return text, nil }
func (e *echo) Plain(_ context.Context, size int32) (string, error) {
	return strings.Repeat("plain ", int(size)/6), nil
}
func (e *echo) Note(_ context.Context, text string) error               { e.notes <- text; return nil }
func (e *echo) Explode(_ context.Context, reason string) (int32, error) { panic(reason) }

// Slow waits to be released or for the end of its context; with a name that begins with "stuck", not for the latter.
func (e *echo) Slow(ctx context.Context, name string) (string, error) {
	e.arrived <- arrival{name, ctx}
	done := ctx.Done()
	if strings.HasPrefix(name, "stuck") {
		done = nil
	}
	select {
	case <-e.gate(name):
		return "woken " + name, nil
	case <-e.free:
		return "", errors.New("the test is over")
	case <-done:
		return "", ctx.Err()
	}
}

func (e *echo) Refuse(_ context.Context, code int32) (string, error) {
	switch {
	case code == 0:
		return "fine", nil
	case code < 0:
		return "", rpc.NewError(rpc.Code(-code), fmt.Sprintf("code %d", -code))
	}
	return "", fmt.Errorf("refused: %w", &echotest.Refused{Reason: "no", Code: code})
}

func (e *echo) Big(_ context.Context, size int32) ([]byte, error) {
	b := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(b)
	return b, nil
}

func (e *echo) Depth(_ context.Context, n *echotest.Node) (int32, error) {
	depth := int32(0)
	for ; n != nil; n = n.Next {
		depth++
	}
	return depth, nil
}

func (e *echo) Left(ctx context.Context) (int64, error) {
	d, ok := ctx.Deadline()
	if !ok {
		return -1, nil
	}
	return time.Until(d).Microseconds(), nil
}

func (e *echo) Ring(context.Context) (*echotest.Node, error) {
	n := new(echotest.Node)
	n.Next = n
	return n, nil
}

// clock implements echotest.Clock.
type clock struct{}

func (clock) Whoami(context.Context) (string, error)            { return "clock", nil }
func (clock) Ticks(_ context.Context, add int64) (int64, error) { return 1000 + add, nil }

// host is a server that runs, with everything around it.
type host struct {
	t    testing.TB
	srv  *server.Server
	impl *echo
	log  *logbook
	tcp  string
	unix string
	tls  string // with startTLS

	served chan error // what Serve returned
}

// start runs a server on a TCP port and a Unix socket until the test ends, and then checks that nothing of it is left.
func start(t testing.TB, opts ...server.Option) *host {
	t.Helper()
	return startAll(t, false, opts)
}

// startTLS is start with a TLS port too; the options have to say how.
func startTLS(t testing.TB, opts ...server.Option) *host {
	t.Helper()
	return startAll(t, true, opts)
}

func startAll(t testing.TB, secure bool, opts []server.Option) *host {
	t.Helper()
	noLeaks(t)
	h := &host{t: t, impl: newEcho(), log: newLogbook(), served: make(chan error, 1)}
	h.srv = server.New(append([]server.Option{server.WithLogger(slog.New(h.log))}, opts...)...)
	if err := h.srv.Register(echotest.NewEchoService(h.impl), echotest.NewClockService(clock{}), identityService()); err != nil {
		t.Fatal(err)
	}
	h.tcp = h.listen("tcp://127.0.0.1:0")
	h.unix = h.listen("unix://" + filepath.Join(t.TempDir(), "s"))
	if secure {
		h.tls = h.listen("tls://127.0.0.1:0")
	}
	go func() { h.served <- h.srv.Serve() }()
	t.Cleanup(func() {
		close(h.impl.free)
		if err := h.srv.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		select {
		case err := <-h.served:
			if !errors.Is(err, server.ErrClosed) {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(soon):
			t.Error("Serve did not return")
		}
	})
	return h
}

func (h *host) listen(address string) string {
	h.t.Helper()
	bound, err := h.srv.Listen(address)
	if err != nil {
		h.t.Fatal(err)
	}
	return bound
}

// dial returns a client of address that is closed when the test ends.
func (h *host) dial(address string, opts ...client.Option) *client.Client {
	h.t.Helper()
	c, err := client.Dial(h.t.Context(), address, opts...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// echo returns a client of the Echo service over TCP.
func (h *host) echo(opts ...client.Option) *echotest.EchoClient {
	h.t.Helper()
	return echotest.NewEchoClient(h.dial(h.tcp, opts...))
}

// raw connects without a client. Reads and writes that take too long fail.
func (h *host) raw() net.Conn {
	h.t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(h.tcp, "tcp://"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(soon)); err != nil {
		h.t.Fatal(err)
	}
	return nc
}

// awaitArrival returns the next call of Slow.
func (h *host) awaitArrival() arrival {
	h.t.Helper()
	select {
	case a := <-h.impl.arrived:
		return a
	case <-time.After(soon):
		h.t.Fatal("no call of Slow arrived")
		panic("unreachable")
	}
}

// drained reads until the server closes the connection, and returns what it sent. A reset counts as a close.
func drained(t testing.TB, nc net.Conn) []byte {
	t.Helper()
	b, err := io.ReadAll(nc)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("the connection stayed open; it sent %q", b)
	}
	return b
}

// message returns a Msg of about 1 KiB.
func message(id int64) *echotest.Msg {
	return &echotest.Msg{
		ID:   id,
		Text: strings.Repeat("all work and no play ", 30),
		Tags: []string{"one", "two", strings.Repeat("three", 20)},
		Attributes: map[string]string{
			"colour": strings.Repeat("blue", 20),
			"place":  strings.Repeat("here", 20),
		},
	}
}

// check makes one call and compares.
func check(t testing.TB, c *echotest.EchoClient, id int64) {
	t.Helper()
	m := message(id)
	got, err := c.Echo(context.Background(), m) // not the test's: a witness outlives that
	if err != nil {
		t.Errorf("call %d: %v", id, err)
		return
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Errorf("call %d (-sent +got):\n%s", id, diff)
	}
}

// wantError checks the code and execution of a failed call, and part of its message.
func wantError(t testing.TB, err error, code rpc.Code, x rpc.Execution, part string) {
	t.Helper()
	var e *rpc.Error
	if !errors.As(err, &e) || e.Code != code || e.Execution != x || !strings.Contains(e.Message, part) {
		t.Errorf("got %v, want %v (%v) with %q", err, code, x, part)
	}
}

// witness is a well-behaved client that calls all the time, while others misbehave.
type witness struct {
	t     testing.TB
	stop  chan struct{}
	done  chan struct{}
	first chan struct{} // closed after its first call
	took  []time.Duration
}

// watch starts a witness. Its calls must all succeed and none may take long; that is checked when the test ends, before
// the server is closed.
func (h *host) watch() {
	h.t.Helper()
	watch(h.t, h.echo())
}

func watch(t testing.TB, c *echotest.EchoClient) {
	t.Helper()
	w := &witness{t: t, stop: make(chan struct{}), done: make(chan struct{}), first: make(chan struct{})}
	go func() {
		defer close(w.done)
		for id := int64(0); ; id++ {
			begin := time.Now()
			check(t, c, id)
			w.took = append(w.took, time.Since(begin))
			if id == 0 {
				close(w.first)
			}
			select {
			case <-w.stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	select {
	case <-w.first:
	case <-time.After(soon):
		t.Fatal("the witness cannot even make one call")
	}
	t.Cleanup(w.check)
}

func (w *witness) check() {
	close(w.stop)
	select {
	case <-w.done:
	case <-time.After(soon):
		w.t.Error("the witness is stuck")
		return
	}
	slices.Sort(w.took)
	median, worst := w.took[len(w.took)/2], w.took[len(w.took)-1]
	few := len(w.took) < 10 // too few for a median to say much
	if median > 200*time.Millisecond && !few || worst > 5*time.Second {
		w.t.Errorf("the witness made %d calls: median %v, worst %v", len(w.took), median, worst)
	}
}

// bounded fails the test if the heap grows by more than limit bytes before the returned function is called. Garbage
// counts: it is memory too.
func bounded(t testing.TB, limit int) (stop func()) {
	t.Helper()
	runtime.GC()
	before := heap()
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		most := 0
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-tick.C:
				most = max(most, heap()-before)
			case <-quit:
				tick.Stop()
				done <- max(most, heap()-before)
				return
			}
		}
	}()
	return func() {
		t.Helper()
		close(quit)
		if most := <-done; most > limit {
			t.Errorf("the heap grew by %d KiB, at most %d are in order", most>>10, limit>>10)
		}
	}
}

func heap() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// noLeaks fails the test if goroutines of the module outlive it.
func noLeaks(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		var left []string
		for deadline := time.Now().Add(soon); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if left = ours(); len(left) == 0 {
				return
			}
		}
		t.Errorf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
	})
}

// ours returns the stacks of the goroutines that run code of the module or of gnet, those of tests excepted.
func ours() (stacks []string) {
	buf := make([]byte, 4<<20)
	all := string(buf[:runtime.Stack(buf, true)])
	for g := range strings.SplitSeq(all, "\n\n") {
		if (strings.Contains(g, "kuafu/runtime/") || strings.Contains(g, "gnet/v2")) && !strings.Contains(g, "_test.go") {
			stacks = append(stacks, g)
		}
	}
	return stacks
}

// logbook is a slog.Handler that keeps what is logged.
type logbook struct {
	*shared
	attrs []slog.Attr
}

type shared struct {
	mu      sync.Mutex
	entries []entry
	changed chan struct{} // closed and replaced at every entry
}

type entry struct {
	level slog.Level
	text  string
}

func newLogbook() *logbook { return &logbook{shared: &shared{changed: make(chan struct{})}} }

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithGroup(string) slog.Handler            { return l }
func (l *logbook) WithAttrs(a []slog.Attr) slog.Handler {
	return &logbook{l.shared, append(slices.Clip(l.attrs), a...)}
}

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool { fmt.Fprintf(&b, " %s=%v", a.Key, a.Value); return true }
	for _, a := range l.attrs {
		add(a)
	}
	r.Attrs(add)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry{r.Level, b.String()})
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// find returns the first entry of a level that contains all parts.
func (l *logbook) find(level slog.Level, parts ...string) (string, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for _, e := range l.entries {
		if e.level != level {
			continue
		}
		for _, p := range parts {
			if !strings.Contains(e.text, p) {
				continue next
			}
		}
		return e.text, nil
	}
	return "", l.changed
}

// wants waits for an entry of a level that contains all parts.
func (l *logbook) wants(t testing.TB, level slog.Level, parts ...string) {
	t.Helper()
	late := time.After(soon)
	for {
		text, changed := l.find(level, parts...)
		if text != "" {
			return
		}
		select {
		case <-changed:
		case <-late:
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Errorf("no %v in the log has %q; it has %v", level, parts, l.entries)
			return
		}
	}
}

// ended waits for the log to say that nc was closed by the server for a reason that contains part.
func (h *host) ended(nc net.Conn, part string) {
	h.t.Helper()
	h.log.wants(h.t, slog.LevelWarn, "connection ended", "peer="+nc.LocalAddr().String(), part)
}
