package pacing

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOff: a socket that is paced is not any more, and any other keeps what it has.
func TestOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	rc, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	if err := rc.Control(func(fd uintptr) {
		for name, want := range map[string]string{"bbr": unpaced, "cubic": "cubic", unpaced: unpaced} {
			if unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name) != nil {
				t.Logf("%s is not available", name)
				continue
			}
			tried++
			Off(int(fd))
			if got, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); got != want || err != nil {
				t.Errorf("%s has become %q, want %s; %v", name, got, want, err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if tried == 0 {
		t.Errorf("not even %s is available", unpaced)
	}
	Off(-1) // no socket: nothing happens
}

func TestPaces(t *testing.T) {
	for name, want := range map[string]bool{"bbr": true, "bbr2": true, "bbr3": true, "cubic": false, "reno": false, "dctcp": false, "": false} {
		if paces(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
