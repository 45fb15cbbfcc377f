package listener

import (
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
			nc, c := dial(t)
			c.conn.Wake()
			for range 3 { // each time later than half the timeout: none of it counts any more
				time.Sleep(stall * 5 / 8)
				if _, err := io.CopyN(io.Discard, nc, amounts[name]); err != nil {
					t.Fatalf("a reading client was cut: %v", err)
				}
			}
			stopped := time.Now()
			if err := c.wait(); err != ErrSlowConsumer {
				t.Errorf("closed with %v, want ErrSlowConsumer", err)
			}
			const busy = stall / 4 // what a machine with other things to do may add
			if took := time.Since(stopped); took < stall*3/4 || took > stall*5/4+busy {
				t.Errorf("it took %v, %.2f times the timeout", took, took.Seconds()/stall.Seconds())
			} else {
				t.Logf("it took %.2f times the timeout", took.Seconds()/stall.Seconds())
			}
		})
	}
}
