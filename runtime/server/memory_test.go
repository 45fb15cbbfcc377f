package server_test

import (
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// TestIdleConnectionMemory bounds what a connection costs on which a call was made and answered: heap and stacks, gnet's
// and the net package's part included, the kernel's not. Clients are bare descriptors, so that they cost nothing here.
func TestIdleConnectionMemory(t *testing.T) {
	const conns, most = 1000, 1536
	h := start(t, server.WithMaxConns(0, -1), server.WithLoops(2)) // which have buffers of their own
	call := append(preamble(), nativeCall(t, 1, "echo", message(1), nil)...)
	fds := make([]int, 0, 2*conns)
	defer func() {
		for _, fd := range fds {
			syscall.Close(fd)
		}
	}()
	b := make([]byte, 4096)
	connect := func() {
		fd := dialBare(t, h.tcp)
		fds = append(fds, fd)
		if _, err := syscall.Write(fd, call); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < 500; { // the preamble and the reply, which is about 1 KiB
			n, err := syscall.Read(fd, b)
			if err != nil || n == 0 {
				t.Fatalf("%d bytes, %v", n, err)
			}
			got += n
		}
	}
	for range 10 { // what the server has once
		connect()
	}
	before := used()
	for range conns {
		connect()
	}
	each := (used() - before) / conns
	t.Logf("%d bytes for each idle connection", each)
	if each > most {
		t.Errorf("an idle connection costs %d bytes, want at most %d", each, most)
	}
}

// used returns the bytes of the heap and of stacks after a collection.
func used() int {
	runtime.GC()
	runtime.GC() // what pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// dialBare connects without the net package.
func dialBare(t *testing.T, address string) int {
	t.Helper()
	to := netip.MustParseAddrPort(strings.TrimPrefix(address, "tcp://"))
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	return fd
}
