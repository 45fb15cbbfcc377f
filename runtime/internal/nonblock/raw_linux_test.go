//go:build linux && !race && !msan && !asan

package nonblock

import (
	"syscall"
	"testing"
	"time"
)

// TestBlockingMode: a socket that somebody has put in blocking mode keeps nobody waiting, with its processor.
func TestBlockingMode(t *testing.T) {
	a, b := pair(t, "tcp")
	defer syscall.Close(a)
	defer syscall.Close(b)
	for _, fd := range []int{a, b} {
		if err := syscall.SetNonblock(fd, false); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan string, 1)
	go func() {
		if n, err := Receive(b, make([]byte, 10)); n != 0 || err != syscall.EAGAIN {
			done <- "a socket that has nothing was waited for"
			return
		}
		for {
			if _, err := Send(a, make([]byte, Most)); err != nil {
				break
			}
		}
		done <- ""
	}()
	select {
	case problem := <-done:
		if problem != "" {
			t.Error(problem)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a socket was waited for")
	}
}
