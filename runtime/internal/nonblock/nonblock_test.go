//go:build unix

package nonblock

import (
	"bytes"
	"errors"
	"net"
	"syscall"
	"testing"
)

// pair returns the file descriptors of two sockets that are connected, in non-blocking mode, over network.
func pair(t *testing.T, network string) (a, b int) {
	t.Helper()
	if network == "unix" {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		a, b = fds[0], fds[1]
	} else {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		ours, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		a, b = detach(t, ours), detach(t, theirs)
	}
	for _, fd := range []int{a, b} {
		if err := syscall.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

// detach returns a file descriptor of nc that is the test's own.
func detach(t *testing.T, nc net.Conn) (fd int) {
	t.Helper()
	defer nc.Close()
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(of uintptr) { fd, err = syscall.Dup(int(of)) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return fd
}

// receive receives all of n bytes, as they come.
func receive(t *testing.T, fd, n int) []byte {
	t.Helper()
	got := make([]byte, 0, n)
	for len(got) < n {
		switch k, err := Receive(fd, got[len(got):n]); {
		case err == nil && k > 0:
			got = got[:len(got)+k]
		case err != syscall.EAGAIN && err != syscall.EINTR:
			t.Fatalf("after %d of %d bytes: %d, %v", len(got), n, k, err)
		}
	}
	return got
}

// TestSockets: what a socket has or takes moves, in order and to the last byte, and what it has not or takes not is an error
// at once, whatever the sizes.
func TestSockets(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		a, b := pair(t, network)
		if n, err := Receive(b, make([]byte, 10)); n != 0 || err != syscall.EAGAIN {
			t.Errorf("%s: nothing there: %d, %v", network, n, err)
		}
		for _, size := range []int{1, 1000, Most, Most + 1} {
			message := make([]byte, size)
			for i := range message {
				message[i] = byte(i % 251)
			}
			for sent, got := 0, 0; got < size; {
				n, err := Send(a, message[sent:])
				if sent += n; err != nil && err != syscall.EAGAIN && (err != syscall.EINTR || n != 0) {
					t.Fatalf("%s: after %d of %d bytes: %v", network, sent, size, err)
				}
				if part := receive(t, b, sent-got); !bytes.Equal(part, message[got:sent]) {
					t.Fatalf("%s: bytes %d to %d of %d came as others", network, got, sent, size)
				}
				got = sent
			}
		}
		for full := false; !full; {
			n, err := Send(a, make([]byte, 100_000))
			if full = err == syscall.EAGAIN; n < 0 || !full && err != nil {
				t.Fatalf("%s: filling: %d, %v", network, n, err)
			}
		}
		syscall.Close(a)
		for ended := false; !ended; {
			n, err := Receive(b, make([]byte, Most))
			if ended = n == 0 && err == nil; err != nil && err != syscall.EAGAIN {
				t.Fatalf("%s: to the end: %v", network, err)
			}
		}
		var err error
		for range 3 { // TCP learns of it by the first
			_, err = Send(b, make([]byte, 10))
		}
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: nobody there: %v", network, err)
		}
		syscall.Close(b)
		if _, err := Send(-1, []byte("x")); err != syscall.EBADF {
			t.Errorf("no socket: %v", err)
		}
	}
}

func TestAllocations(t *testing.T) {
	a, b := pair(t, "tcp")
	defer syscall.Close(a)
	defer syscall.Close(b)
	buf := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() { Receive(b, buf) }); n != 0 {
		t.Errorf("nothing there: %v", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		Send(a, buf)
		for {
			if _, err := Receive(b, buf); err == nil {
				return
			}
		}
	}); n != 0 {
		t.Errorf("a message: %v", n)
	}
}
