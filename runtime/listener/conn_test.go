package listener

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/user"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestEcho(t *testing.T) {
	for _, address := range []string{"tcp://127.0.0.1:0", "unix://" + t.TempDir() + "/s"} {
		t.Run(address[:4], func(t *testing.T) {
			s := serveOn(t, address, Options{}, nil)
			nc, c := connect(t, s)
			sent := make([]byte, 3<<20)
			for i := range sent {
				sent[i] = byte(rand.Uint32())
			}
			go func() { _, _ = nc.Write(sent) }()
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(nc, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, sent) {
				t.Error("the echo differs")
			}
			nc.Close()
			if err := c.wait(); err != io.EOF {
				t.Errorf("closed with %v, want io.EOF itself", err)
			}
		})
	}
}

func TestPeer(t *testing.T) {
	s := serve(t, Options{}, nil)
	nc, c := connect(t, s)
	if p := c.conn.Peer(); p.Network != "tcp" || p.Address != nc.LocalAddr().String() || p.UID != -1 || p.PID != -1 {
		t.Errorf("TCP peer %+v, want address %s", p, nc.LocalAddr())
	}
	s = serveOn(t, "unix://"+t.TempDir()+"/s", Options{}, nil)
	_, c = connect(t, s)
	if p := c.conn.Peer(); p.Network != "unix" || p.Address != "" || p.UID != os.Getuid() || p.GID != os.Getgid() ||
		p.PID != os.Getpid() || p.Identity != userIdentity(t) {
		t.Errorf("Unix peer %+v, want uid %d, gid %d, pid %d, %v", p, os.Getuid(), os.Getgid(), os.Getpid(), userIdentity(t))
	}
}

// userIdentity returns who runs the test.
func userIdentity(t *testing.T) rpc.Identity {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return rpc.Identity{Kind: rpc.IdentityUnix, Name: u.Username}
}

func TestUserNames(t *testing.T) {
	var names users
	if id := names.identity(-1); id != (rpc.Identity{}) {
		t.Errorf("an unknown peer is %v", id)
	}
	const nobody = 987_654_321
	for range 2 {
		if id := names.identity(nobody); id.String() != "unix:#987654321" {
			t.Errorf("a user without a name is %v", id)
		}
	}
	for uid := range userNameMax + 10 {
		names.mu.Lock()
		full := len(names.names) > userNameMax
		names.mu.Unlock()
		if full {
			t.Fatal("the names kept are not bounded")
		}
		names.identity(nobody + uid)
	}
}

// TestOutputOfFeedIsInline shows that an answer produced by Feed needs no further trip through the event loop.
func TestOutputOfFeedIsInline(t *testing.T) {
	var stack atomic.Value
	s := serve(t, Options{}, func(c *testConn) {
		c.onFeed = func(c *testConn, b []byte) error {
			c.onNext = func() { stack.CompareAndSwap(nil, string(debug.Stack())) }
			return echo(c, b)
		}
	})
	nc, _ := connect(t, s)
	roundTrip(t, nc)
	if got, _ := stack.Load().(string); !strings.Contains(got, "OnTraffic") {
		t.Errorf("the first Next after Feed was not called by the read event:\n%s", got)
	}
}

// TestWakeStorm has many goroutines produce output at once. Each record must arrive once and in its sender's order.
func TestWakeStorm(t *testing.T) {
	const senders, records = 16, 5000
	s := serve(t, Options{Window: 32 << 10}, nil)
	nc, c := connect(t, s)
	for i := range senders {
		go func() {
			for n := range records {
				b := make([]byte, 8)
				binary.BigEndian.PutUint32(b, uint32(i))
				binary.BigEndian.PutUint32(b[4:], uint32(n))
				c.send(b)
			}
		}()
	}
	var next [senders]uint32
	b := make([]byte, 8*senders*records)
	if _, err := io.ReadFull(nc, b); err != nil {
		t.Fatal(err)
	}
	for ; len(b) > 0; b = b[8:] {
		i, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if i >= senders || n != next[i] {
			t.Fatalf("sender %d: record %d, want %d", i, n, next[i])
		}
		next[i]++
	}
	roundTrip(t, nc) // and nothing after them
}

