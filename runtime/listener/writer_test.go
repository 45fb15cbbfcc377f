package listener

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// put is send by way of Flush.
func (c *testConn) put(b []byte) {
	c.mu.Lock()
	c.pending = append(c.pending, b)
	c.mu.Unlock()
	c.conn.Flush()
}

// TestFlushWrites shows that Flush writes on the caller's goroutine, and has written when it returns.
func TestFlushWrites(t *testing.T) {
	for _, address := range []string{"tcp://127.0.0.1:0", "unix://" + t.TempDir() + "/s"} {
		var stack atomic.Value
		s := serveOn(t, address, Options{}, func(c *testConn) {
			c.onNext = func() { stack.Store(string(debug.Stack())) }
		})
		nc, c := connect(t, s)
		roundTrip(t, nc)
		eventually(t, "the loop has let go", func() bool { return c.conn.state.Load() == writeIdle })
		c.put([]byte("hello"))
		if got := stack.Load().(string); !strings.Contains(got, "TestFlushWrites") {
			t.Errorf("Next was called elsewhere:\n%s", got)
		}
		if n := s.pending(c); n != 0 {
			t.Errorf("%d bytes are still pending", n)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(nc, b); err != nil || string(b) != "hello" {
			t.Errorf("received %q, %v", b, err)
		}
	}
}

// pending returns how many bytes nobody has asked for yet.
func (s *testServer) pending(c *testConn) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.pending {
		n += len(b)
	}
	return n
}

// TestFlushStorm is TestWakeStorm with goroutines that write: each record must arrive once and in its sender's order.
func TestFlushStorm(t *testing.T) {
	const senders, records = 16, 5000
	s := serve(t, Options{Window: 32 << 10}, nil)
	nc, c := connect(t, s)
	for i := range senders {
		go func() {
			for n := range records {
				b := make([]byte, 8)
				binary.BigEndian.PutUint32(b, uint32(i))
				binary.BigEndian.PutUint32(b[4:], uint32(n))
				if i%4 == 0 {
					c.send(b)
				} else {
					c.put(b)
				}
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

// TestFlushBacklog fills the socket from other goroutines than the loop; a client that reads late gets everything.
func TestFlushBacklog(t *testing.T) {
	for _, address := range []string{"tcp://127.0.0.1:0", "unix://" + t.TempDir() + "/s"} {
		s := serveOn(t, address, Options{Window: 64 << 10}, nil)
		nc, c := connect(t, s)
		want, size := sha256.New(), 0
		for size < 16<<20 {
			b := make([]byte, rand.IntN(1<<rand.IntN(20)))
			for i := 0; i < len(b); i += 512 {
				b[i] = byte(rand.Uint32())
			}
			want.Write(b)
			size += len(b)
			c.put(b)
		}
		eventually(t, "the loop keeps the output", func() bool { return c.conn.armed.Load() && c.conn.state.Load() == writeKept })
		got := sha256.New()
		if n, err := io.CopyN(got, nc, int64(size)); err != nil {
			t.Fatalf("after %d of %d bytes: %v", n, size, err)
		}
		if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Error("other bytes arrived than were sent")
		}
		roundTrip(t, nc)
	}
}

// stopNext makes the next Next wait. enter returns when it has begun; leave ends it.
func stopNext(t *testing.T, c *testConn) (enter, leave func()) {
	t.Helper()
	eventually(t, "the loop has let go", func() bool { return c.conn.state.Load() == writeIdle })
	entered, left := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.late.Store(&lateHooks{onNext: func() {
		once.Do(func() {
			close(entered)
			<-left
		})
	}})
	return func() { <-entered }, func() { close(left) }
}

// TestEndWaitsForWriter ends connections while a goroutine has the output. Nobody is told, and the descriptor is not closed,
// before that goroutine is done.
func TestEndWaitsForWriter(t *testing.T) {
	cut := errors.New("cut")
	for name, end := range map[string]func(nc net.Conn, c *testConn){
		"peer":  func(nc net.Conn, _ *testConn) { nc.Close() },
		"abort": func(_ net.Conn, c *testConn) { c.conn.Abort(cut) },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{}, nil)
			nc, c := connect(t, s)
			enter, leave := stopNext(t, c)
			done := make(chan struct{})
			go func() {
				c.put([]byte("late"))
				close(done)
			}()
			enter()
			end(nc, c)
			eventually(t, "the loop waits", func() bool { return c.conn.state.Load() == writeEnded })
			select {
			case <-c.ended:
				t.Error("Closed while a goroutine was writing")
			default:
			}
			leave()
			<-done
			if err := c.wait(); err != io.EOF && err != cut {
				t.Errorf("closed with %v", err)
			}
		})
	}
}

// TestCloseMeetsWriter asks for a regular end while a goroutine has the output: all of it arrives, then the end.
func TestCloseMeetsWriter(t *testing.T) {
	s := serve(t, Options{CloseGrace: patience}, nil)
	nc, c := connect(t, s)
	enter, leave := stopNext(t, c)
	const size = 16 << 20 // more than sockets hold
	go c.put(make([]byte, size))
	enter()
	c.conn.Close(nil)
	eventually(t, "the loop has left its mark", func() bool { return c.conn.state.Load() == writeWanted })
	leave()
	if n, err := io.Copy(io.Discard, nc); n != size || err != nil {
		t.Errorf("received %d bytes, %v; want %d and the end", n, err, size)
	}
	nc.Close()
	if err := c.wait(); err != ErrClosed {
		t.Errorf("closed with %v, want ErrClosed", err)
	}
}

