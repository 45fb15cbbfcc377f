package listener

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// link is what a TLS connection has in place of an event loop: a goroutine that reads for as long as the connection
// lives, and one that writes for as long as there is output. crypto/tls blocks, so it can run on no loop.
//
// The reader alone begins and ends: it does the handshake, makes the session, and finishes the connection when the writer
// has ended. Whoever else wants the end closes the socket, which neither goroutine survives, or marks the connection as
// closing and has the writer drain it.
//
// Conn's fields that are the loop's elsewhere are guarded by turn here. turn is never held during I/O.
type link struct {
	c      *Conn
	socket *socket
	conn   *tls.Conn

	opened atomic.Bool  // the session exists
	writer atomic.Int32 // a writerState
	exited chan struct{}

	turn    sync.Mutex
	lent    bool          // the output's buffers of the last Next are out
	settled chan struct{} // closed when the writer has drained a closing connection, or has failed
	over    bool          // settled is closed

	graceOnce sync.Once
	grace     *time.Timer // cuts a closing connection off
}

// Sizes of the reader's buffer: an idle connection should hold little, a busy one take whole records.
const (
	smallRead = 4 << 10
	largeRead = 16 << 10

	keepLarge = 16 // small reads in a row after which the large buffer is given up
)

// past is a read deadline that has passed.
var past = time.Unix(1, 0)

// startLink runs c, which admission has let in, on nc.
func (l *Listener) startLink(c *Conn, nc *net.TCPConn, config *tls.Config) {
	k := &link{
		c:       c,
		socket:  &socket{TCPConn: nc, stall: l.opts.StallTimeout},
		exited:  make(chan struct{}, 1),
		settled: make(chan struct{}),
	}
	k.conn = tls.Server(k.socket, config)
	c.link = k
	l.mu.Lock()
	l.links[k] = struct{}{}
	l.mu.Unlock()
	l.linked.Go(k.run)
}

// allLinks returns the TLS connections of this moment, also those whose handshake is under way.
func (l *Listener) allLinks() []*link {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*link, 0, len(l.links))
	for k := range l.links {
		all = append(all, k)
	}
	return all
}

// run is the reader goroutine.
func (k *link) run() {
	c := k.c
	if err := k.secure(); err != nil {
		k.startGrace()
		k.linger() // an alert may be on its way
		_ = k.socket.Close()
		k.leave()
		c.l.stats.handshakes.Add(1)
		if f := c.l.opts.HandshakeFailed; f != nil {
			f(&c.peer, err)
		}
		return
	}
	var err error
	if k.open() {
		err = k.read()
	}
	switch {
	case err == io.EOF:
		// The peer may have ended only its half, so what is ready is still sent.
		k.beginClose(io.EOF)
		<-k.settled
	case errors.Is(err, os.ErrDeadlineExceeded): // the writer has set one
		k.linger()
	}
	k.finish(err)
}

// secure is the handshake. A panic in one of the configuration's functions ends this connection only.
func (k *link) secure() (err error) {
	defer func() {
		if r := recover(); r != nil {
			k.c.panicked(r)
			err = fmt.Errorf("%w: %v", ErrPanic, r)
		}
	}()
	return k.handshake()
}

// open makes the session, and reports whether there is one.
func (k *link) open() (ok bool) {
	k.turn.Lock()
	defer k.turn.Unlock()
	defer k.guard()
	k.opened.Store(true)
	c := k.c
	session, output := c.l.accept(c)
	if session == nil || output == nil {
		return false
	}
	c.session, c.output = session, output
	c.l.stats.accepted.Add(1)
	k.wake()
	return true
}

// read feeds the session until the connection fails, and says why it did.
func (k *link) read() error {
	buf := make([]byte, smallRead)
	for short := 0; ; {
		n, err := k.conn.Read(buf)
		if n > 0 {
			k.feed(buf[:n])
		}
		if err != nil {
			return err
		}
		switch {
		case n == len(buf) && n < largeRead:
			buf, short = make([]byte, largeRead), 0
		case n > smallRead || len(buf) == smallRead:
			short = 0
		default:
			if short++; short == keepLarge {
				buf, short = make([]byte, smallRead), 0
			}
		}
	}
}