// TestBacklog sends much more than sockets hold, in buffers of all sizes, to a client that starts reading late.
func TestBacklog(t *testing.T) {
	s := serve(t, Options{Window: 64 << 10}, nil)
	nc, c := connect(t, s)
	want, size := sha256.New(), 0
	for size < 48<<20 {
		b := make([]byte, rand.IntN(1<<rand.IntN(20)))
		for i := 0; i < len(b); i += 512 {
			b[i] = byte(rand.Uint32())
		}
		want.Write(b)
		size += len(b)
		c.send(b)
	}
	eventually(t, "the socket fills up", func() bool { return c.conn.armed.Load() })
	got := sha256.New()
	if n, err := io.CopyN(got, nc, int64(size)); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, size, err)
	}
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Error("other bytes arrived than were sent")
	}
	roundTrip(t, nc)
}

// TestFlushLeavesTurns has one connection with more output than its socket is offered at a time.
func TestFlushLeavesTurns(t *testing.T) {
	const window = 2 << 10
	var asked atomic.Int32
	s := serve(t, Options{Window: window}, func(c *testConn) { c.onNext = func() { asked.Add(1) } })
	nc, c := connect(t, s)
	roundTrip(t, nc)
	const size = 4 * window // an empty socket would take it all at once
	turn := make(chan int32)
	err := c.conn.gc.EventLoop().Execute(t.Context(), runnable(func() {
		c.mu.Lock()
		c.pending = append(c.pending, make([]byte, size/2), make([]byte, size/2))
		c.mu.Unlock()
		before := asked.Load()
		c.conn.flush()
		turn <- asked.Load() - before
	}))
	if err != nil {
		t.Fatal(err)
	}
	if n := <-turn; n != 2 { // what is written, and what comes next time
		t.Errorf("one turn asked for %d windows, want 2", n)
	}
	if _, err := io.CopyN(io.Discard, nc, size); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, nc)
}

// TestNeverReadingClient is cut after the stall timeout. Until then no more than a window has been taken from its
// output beyond what the kernel holds, and others do not notice.
func TestNeverReadingClient(t *testing.T) {
	const window = 256 << 10
	var taken atomic.Int64
	var made atomic.Int32
	block := make([]byte, 64<<10)
	opts := Options{Window: window, StallTimeout: 300 * time.Millisecond, CheckInterval: 20 * time.Millisecond}
	s := serve(t, opts, func(c *testConn) {
		if made.Add(1) == 1 {
			return
		}
		c.onNext = func() { // has more whenever it is asked
			c.mu.Lock()
			defer c.mu.Unlock()
			for range window / len(block) {
				c.pending = append(c.pending, block)
			}
			taken.Add(window)
		}
	})
	good, _ := connect(t, s)
	stop := bystander(t, good)
	bad, c := connect(t, s)
	if err := c.wait(); err != ErrSlowConsumer {
		t.Errorf("closed with %v, want ErrSlowConsumer", err)
	}
	stop()
	// Linux gives a TCP socket at most tcp_wmem (4 MiB) and its peer tcp_rmem; 64 MiB would be the work of no kernel.
	if n := taken.Load(); n > 64<<20 {
		t.Errorf("%d bytes were taken for a client that reads none", n)
	}
	if n := s.Stats().SlowConsumers; n != 1 {
		t.Errorf("%d slow consumers counted, want 1", n)
	}
	if _, err := io.Copy(io.Discard, bad); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's read ends with %v, want a reset", err)
	}
}

// TestSlowReaderLives has a peer that has made room in the socket, but less than it takes for an event. The clock is
// set forward by hand.
func TestSlowReaderLives(t *testing.T) {
	s := serveOn(t, "unix://"+t.TempDir()+"/s", Options{Loops: 1, StallTimeout: time.Hour, CheckInterval: time.Hour}, nil)
	nc, c := connect(t, s)
	c.send(make([]byte, 1<<20))
	eventually(t, "the socket fills up", func() bool { return c.conn.armed.Load() })
	checkLater := func() {
		done := make(chan struct{})
		err := c.conn.gc.EventLoop().Execute(t.Context(), runnable(func() {
			s.start = s.start.Add(-2 * time.Hour)
			c.conn.check(time.Now(), s.now())
			close(done)
		}))
		if err != nil {
			t.Fatal(err)
		}
		<-done
	}
	// A Unix socket holds about 200 KiB in two pieces of 100, and reports room when three quarters are free.
	if _, err := io.CopyN(io.Discard, nc, 128<<10); err != nil {
		t.Fatal(err)
	}
	checkLater()
	select {
	case <-c.ended:
		t.Fatalf("a reading client was cut: %v", c.reason)
	default:
	}
	checkLater()
	if err := c.wait(); err != ErrSlowConsumer {
		t.Errorf("closed with %v, want ErrSlowConsumer", err)
	}
}