// TestFeedMeetsWriter has input arrive while a goroutine has the output. What Feed answers must not be forgotten.
func TestFeedMeetsWriter(t *testing.T) {
	s := serve(t, Options{}, nil)
	nc, c := connect(t, s)
	enter, leave := stopNext(t, c)
	go c.put([]byte("1"))
	enter()
	if _, err := io.WriteString(nc, "2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Feed has left its mark", func() bool { return c.conn.state.Load() == writeAgain })
	leave()
	b := make([]byte, 2)
	if _, err := io.ReadFull(nc, b); err != nil || string(b) != "12" {
		t.Errorf("received %q, %v", b, err)
	}
}

// TestFlushRoundsAreBounded has output come for as long as somebody writes. The goroutine in Flush must get away.
func TestFlushRoundsAreBounded(t *testing.T) {
	s := serve(t, Options{}, nil)
	nc, c := connect(t, s)
	go func() { _, _ = io.Copy(io.Discard, nc) }()
	eventually(t, "the loop has let go", func() bool { return c.conn.state.Load() == writeIdle })
	const total = 100
	var asked, byCaller atomic.Int32
	c.late.Store(&lateHooks{onNext: func() {
		if strings.Contains(string(debug.Stack()), "TestFlushRoundsAreBounded(") {
			byCaller.Add(1)
		}
		if asked.Add(1) < total {
			c.send([]byte("x"))
		}
	}})
	c.put([]byte("x"))
	if n := byCaller.Load(); n > maxRounds {
		t.Errorf("the caller asked %d times", n)
	}
	eventually(t, "the loop goes on", func() bool { return asked.Load() >= total })
}

// TestPanicInFlush has Next and Written panic, or end their goroutine, outside of the loop: that connection ends, and nothing
// else.
func TestPanicInFlush(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("Next") }, "exit": runtime.Goexit} {
		for _, in := range []string{"Next", "Written"} {
			t.Run(name+in, func(t *testing.T) {
				s := serve(t, Options{}, nil)
				stop := bystander(t, dial(t, s))
				s.next()
				nc, c := connect(t, s)
				roundTrip(t, nc)
				eventually(t, "the loop has let go", func() bool { return c.conn.state.Load() == writeIdle })
				if in == "Next" {
					c.late.Store(&lateHooks{onNext: fail})
				} else {
					c.late.Store(&lateHooks{onWritten: fail})
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.put([]byte("x"))
				}()
				<-done
				if err := c.wait(); !errors.Is(err, ErrPanic) {
					t.Errorf("closed with %v, want ErrPanic", err)
				}
				if n := s.Stats().Panics; n == 0 {
					t.Error("the panic was not counted")
				}
				stop()
			})
		}
	}
}

// TestFlushRaces ends connections in every way while several goroutines write small and large output on each. Every byte says
// whose it is: one that was written to a descriptor after its connection had ended would reach a stranger, because new
// connections get the same descriptors.
func TestFlushRaces(t *testing.T) {
	opts := Options{Loops: 2, Window: 64 << 10, CloseGrace: 10 * time.Millisecond, CheckInterval: time.Millisecond, StallTimeout: 5 * time.Millisecond}
	for _, address := range []string{"tcp://127.0.0.1:0", "unix://" + t.TempDir() + "/s"} {
		t.Run(address[:4], func(t *testing.T) {
			opts.MaxConnsPerIP = -1
			s := serveOn(t, address, opts, func(c *testConn) {
				var tag atomic.Uint32 // the client's first byte
				c.onFeed = func(c *testConn, b []byte) error {
					if tag.Swap(uint32(b[0])) == 0 {
						for i := range 3 {
							go flushRandomly(c, b[0], i == 0)
						}
					}
					return nil
				}
			})
			conns := 150
			if testing.Short() {
				conns = 50
			}
			var wg sync.WaitGroup
			for client := range 4 {
				wg.Go(func() {
					for i := range conns {
						readTagged(t, s, byte(1+(client*conns+i)%255), i%5 == 0)
					}
				})
			}
			wg.Wait()
			eventually(t, "all connections are gone", func() bool { return s.Stats().Open == 0 })
			if n := s.Stats().Panics; n != 0 {
				t.Errorf("%d panics", n)
			}
		})
	}
}

// flushRandomly writes tag in pieces of all sizes; one of several ends the connection at some moment.
func flushRandomly(c *testConn, tag byte, ends bool) {
	for range rand.IntN(50) {
		b := bytes.Repeat([]byte{tag}, 1+rand.IntN(1<<rand.IntN(18)))
		switch rand.IntN(4) {
		case 0:
			c.send(b)
		case 1:
			c.put(b)
		default:
			c.put(b)
		}
	}
	switch {
	case !ends:
	case rand.IntN(2) == 0:
		c.conn.Close(nil)
	default:
		c.conn.Abort(nil)
	}
}

// readTagged makes a connection and reads until it ends, or stops reading early and leaves, or stays to be cut off as a
// slow consumer.
func readTagged(t *testing.T, s *testServer, tag byte, stall bool) {
	network := "tcp"
	if strings.HasPrefix(s.addr, "/") {
		network = "unix"
	}
	nc, err := net.Dial(network, s.addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	if _, err := nc.Write([]byte{tag}); err != nil {
		t.Error(err)
		return
	}
	b := make([]byte, 64<<10)
	for left := rand.IntN(1 << 20); left > 0; {
		n, err := nc.Read(b)
		for _, got := range b[:n] {
			if got != tag {
				t.Errorf("a byte of connection %d on connection %d", got, tag)
				return
			}
		}
		if err != nil {
			return
		}
		left -= n
	}
	if stall {
		c := s.next() // somebody's; all of them end
		_ = c.wait()
	}
}
