package listener

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds every wait of the tests; what they wait for normally takes milliseconds.
const patience = time.Minute

// testConn is a Session and an Output in one: a queue of bytes, and hooks.
type testConn struct {
	t    testing.TB
	conn *Conn

	onFeed  func(c *testConn, b []byte) error
	onCheck func() error
	onNext  func()
	late    atomic.Pointer[lateHooks] // set while the connection is in use
	instead any                       // a Session, an Output or both, to be used in this one's place

	mu      sync.Mutex
	pending [][]byte
	lent    bool // buffers of Next are out
	held    int  // calls of Hold

	closes int
	reason error
	ended  chan struct{}
}

// lateHooks are called besides the others.
type lateHooks struct{ onNext, onWritten func() }

func (c *testConn) send(b []byte) {
	c.mu.Lock()
	c.pending = append(c.pending, b)
	c.mu.Unlock()
	c.conn.Wake()
}

func (c *testConn) Feed(b []byte) error {
	if c.onFeed != nil {
		return c.onFeed(c, b)
	}
	return nil
}

func (c *testConn) Check(time.Time) error {
	if c.onCheck != nil {
		return c.onCheck()
	}
	return nil
}

func (c *testConn) Closed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lent {
		c.t.Error("Closed with buffers not given back")
	}
	if err == nil {
		c.t.Error("Closed without a reason")
	}
	c.closes++
	c.reason = err
	if c.closes > 1 {
		c.t.Error("Closed twice")
		return
	}
	close(c.ended)
}

func (c *testConn) Next(limit int) [][]byte {
	if c.onNext != nil {
		c.onNext()
	}
	if h := c.late.Load(); h != nil && h.onNext != nil {
		h.onNext()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lent {
		c.t.Error("Next before Written")
	}
	n, size := 0, 0
	for n < len(c.pending) && size < limit {
		size += len(c.pending[n])
		n++
	}
	out := c.pending[:n:n]
	c.pending = c.pending[n:]
	c.lent = n > 0
	return out
}

func (c *testConn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lent {
		c.t.Error("Hold without Next")
	}
	c.held++
}

func (c *testConn) Written() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lent {
		c.t.Error("Written without Next")
	}
	c.lent = false
	if h := c.late.Load(); h != nil && h.onWritten != nil {
		h.onWritten()
	}
}

// wait returns the reason for the end of the connection.
func (c *testConn) wait() error {
	c.t.Helper()
	select {
	case <-c.ended:
		return c.reason
	case <-time.After(patience):
		c.t.Fatal("the connection does not end")
		return nil
	}
}

// echo is an onFeed.
func echo(c *testConn, b []byte) error {
	c.send(bytes.Clone(b))
	return nil
}

// testServer is a Listener with its connections.
type testServer struct {
	*Listener
	t     testing.TB
	addr  string
	conns chan *testConn // accepted, in order
	done  chan error     // Serve's result
}

// serve starts a Listener on loopback; setup gets every connection before it is used.
func serve(t testing.TB, opts Options, setup func(c *testConn)) *testServer {
	t.Helper()
	return serveOn(t, "tcp://127.0.0.1:0", opts, setup)
}

func serveOn(t testing.TB, address string, opts Options, setup func(c *testConn)) *testServer {
	t.Helper()
	return serveWith(t, address, ListenOptions{}, opts, setup)
}

func serveWith(t testing.TB, address string, listen ListenOptions, opts Options, setup func(c *testConn)) *testServer {
	t.Helper()
	s := &testServer{t: t, conns: make(chan *testConn, 20000), done: make(chan error, 1)}
	l, err := New(opts, func(conn *Conn) (Session, Output) {
		c := &testConn{t: t, conn: conn, onFeed: echo, ended: make(chan struct{})}
		if setup != nil {
			setup(c)
		}
		s.conns <- c
		session, output := Session(c), Output(c)
		if other, ok := c.instead.(Session); ok {
			session = other
		}
		if other, ok := c.instead.(Output); ok {
			output = other
		}
		return session, output
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = l
	ln, err := Listen(address, listen)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	go func() { s.done <- l.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-s.done; err != ErrClosed {
			t.Errorf("Serve: %v, want ErrClosed", err)
		}
	})
	return s
}

// next returns the next accepted connection.
func (s *testServer) next() *testConn {
	s.t.Helper()
	select {
	case c := <-s.conns:
		return c
	case <-time.After(patience):
		s.t.Fatal("no connection arrives")
		return nil
	}
}

func dial(t testing.TB, s *testServer) net.Conn {
	t.Helper()
	network := "tcp"
	if filepath.IsAbs(s.addr) {
		network = "unix"
	}
	nc, err := net.DialTimeout(network, s.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { nc.Close() })
	return nc
}

// connect dials and returns both ends.
func connect(t testing.TB, s *testServer) (net.Conn, *testConn) {
	t.Helper()
	nc := dial(t, s)
	return nc, s.next()
}

// roundTrip checks that the connection echoes.
func roundTrip(t testing.TB, nc net.Conn) {
	t.Helper()
	if err := tryRoundTrip(nc); err != nil {
		t.Fatal(err)
	}
}

func tryRoundTrip(nc net.Conn) error {
	const text = "well behaved"
	if _, err := io.WriteString(nc, text); err != nil {
		return err
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(nc, b); err != nil {
		return err
	}
	if string(b) != text {
		return errors.New("echo returned something else")
	}
	return nil
}

// bystander makes round trips on a connection of its own until the returned function is called, which fails the test if
// one of them failed or there was none. Each may take the tests' patience.
func bystander(t testing.TB, nc net.Conn) (stop func()) {
	t.Helper()
	tryRoundTrip := func(nc net.Conn) error {
		_ = nc.SetDeadline(time.Now().Add(patience))
		return tryRoundTrip(nc)
	}
	roundTrip(t, nc)
	quit, result := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-quit:
				result <- nil
				return
			default:
			}
			if err := tryRoundTrip(nc); err != nil {
				result <- err
				return
			}
		}
	}()
	return func() {
		t.Helper()
		close(quit)
		if err := <-result; err != nil {
			t.Errorf("the well-behaved client: %v", err)
		}
		if err := tryRoundTrip(nc); err != nil {
			t.Errorf("the well-behaved client, in the end: %v", err)
		}
	}
}

// keepSending writes without a pause, or one of pace, for several lingerSteps. quiet says that the client itself was held up
// for so long in between that the server may have taken it for a silent one; an error may come of that, and is then of no
// account.
func keepSending(nc net.Conn, size int, pace time.Duration) (quiet bool, err error) {
	b := make([]byte, size)
	begin := time.Now()
	for last := begin; last.Sub(begin) < 5*lingerStep && err == nil; {
		time.Sleep(pace)
		_, err = nc.Write(b)
		now := time.Now()
		quiet = quiet || now.Sub(last) > lingerStep/2
		last = now
	}
	return quiet, err
}

// eventually waits for a condition that the kernel or another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("does not happen: %s", what)
		}
	}
}
