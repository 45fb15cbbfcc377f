package listener

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// TestStallIsNotStretched has a peer that makes some room in the full socket, less than the kernel reports, and then stops
// for good. It is put out a stall timeout after that, and not once more after each byte that still fits.
func TestStallIsNotStretched(t *testing.T) {
	const stall = 1600 * time.Millisecond
	endless := func(c *testConn) {
		block := make([]byte, 64<<10)
		c.onNext = func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.pending = append(c.pending, block)
		}
	}
	// A TCP receiver opens a window that was shut when a sixteenth of its buffer is free.
	amounts := map[string]int64{"tcp": 768 << 10, "tls": 768 << 10, "unix": 128 << 10}
	for name, dial := range map[string]func(t *testing.T) (net.Conn, *testConn){
		"tcp": func(t *testing.T) (net.Conn, *testConn) {
			return connect(t, serve(t, Options{StallTimeout: stall}, endless))
		},
		"unix": func(t *testing.T) (net.Conn, *testConn) {
			return connect(t, serveOn(t, "unix://"+t.TempDir()+"/s", Options{StallTimeout: stall}, endless))
		},
		"tls": func(t *testing.T) (net.Conn, *testConn) {
			s := serveTLS(t, Options{StallTimeout: stall}, endless)
			nc, _ := s.dialTLS(nil)
			return nc, s.next()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var err error
			for range 5 { // a machine with other things to do may hold up either side
				nc, c := dial(t)
				var took time.Duration
				if took, err = stallAfterReading(nc, c, stall, amounts[name]); err == nil {
					t.Logf("it took %.2f times the timeout", took.Seconds()/stall.Seconds())
					return
				}
				t.Log(err)
			}
			t.Error(err)
		})
	}
}

// stallAfterReading returns how long after its last reading a client that reads amount bytes now and then is put out. An error
// says that it was not in the time that is wanted.
func stallAfterReading(nc net.Conn, c *testConn, stall time.Duration, amount int64) (took time.Duration, err error) {
	c.conn.Wake()
	for range 3 { // each time later than half the timeout: none of it counts any more
		time.Sleep(stall * 5 / 8)
		if _, err := io.CopyN(io.Discard, nc, amount); err != nil {
			return 0, fmt.Errorf("a reading client was cut: %w", err)
		}
	}
	stopped := time.Now()
	if err := c.wait(); err != ErrSlowConsumer {
		return 0, fmt.Errorf("closed with %w, want ErrSlowConsumer", err)
	}
	busy := stall / 4 // what a machine with other things to do may add
	if took = time.Since(stopped); took < stall*3/4 || took > stall*5/4+busy {
		return 0, fmt.Errorf("it took %v, %.2f times the timeout", took, took.Seconds()/stall.Seconds())
	}
	return took, nil
}