// TestCloseSendsPending closes with more pending than the socket holds.
func TestCloseSendsPending(t *testing.T) {
	reason := errors.New("enough")
	s := serve(t, Options{CloseGrace: patience}, nil)
	nc, c := connect(t, s)
	const size = 16 << 20
	c.send(make([]byte, size))
	c.conn.Close(reason)
	c.conn.Close(errors.New("later"))
	if n, err := io.Copy(io.Discard, nc); n != size || err != nil {
		t.Errorf("received %d bytes, %v; want %d and the end", n, err, size)
	}
	nc.Close()
	if err := c.wait(); err != reason {
		t.Errorf("closed with %v, want %v", err, reason)
	}
	c.send([]byte("x"))
	c.conn.Close(nil)
	c.conn.Abort(nil)
}

// TestCloseGrace closes a connection whose client neither reads nor closes.
func TestCloseGrace(t *testing.T) {
	for _, pending := range []int{0, 32 << 20} {
		s := serve(t, Options{CloseGrace: 100 * time.Millisecond}, nil)
		_, c := connect(t, s)
		c.send(make([]byte, pending))
		c.conn.Close(nil)
		if err := c.wait(); err != ErrClosed {
			t.Errorf("%d bytes pending: closed with %v, want ErrClosed", pending, err)
		}
	}
}

// TestCloseDoesNotReset has a client that goes on sending after the server has given it up. It must get the last words
// all the same: a socket closed with unread input answers with a reset.
func TestCloseDoesNotReset(t *testing.T) {
	words := strings.Repeat("this port speaks something else. ", 1000)
	bad := errors.New("not our protocol")
	s := serve(t, Options{CloseGrace: patience}, func(c *testConn) {
		c.onFeed = func(c *testConn, _ []byte) error {
			c.send([]byte(words))
			return bad
		}
	})
	sendsOn(t, words, bad, 64<<10, time.Millisecond, func() (net.Conn, *testConn) { return connect(t, s) })
}

// sendsOn has a client that connects go on sending to a server that has answered with words and a reason for the end. A client
// that was held up is one that fell silent, and another one takes its place.
func sendsOn(t *testing.T, words string, reason error, size int, pace time.Duration, connect func() (net.Conn, *testConn)) {
	t.Helper()
	const attempts = 50
	for attempt := 1; ; attempt++ {
		nc, c := connect()
		quiet, err := keepSending(nc, size, pace)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(nc)
		}
		nc.Close()
		if err := c.wait(); err != reason {
			t.Errorf("closed with %v, want %v", err, reason)
		}
		switch {
		case string(got) == words && err == nil:
			return
		case !quiet, errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("received %d bytes, %v; want %d and the end", len(got), err, len(words))
		case attempt == attempts:
			t.Fatalf("the machine let none of %d clients send for %v without a break", attempts, 5*lingerStep)
		}
	}
}

// TestHalfClosedPeerGetsWhatIsReady ends the client's stream while the server has output that its loop does not know of
// yet.
func TestHalfClosedPeerGetsWhatIsReady(t *testing.T) {
	s := serve(t, Options{}, nil)
	nc, c := connect(t, s)
	roundTrip(t, nc)
	c.mu.Lock()
	c.pending = append(c.pending, []byte("answer")) // Wake would come next
	c.mu.Unlock()
	if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(nc); string(got) != "answer" || err != nil {
		t.Errorf("received %q, %v; want the answer", got, err)
	}
	if err := c.wait(); err != io.EOF {
		t.Errorf("closed with %v, want io.EOF", err)
	}
}

func TestAbort(t *testing.T) {
	reason := errors.New("cut")
	s := serve(t, Options{CloseGrace: patience}, nil)
	nc, c := connect(t, s)
	c.send(make([]byte, 32<<20))
	c.conn.Close(reason)
	c.conn.Abort(errors.New("later"))
	if err := c.wait(); err != reason {
		t.Errorf("closed with %v, want the first reason", err)
	}
	if _, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's read ends with %v, want a reset", err)
	}
}

