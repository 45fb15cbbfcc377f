package listener

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// ours returns the stacks of goroutines that run this package's or gnet's event loop code.
func ours() (stacks []string) {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	for g := range strings.SplitSeq(string(b), "\n\n") {
		if strings.Contains(g, "listener.(*") || strings.Contains(g, "gnet/v2.(*") {
			stacks = append(stacks, g)
		}
	}
	return stacks
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	l, err := New(Options{Loops: 3, CloseGrace: 50 * time.Millisecond}, func(conn *Conn) (Session, Output) {
		c := &testConn{t: t, conn: conn, onFeed: echo, ended: make(chan struct{})}
		return c, c
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	for _, address := range []string{"tcp://127.0.0.1:0", "unix://" + t.TempDir() + "/s"} {
		ln, err := Listen(address, ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- l.Serve(ln) }()
		s := &testServer{Listener: l, t: t, addr: ln.Addr().String()}
		for range 10 {
			roundTrip(t, dial(t, s))
		}
	}
	if len(ours()) < 3 {
		t.Fatal("the test does not see the goroutines of a running Listener")
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-done; err != ErrClosed {
			t.Errorf("Serve: %v, want ErrClosed", err)
		}
	}
	// Close has seen them all end; the last instructions of a goroutine may still be running.
	eventually(t, "every goroutine ends", func() bool { return len(ours()) == 0 })
	if err := l.Close(t.Context()); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if ln, err := Listen("tcp://127.0.0.1:0", ListenOptions{}); err != nil {
		t.Error(err)
	} else if err := l.Serve(ln); err != ErrClosed {
		t.Errorf("Serve after Close: %v, want ErrClosed", err)
	}
	if n := l.Stats().Open; n != 0 {
		t.Errorf("%d connections open after Close", n)
	}
}

func TestStopKeepsConnections(t *testing.T) {
	s := serve(t, Options{}, nil)
	nc, c := connect(t, s)
	s.Stop()
	s.Stop()
	eventually(t, "the port is closed", func() bool {
		other, err := net.Dial("tcp", s.addr)
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	<-s.Stopped() // so that none of these dials is still being accepted
	eventually(t, "the dials that came before it are gone", func() bool { return s.Stats().Open == 1 })
	roundTrip(t, nc)
	n := 0
	s.Conns(func(conn *Conn) bool {
		n++
		if conn != c.conn {
			t.Error("Conns shows another connection")
		}
		return true
	})
	if n != 1 {
		t.Errorf("Conns shows %d connections, want 1", n)
	}
}

func TestConnsStopsEarly(t *testing.T) {
	s := serve(t, Options{}, nil)
	connect(t, s)
	connect(t, s)
	n := 0
	s.Conns(func(*Conn) bool { n++; return false })
	if n != 1 {
		t.Errorf("Conns goes on after false: %d calls", n)
	}
}

// TestCloseSendsEverything closes a Listener with output pending on several connections.
func TestCloseSendsEverything(t *testing.T) {
	const size = 8 << 20
	s := serve(t, Options{CloseGrace: patience}, nil)
	got := make(chan int64, 3)
	for range cap(got) {
		nc, c := connect(t, s)
		c.send(make([]byte, size))
		go func() {
			n, _ := io.Copy(io.Discard, nc)
			nc.Close()
			got <- n
		}()
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for range cap(got) {
		if n := <-got; n != size {
			t.Errorf("received %d of %d bytes", n, size)
		}
	}
}

func TestCloseGivesUp(t *testing.T) {
	s := serve(t, Options{CloseGrace: time.Hour, StallTimeout: time.Hour}, nil)
	_, c := connect(t, s)
	c.send(make([]byte, 32<<20))
	eventually(t, "the socket fills up", func() bool { return c.conn.armed.Load() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err != context.Canceled {
		t.Errorf("Close: %v, want the context's error", err)
	}
	if err := c.wait(); err != ErrClosed {
		t.Errorf("closed with %v, want ErrClosed", err)
	}
}

// sweepSession counts checks and lets its connection vanish.
type sweepSession struct {
	*testConn
	checked int
	vanish  func()
}

func (s *sweepSession) Check(time.Time) error {
	s.checked++
	if s.vanish != nil {
		s.vanish()
	}
	return nil
}

// TestSweepMissesNobody removes connections while a sweep in several batches is under way.
func TestSweepMissesNobody(t *testing.T) {
	l := &Listener{opts: Options{}.withDefaults(), start: time.Now()}
	p := &loop{l: l}
	all := make([]*sweepSession, 2*sweepBatch+100)
	for i := range all {
		c := &Conn{l: l, loop: p}
		all[i] = &sweepSession{}
		c.session = all[i]
		p.add(c)
		if i%3 == 0 { // removes itself
			all[i].vanish = func() { p.remove(c) }
		}
	}
	first := p.conns[1]
	for rounds := 0; p.sweep(); rounds++ {
		if rounds == 0 { // between two batches one goes that is still to come
			p.remove(first)
		}
		if rounds > len(all) {
			t.Fatal("the sweep does not end")
		}
	}
	for i, s := range all {
		if s.checked == 0 && i != 1 {
			t.Fatalf("connection %d was not checked", i)
		}
	}
	for i, c := range p.conns {
		if int(c.index) != i {
			t.Fatalf("connection %d believes that it is %d", i, c.index)
		}
	}
}

// nobody is a Session and Output without any memory of its own.
type nobody struct{}

func (nobody) Feed([]byte) error     { return nil }
func (nobody) Check(time.Time) error { return nil }
func (nobody) Closed(error)          {}
func (nobody) Next(int) [][]byte     { return nil }
func (nobody) Hold()                 {}
func (nobody) Written()              {}

// idle holds n connections open, whose client ends are bare descriptors, and returns the memory that one costs.
func idle(t testing.TB, n int) (l *Listener, each float64) {
	t.Helper()
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil || lim.Cur < uint64(2*n+100) {
		n = int(lim.Cur-100) / 2
	}
	l, err := New(Options{MaxConns: -1, MaxConnsPerIP: -1}, func(*Conn) (Session, Output) { return nobody{}, nobody{} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	ln, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	go l.Serve(ln)
	to := syscall.SockaddrInet4{Port: ln.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	fds := make([]int, 0, n)
	t.Cleanup(func() {
		for _, fd := range fds {
			syscall.Close(fd)
		}
	})
	before := memory()
	for i := range n {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err == nil {
			err = syscall.Connect(fd, &to)
		}
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		eventually(t, fmt.Sprintf("connection %d is accepted", i), func() bool { return l.Stats().Open > i-64 })
	}
	eventually(t, "all connections are accepted", func() bool { return l.Stats().Accepted == uint64(n) })
	return l, float64(memory()-before) / float64(n)
}

// memory returns what heap and stacks take after a collection.
func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one moves pools to their victim caches
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestIdleMemory bounds what an idle connection costs, gnet's and the net package's part included.
func TestIdleMemory(t *testing.T) {
	_, each := idle(t, 2000)
	t.Logf("%.0f bytes per idle connection, of which Conn is %d", each, unsafe.Sizeof(Conn{}))
	if size := unsafe.Sizeof(Conn{}); size > 288 {
		t.Errorf("Conn has grown to %d bytes", size)
	}
	if each > 896 { // about 420 are gnet's and the net package's
		t.Errorf("an idle connection costs %.0f bytes", each)
	}
}

// BenchmarkSweep checks 10,000 idle connections, or as many as there are descriptors for. A loop is busy with them for
// that long in every CheckInterval.
func BenchmarkSweep(b *testing.B) {
	l, each := idle(b, 9900)
	n := l.Stats().Open
	var total time.Duration
	for b.Loop() {
		for _, p := range l.allLoops() {
			done := make(chan time.Duration)
			if err := p.el.Execute(b.Context(), runnable(func() {
				begin := time.Now()
				for p.sweep(); p.cursor > 0; p.sweep() {
				}
				done <- time.Since(begin)
			})); err != nil {
				b.Fatal(err)
			}
			total += <-done
		}
	}
	b.ReportMetric(float64(total.Nanoseconds())/float64(b.N)/float64(n), "ns/conn")
	b.ReportMetric(each, "B/conn")
	b.ReportMetric(float64(n), "conns")
}

type runnable func()

func (f runnable) Run(context.Context) error { f(); return nil }
