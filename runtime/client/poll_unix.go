//go:build unix

package client

import (
	"net"
	"os"
	"syscall"

	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
)

// poller reads what a socket has, or is about to have, without sleeping. One goroutine at a time may use it.
type poller struct {
	raw  syscall.RawConn
	b    []byte
	look busypoll.Look
	n    int
	err  error
	f    func(fd uintptr) bool // attempts, made once
}

// newPoller returns nil if nc is not a plain socket.
func newPoller(nc net.Conn) *poller {
	raw := plainSocket(nc)
	if raw == nil {
		return nil
	}
	p := &poller{raw: raw}
	p.f = p.attempts
	return p
}

// read returns 0 if nothing comes while it looks, or the stream has ended, or the socket is closed. Other errors, which a socket tells
// once, are an *os.SyscallError.
func (p *poller) read(b []byte, look busypoll.Look) (int, error) {
	p.b, p.look, p.n, p.err = b, look, 0, nil
	err := p.raw.Read(p.f)
	p.b = nil
	if err != nil || p.err == syscall.EAGAIN || p.err == syscall.EINTR {
		return 0, nil
	}
	return max(p.n, 0), os.NewSyscallError("read", p.err)
}

func (p *poller) attempts(fd uintptr) bool {
	for {
		p.n, p.err = syscall.Read(int(fd), p.b)
		if p.err != syscall.EAGAIN && p.err != syscall.EINTR || !p.look.Again() {
			return true // never wait for the socket to become readable
		}
	}
}
