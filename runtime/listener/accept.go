package listener

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kuafu-rpc/kuafu/runtime/internal/pacing"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Back-off between failing accepts.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// Serve accepts connections from ln, a TCP or Unix listener that is closed when Serve returns. Several may be served at
// once. It returns ErrClosed after Stop or Close, when it has accepted what was waiting, and otherwise only when ln is of
// no use any more: being out of descriptors, connections reset before they were accepted and the like are survived, and
// counted.
func (l *Listener) Serve(ln net.Listener) error {
	defer ln.Close()
	if err := l.enlist(ln); err != nil {
		return err
	}
	defer l.delist(ln)
	var backoff time.Duration
	secure, _ := ln.(*tlsListener)
	for !l.isStopped() {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			backoff = 0
			if err := l.admit(nc, secure); err != nil {
				return err
			}
			continue
		case l.isStopped():
			continue
		case !passing(err):
			return fmt.Errorf("listener: accept on %s: %w", ln.Addr(), err)
		case outOfFiles(err):
			if peer := l.spare.refuse(ln); peer != nil {
				l.refuse(nil, peer, LimitFiles)
				continue // no pause: every round takes one connection off the kernel's queue
			}
		}
		l.stats.acceptErrors.Add(1)
		if backoff == 0 {
			l.opts.Logger.Warn("listener: accept fails, will retry", "address", ln.Addr().String(), "error", err)
		}
		backoff = min(max(2*backoff, minBackoff), maxBackoff)
		t := time.NewTimer(backoff)
		select {
		case <-t.C:
		case <-l.stopped:
			t.Stop()
		}
	}
	l.acceptRest(ln, secure)
	return ErrClosed
}

// acceptRest accepts what is in the kernel's queue, whose clients have connected and may have sent calls: closing the
// listening socket would reset them, and they would not know whether those were executed. If others come all the time it
// goes on for restGrace, and until restLeast have been accepted: a busy machine may take all of the time away.
func (l *Listener) acceptRest(ln net.Listener, secure *tlsListener) {
	s, ok := ln.(stoppable)
	if !ok {
		return
	}
	end := time.Now().Add(restGrace)
	for n := 0; (n < restLeast || time.Now().Before(end)) && readable(s); n++ {
		if s.SetDeadline(time.Now().Add(restGrace)) != nil { // what was readable may be gone
			return
		}
		nc, err := ln.Accept()
		if err != nil || l.admit(nc, secure) != nil {
			return
		}
	}
}

const (
	restGrace = 250 * time.Millisecond
	restLeast = 128
)

// stoppable is a listening socket whose Accept can be ended without closing it.
type stoppable interface {
	syscall.Conn
	SetDeadline(time.Time) error
}

// readable reports whether a connection waits to be accepted.
func readable(s stoppable) (yes bool) {
	rc, err := s.SyscallConn()
	if err != nil {
		return false
	}
	err = rc.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		yes = n == 1 && err == nil
	})
	return yes && err == nil
}

func (l *Listener) enlist(ln net.Listener) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop {
		return ErrClosed
	}
	l.listeners[ln] = struct{}{}
	l.serving.Add(1)
	return nil
}

func (l *Listener) delist(ln net.Listener) {
	l.mu.Lock()
	delete(l.listeners, ln)
	l.quietLocked()
	l.mu.Unlock()
	l.serving.Done()
}

func (l *Listener) isStopped() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

// admit gives nc to an event loop, or with secure set to a goroutine of its own, or closes it. It runs in the accept loop
// and never on an event loop, where gnet's enrolment would wait for itself. An error means that nothing from this
// net.Listener can be served.
func (l *Listener) admit(nc net.Conn, secure *tlsListener) error {
	c := &Conn{l: l}
	switch nc := nc.(type) {
	case *net.TCPConn:
		remote, _ := nc.RemoteAddr().(*net.TCPAddr)
		if local, _ := nc.LocalAddr().(*net.TCPAddr); remote == nil || local == nil {
			nc.Close()
			l.stats.enrolErrors.Add(1)
			return nil
		}
		c.peer = rpc.Peer{Network: "tcp", Address: remote.String(), UID: -1, GID: -1, PID: -1}
		if secure != nil {
			c.peer.Network = "tls"
		}
		c.out.paced = pacing.Local(remote)
	case *net.UnixConn:
		c.peer = rpc.Peer{Network: "unix", Address: peerName(nc)}
		c.peer.UID, c.peer.GID, c.peer.PID = peerCredentials(nc)
		c.peer.Identity = l.users.identity(c.peer.UID)
	default:
		nc.Close()
		return fmt.Errorf("listener: cannot serve a %T", nc)
	}
	switch l.admission.enter(c.address()) {
	case tooMany:
		l.refuse(nc, &c.peer, LimitConns)
		return nil
	case tooManyPerIP:
		l.refuse(nc, &c.peer, LimitConnsPerIP)
		return nil
	}
	if tc, ok := nc.(*net.TCPConn); ok {
		l.tune(tc)
		if secure != nil {
			l.startLink(c, tc, secure.config)
			return nil
		}
		hideAddresses(tc)
	}
	// gnet takes a duplicate of the descriptor and closes nc, in the end, whatever the result. It returns after OnOpen.
	_, err := l.client.EnrollContext(nc, c)
	if err == nil && c.loop != nil {
		return nil
	}
	// Without an error and without OnOpen gnet could not add the descriptor to its poller; it has closed it.
	l.admission.leave(c.address())
	if outOfFiles(err) {
		l.refuse(nil, &c.peer, LimitFiles)
		return nil
	}
	l.stats.enrolErrors.Add(1)
	l.opts.Logger.Warn("listener: cannot enrol a connection", "peer", c.peer.Address, "error", err)
	return nil
}

