//go:build unix

package client

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
	"github.com/kuafu-rpc/kuafu/runtime/internal/nonblock"
)

// sockReader reads a socket as its Read does, with less ado, or without sleeping. One goroutine at a time may use it.
type sockReader struct {
	nc   net.Conn
	raw  syscall.RawConn
	b    []byte
	look busypoll.Look
	n    int
	err  error
	some func(fd uintptr) bool // receive, made once
	now  func(fd uintptr) bool // attempts, made once
}

// bulkRead is how many bytes a read may return without the next one being left to nc.
const bulkRead = 128 << 10

// newSockReader returns nil if nc is not a plain socket.
func newSockReader(nc net.Conn) *sockReader {
	raw := plainSocket(nc)
	if raw == nil {
		return nil
	}
	r := &sockReader{nc: nc, raw: raw}
	r.some, r.now = r.receive, r.attempts
	return r
}

// read is nc.Read.
func (r *sockReader) read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if r.n > bulkRead { // bulk, as a rule followed by more
		n, err := r.nc.Read(b)
		r.n = n
		return n, err
	}
	r.b = b
	err := r.raw.Read(r.some)
	r.b = nil
	switch {
	case err != nil:
		return 0, err
	case r.err != nil:
		return 0, r.failed()
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// receive returns false to be called again when the socket has something.
func (r *sockReader) receive(fd uintptr) bool {
	for {
		if r.n, r.err = nonblock.Receive(int(fd), r.b); r.err != syscall.EINTR {
			return r.err != syscall.EAGAIN
		}
	}
}

// early returns 0 if nothing comes while it looks, or the stream has ended, or the socket is closed. Other errors, which a socket tells
// once, are those of Read.
func (r *sockReader) early(b []byte, look busypoll.Look) (int, error) {
	r.b, r.look, r.n, r.err = b, look, 0, nil
	err := r.raw.Read(r.now)
	r.b = nil
	if err != nil || r.err == nil || r.err == syscall.EAGAIN || r.err == syscall.EINTR {
		return r.n, nil
	}
	return 0, r.failed()
}

func (r *sockReader) attempts(fd uintptr) bool {
	for {
		r.n, r.err = nonblock.Receive(int(fd), r.b)
		if r.err != syscall.EAGAIN && r.err != syscall.EINTR || !r.look.Again() {
			return true // never wait for the socket to become readable
		}
	}
}

// failed returns err as nc.Read would.
func (r *sockReader) failed() error {
	at := r.nc.RemoteAddr()
	return &net.OpError{Op: "read", Net: at.Network(), Source: r.nc.LocalAddr(), Addr: at, Err: os.NewSyscallError("read", r.err)}
}
