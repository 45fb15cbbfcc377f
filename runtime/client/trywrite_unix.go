//go:build unix

package client

import (
	"net"
	"os"
	"syscall"

	"github.com/kuafu-rpc/kuafu/runtime/internal/nonblock"
	"github.com/kuafu-rpc/kuafu/runtime/internal/pacing"
)

// tryWriter writes what a socket takes at once, or all of a buffer, as Write does, with less ado. One goroutine at a time may use it.
type tryWriter struct {
	nc   net.Conn
	raw  syscall.RawConn
	bufs [][]byte
	b    []byte
	n    int
	err  error
	once func(fd uintptr) bool // attempt, made once
	all  func(fd uintptr) bool // send, made once
}

// newTryWriter returns nil if nc is not a plain socket.
func newTryWriter(nc net.Conn) *tryWriter {
	raw := plainSocket(nc)
	if raw == nil {
		return nil
	}
	t := &tryWriter{nc: nc, raw: raw}
	t.once, t.all = t.attempt, t.send
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
	err := t.raw.Write(t.once)
	t.bufs = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// writeAll is nc.Write.
func (t *tryWriter) writeAll(b []byte) (int, error) {
	t.b, t.n, t.err = b, 0, nil
	err := t.raw.Write(t.all)
	t.b = nil
	if err == nil && t.err != nil {
		at := t.nc.RemoteAddr()
		err = &net.OpError{Op: "write", Net: at.Network(), Source: t.nc.LocalAddr(), Addr: at, Err: os.NewSyscallError("write", t.err)}
	}
	return t.n, err
}

// send returns false to be called again when the socket has room.
func (t *tryWriter) send(fd uintptr) bool {
	for t.n < len(t.b) {
		n, err := nonblock.Send(int(fd), t.b[t.n:])
		switch err {
		case nil:
			t.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.err = err
			return true
		}
	}
	return true
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
			n, err = nonblock.Send(int(fd), t.bufs[0])
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