// refuse closes a connection because of a limit; nc is nil if it is closed already. It is counted before its peer can know.
func (l *Listener) refuse(nc net.Conn, peer *rpc.Peer, limit Limit) {
	switch limit {
	case LimitConns:
		l.stats.refusedLimit.Add(1)
	case LimitConnsPerIP:
		l.stats.refusedPerIP.Add(1)
	case LimitFiles:
		l.stats.refusedFiles.Add(1)
	}
	if nc != nil {
		nc.Close()
	}
	if f := l.opts.Refused; f != nil {
		f(peer, limit)
	}
}

// tune sets socket options. They fail only for a connection that is gone already, which the loop will notice.
func (l *Listener) tune(tc *net.TCPConn) {
	_ = tc.SetNoDelay(true)
	if k := l.opts.KeepAlive; k > 0 {
		_ = tc.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: k, Interval: max(k/3, time.Second), Count: 3})
	} else {
		_ = tc.SetKeepAlive(false)
	}
}

// noIP stands for the IP address of either end where gnet sees it.
var noIP = net.IPv4zero.To4()

// hideAddresses has gnet, which keeps the addresses of a connection for as long as it lives and has no use for them, keep less:
// an IP address lies in what was allocated for the system call. And when a connection ends gnet puts the memory of its
// addresses' zones into a pool of byte slices. It is the net package's, which goes on using it, so gnet may not see it.
func hideAddresses(nc *net.TCPConn) {
	for _, a := range []net.Addr{nc.RemoteAddr(), nc.LocalAddr()} {
		if a, ok := a.(*net.TCPAddr); ok {
			a.IP, a.Zone = noIP, ""
		}
	}
}

func peerName(nc *net.UnixConn) string {
	a, _ := nc.RemoteAddr().(*net.UnixAddr)
	if a == nil || a.Name == "@" {
		return "" // the usual case: clients do not bind
	}
	return a.Name
}

// outOfFiles reports that the process or the system has no descriptor left.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// passing reports whether an accept that failed with err is worth repeating. accept(2) also returns errors that belong
// to the one connection, whatever they are, so only those count as lasting that say the descriptor is wrong.
func passing(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EFAULT:
		return false
	}
	return true
}

// spareFile is a descriptor kept for the time when there is none left. Closing it lets one waiting connection be
// accepted and closed, so that its client learns at once what it would otherwise wait for.
type spareFile struct {
	mu   sync.Mutex
	file *os.File // nil if there was none to be had
}

func (s *spareFile) open() {
	s.file, _ = os.Open(os.DevNull)
}

func (s *spareFile) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// refuse accepts and closes one connection, and returns its peer, as far as that is known; nil if it could not.
func (s *spareFile) refuse(ln net.Listener) *rpc.Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := ln.(interface{ SetDeadline(time.Time) error })
	if !ok || s.file == nil {
		if s.file == nil {
			s.open()
		}
		return nil
	}
	s.file.Close()
	s.file = nil
	defer s.open()
	// The connection may be gone by now; do not wait for the next one without a spare.
	if d.SetDeadline(time.Now().Add(minBackoff)) != nil {
		return nil
	}
	nc, err := ln.Accept()
	_ = d.SetDeadline(time.Time{}) // Stop may have set one, too: it will be noticed before the next Accept
	if err != nil {
		return nil
	}
	nc.Close()
	return &rpc.Peer{Network: ln.Addr().Network(), Address: nc.RemoteAddr().String(), UID: -1, GID: -1, PID: -1}
}