func TestCheck(t *testing.T) {
	expired := errors.New("expired")
	var calls atomic.Int32
	s := serve(t, Options{CheckInterval: 10 * time.Millisecond}, func(c *testConn) {
		c.onCheck = func() error {
			if calls.Add(1) < 3 {
				return nil
			}
			return expired
		}
	})
	nc, c := connect(t, s)
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client reads %v, want the end", err)
	}
	nc.Close()
	if err := c.wait(); err != expired || calls.Load() != 3 {
		t.Errorf("closed with %v after %d checks, want %v after 3", err, calls.Load(), expired)
	}
}

// panicking is a Session and Output that panics in one method.
type panicking struct {
	*testConn
	in string
}

func (p panicking) Feed(b []byte) error {
	if p.in == "Feed" {
		panic("Feed")
	}
	return p.testConn.Feed(b)
}

func (p panicking) Check(now time.Time) error {
	if p.in == "Check" {
		panic("Check")
	}
	return p.testConn.Check(now)
}

func (p panicking) Closed(err error) {
	p.testConn.Closed(err)
	if p.in == "Closed" {
		panic("Closed")
	}
}

func (p panicking) Next(limit int) [][]byte {
	if p.in == "Next" {
		panic("Next")
	}
	return p.testConn.Next(limit)
}

func (p panicking) Written() {
	p.testConn.Written()
	if p.in == "Written" {
		panic("Written")
	}
}

// TestPanics has every method panic in turn: that connection ends, and nothing else.
func TestPanics(t *testing.T) {
	for _, in := range []string{"accept", "Feed", "Check", "Closed", "Next", "Written"} {
		t.Run(in, func(t *testing.T) {
			var made atomic.Int32
			bad := make(chan *testConn, 1)
			l, err := New(Options{CheckInterval: 10 * time.Millisecond}, func(conn *Conn) (Session, Output) {
				c := &testConn{t: t, conn: conn, onFeed: echo, ended: make(chan struct{})}
				if made.Add(1) == 1 {
					return c, c
				}
				bad <- c
				if in == "accept" {
					panic("accept")
				}
				return panicking{c, in}, panicking{c, in}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close(t.Context())
			ln, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			go l.Serve(ln)
			s := &testServer{Listener: l, t: t, addr: ln.Addr().String()}
			stop := bystander(t, dial(t, s))
			nc, err := net.Dial("tcp", s.addr)
			if err == nil {
				defer nc.Close()
				_, _ = nc.Write([]byte("hello"))
			} else if in != "accept" && in != "Check" && in != "Next" { // which come without input: the reset can be there before Dial returns
				t.Fatal(err)
			}
			c := <-bad
			if in == "Closed" {
				nc.Close()
			}
			if in == "accept" { // no session, so nobody to tell
				if nc != nil {
					if _, err := nc.Read(make([]byte, 1)); err == nil {
						t.Error("the connection lives on")
					}
				}
			} else if err := c.wait(); in != "Closed" && !errors.Is(err, ErrPanic) {
				t.Errorf("closed with %v, want ErrPanic", err)
			}
			eventually(t, "the connection is counted out", func() bool { return l.Stats().Open == 1 })
			if l.Stats().Panics == 0 {
				t.Error("the panic was not counted")
			}
			stop()
		})
	}
}

// TestCloseRaces ends connections from all sides at once. testConn checks that Closed comes once.
func TestCloseRaces(t *testing.T) {
	s := serve(t, Options{Loops: 2, CloseGrace: 10 * time.Millisecond, CheckInterval: time.Millisecond}, nil)
	var wg sync.WaitGroup
	for range 200 {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := s.next()
		for _, f := range []func(){
			func() { _, _ = nc.Write([]byte("hello")); nc.Close() },
			func() { c.send([]byte("a")); c.conn.Close(nil); c.send([]byte("b")) },
			func() { c.send([]byte("c")); c.conn.Abort(nil); c.conn.Wake() },
			func() { s.Conns(func(c *Conn) bool { c.Wake(); return c.Peer() != nil }) },
		} {
			wg.Go(f)
		}
		defer c.wait()
	}
	wg.Wait()
	eventually(t, "all connections are gone", func() bool { return s.Stats().Open == 0 })
}
