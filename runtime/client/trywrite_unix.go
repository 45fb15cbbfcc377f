//go:build unix

package client

import (
	"net"
	"syscall"

	"github.com/kuafu-rpc/kuafu/runtime/internal/pacing"
)

// tryWriter writes what a socket takes at once. One goroutine at a time may use it.
type tryWriter struct {
	raw  syscall.RawConn
	bufs [][]byte
	n    int
	err  error
	f    func(fd uintptr) bool // attempt, made once
}

// newTryWriter returns nil if nc is not a plain socket.
func newTryWriter(nc net.Conn) *tryWriter {
	raw := plainSocket(nc)
	if raw == nil {
		return nil
	}
	t := &tryWriter{raw: raw}
	t.f = t.attempt
	return t
}

// plainSocket returns nc's socket; nil if nc is something on top of one, whose Read and Write do more than that.
func plainSocket(nc net.Conn) syscall.RawConn {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// write writes a part of bufs, in their order, perhaps none. It does not block, keep bufs or allocate.
func (t *tryWriter) write(bufs [][]byte) (int, error) {
	t.bufs, t.n, t.err = bufs, 0, nil
	err := t.raw.Write(t.f)
	t.bufs = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// unpace turns the kernel's pacing off.
func (t *tryWriter) unpace() {
	_ = t.raw.Control(func(fd uintptr) { pacing.Off(int(fd)) })
}

func (t *tryWriter) attempt(fd uintptr) bool {
	for {
		var n int
		var err error
		if len(t.bufs) == 1 {
			n, err = syscall.Write(int(fd), t.bufs[0])
		} else {
			n, err = gather(int(fd), t.bufs[:min(len(t.bufs), maxGather)])
		}
		switch {
		case err == nil:
			t.n = n
		case err == syscall.EINTR:
			continue
		case err != syscall.EAGAIN:
			t.err = err
		}
		return true // never wait for the socket to become writable
	}
}