func (k *link) feed(b []byte) {
	k.turn.Lock()
	defer k.turn.Unlock()
	if k.c.closing {
		return
	}
	defer k.guard()
	if err := k.c.session.Feed(b); err != nil {
		k.beginCloseLocked(err)
	}
}

// check is called by the Listener's ticker. A session that is busy right now is checked next time.
func (k *link) check(now time.Time) {
	if !k.opened.Load() || !k.turn.TryLock() {
		return
	}
	defer k.turn.Unlock()
	if c := k.c; c.session == nil || c.closing || c.closed {
		return
	}
	defer k.guard()
	if err := k.c.session.Check(now); err != nil {
		k.beginCloseLocked(err)
	}
}

// beginClose ends input, and the connection when its output is out.
func (k *link) beginClose(reason error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	k.beginCloseLocked(reason)
}

func (k *link) beginCloseLocked(reason error) {
	if k.c.closing || k.c.closed {
		return
	}
	k.c.closing, k.c.reason = true, reason
	k.startGrace()
	k.wake()
}

// asked is called when the connection's request has been set, with or without turn.
func (k *link) asked(r *closeRequest) {
	if r.abort || !k.opened.Load() {
		k.cut()
		return
	}
	k.startGrace()
	k.wake()
}

// startGrace bounds the rest of the connection's life.
func (k *link) startGrace() {
	k.graceOnce.Do(func() {
		k.grace = time.AfterFunc(k.c.l.opts.CloseGrace, func() { _ = k.socket.Close() })
	})
}

// cut ends both goroutines. The peer sees a reset.
func (k *link) cut() {
	_ = k.socket.SetLinger(0)
	_ = k.socket.Close()
}

// failLocked ends the connection because of err, if nothing else has ended it before.
func (k *link) failLocked(err error) {
	c := k.c
	if r := c.request.Load(); c.reason == nil && r != nil {
		c.reason = r.reason
	}
	if c.reason == nil {
		c.reason = err
	}
	c.closing = true
	k.settleLocked()
}

// settleLocked says that no more output will be sent.
func (k *link) settleLocked() {
	if !k.over {
		k.over = true
		close(k.settled)
	}
}

// linger reads on until the peer closes, or its kernel has everything and it is silent; see Conn.drained for why. The
// grace timer bounds it.
func (k *link) linger() {
	if k.socket.CloseWrite() != nil {
		return
	}
	buf := make([]byte, smallRead)
	for k.socket.SetReadDeadline(time.Now().Add(lingerStep)) == nil {
		n, err := k.socket.TCPConn.Read(buf)
		if n > 0 {
			continue
		}
		// A goroutine that was held up finds the deadline over before it has tried to read what came.
		if !errors.Is(err, os.ErrDeadlineExceeded) || k.acknowledged() && !readable(k.socket.TCPConn) {
			return
		}
	}
}

func (k *link) acknowledged() (yes bool) {
	rc, err := k.socket.SyscallConn()
	return err != nil || rc.Control(func(fd uintptr) { yes = acknowledged(int(fd), "tls") }) != nil || yes
}

// finish is the end of the reader goroutine. err is why it ended.
func (k *link) finish(err error) {
	_ = k.socket.Close()
	if k.writer.Swap(writerNever) != writerNone {
		<-k.exited
	}
	k.graceOnce.Do(func() {})
	if k.grace != nil {
		k.grace.Stop()
	}
	c := k.c
	if err == nil {
		err = ErrClosed
	}
	k.turn.Lock()
	k.failLocked(err)
	c.closed = true
	k.release()
	if c.session != nil {
		c.tell()
	}
	k.turn.Unlock()
	k.leave()
}

// release gives the output its buffers back.
func (k *link) release() {
	defer k.c.guardEnding()
	k.writtenLocked()
}

// leave takes the connection out of every list.
func (k *link) leave() {
	l := k.c.l
	l.mu.Lock()
	delete(l.links, k)
	l.mu.Unlock()
	l.admission.leave(k.c.address())
}

// guard ends the connection if its session or output has panicked. It must be deferred directly, with turn held.
func (k *link) guard() {
	if r := recover(); r != nil {
		k.c.panicked(r)
		k.failLocked(fmt.Errorf("%w: %v", ErrPanic, r))
		k.cut()
	}
}
