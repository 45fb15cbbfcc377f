//go:build unix

package client

import (
	"net"
	"os"
	"syscall"
	"time"
)

// poller reads what a socket has, or is about to have, without sleeping. One goroutine at a time may use it.
type poller struct {
	raw   syscall.RawConn
	b     []byte
	until time.Time
	n     int
	err   error
	f     func(fd uintptr) bool // attempts, made once
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

// read returns 0 if nothing has come until then, or the stream has ended, or the socket is closed. Other errors, which a socket tells
// once, are an *os.SyscallError.
func (p *poller) read(b []byte, until time.Time) (int, error) {
	p.b, p.until, p.n, p.err = b, until, 0, nil
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
		if p.err != syscall.EAGAIN && p.err != syscall.EINTR || !time.Now().Before(p.until) {
			return true // never wait for the socket to become readable
		}
		yield()
	}
}
