package listener

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Conn is one connection. Its exported methods may be called from any goroutine and at any time; after the connection
// has ended they do nothing. Most connections are idle, so its size counts: it fills the allocator's 288 bytes.
type Conn struct {
	// Set before the connection is visible to anybody.
	l    *Listener
	peer rpc.Peer
	link *link // of a TLS connection, which has no loop, gc and fd; nil for others

	// Set on the loop before the session exists.
	loop *loop
	gc   gnet.Conn
	fd   int32

	// Shared.
	state   atomic.Int32                 // a writeState
	request atomic.Pointer[closeRequest] // of the first Close or Abort; an Abort replaces a Close
	armed   atomic.Bool                  // the watcher will post the connection when the socket has room

	// Guarded by loop.mu.
	index  int32 // in loop.conns
	queued bool  // in loop.queue

	// Owned by the loop.
	mine     bool // the loop has claimed the output
	closing  bool // no more input; ends when the output is out
	halfShut bool // all output is out, and the peer was told: lingering
	heard    bool // input came since the last look
	closed   bool
	session  Session
	output   Output
	reason   error   // why the connection is closing or has closed
	ending   *ending // nil until it is closing or has closed

	// Owned by whoever has claimed the output; see writeState.
	out outgoing
}

// ending is what a connection needs only at its end. It belongs to the loop.
type ending struct {
	deadline time.Duration // of closing, on the Listener's clock
	look     time.Duration // when to look next whether lingering may end
	timer    *time.Timer   // posts the connection at deadline or look

	// Made when the connection ends, and closed by the goroutine that has the output claimed then, if one has.
	released chan struct{}
}

// closeRequest is what Close and Abort hand to the loop.
type closeRequest struct {
	reason error
	abort  bool
}

// Peer returns the other end. It does not change.
func (c *Conn) Peer() *rpc.Peer { return &c.peer }

// address is what the per-address limit counts the connection by; zero for Unix sockets. It is needed at both ends of the
// connection's life, and not worth keeping for all of it.
func (c *Conn) address() netip.Addr {
	if c.peer.Network == "unix" {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddrPort(c.peer.Address)
	return addressKey(a.Addr())
}

// Close ends the connection after its pending output was sent, or Options.CloseGrace has passed. Input that arrives
// meanwhile is discarded. The first reason given is the one that counts; nil stands for ErrClosed.
func (c *Conn) Close(reason error) { c.ask(&closeRequest{reason: reason}) }

// Abort ends the connection at once. Pending output is dropped, and so is what the kernel has not sent yet: a TCP peer
// sees a reset and not the regular end of a stream that was cut.
func (c *Conn) Abort(reason error) { c.ask(&closeRequest{reason: reason, abort: true}) }

func (c *Conn) ask(r *closeRequest) {
	if r.reason == nil {
		r.reason = ErrClosed
	}
	for {
		old := c.request.Load()
		if old != nil && (old.abort || !r.abort) {
			return
		}
		if old != nil {
			r.reason = old.reason
		}
		if c.request.CompareAndSwap(old, r) {
			if c.link != nil {
				c.link.asked(r)
			} else {
				c.loop.post(c)
			}
			return
		}
	}
}

// The rest runs on the loop.

// open makes the session and sends what that has produced.
func (c *Conn) open(accept func(*Conn) (Session, Output)) {
	defer c.guard()
	session, output := accept(c)
	if session == nil || output == nil {
		c.end(ErrClosed)
		return
	}
	c.session, c.output = session, output
	c.l.stats.accepted.Add(1)
	c.flush()
}

// feed hands input to the session, and sends what that has produced.
func (c *Conn) feed(b []byte) {
	if c.closing || c.closed {
		c.heard = true
		return
	}
	defer c.guard()
	due := c.ownForFeed()
	err := c.session.Feed(b)
	if err == nil && len(b) >= placeFrom {
		if session, ok := c.session.(Placer); ok {
			err = c.readOn(session)
		}
	}
	switch {
	case err != nil:
		c.beginClose(err)
	case !c.mine: // whoever is writing has the mark that Feed left
	case due || !c.disown():
		c.flush()
	}
}

// serve does what was asked for from outside: Wake, Close, Abort, room in the socket, the end of the grace.
func (c *Conn) serve() {
	if c.closed {
		return
	}
	defer c.guard()
	if r := c.request.Load(); r != nil {
		if r.abort {
			c.abort(r.reason)
			return
		}
		c.beginClose(r.reason)
	}
	switch {
	case c.closed:
	case c.halfShut:
		c.linger()
	case c.closing && c.l.now() >= c.ending.deadline:
		c.abort(c.reason)
	default:
		c.flush()
	}
}

// check is the regular visit.
func (c *Conn) check(now time.Time, clock time.Duration) {
	defer c.guard()
	if c.out.waiting && c.stalled(clock) {
		c.l.stats.slowConsumers.Add(1)
		c.abort(ErrSlowConsumer)
		return
	}
	if c.closing || c.closed {
		return
	}
	if err := c.session.Check(now); err != nil {
		c.beginClose(err)
	}
}

// beginClose stops input and ends the connection when its output is out.
func (c *Conn) beginClose(reason error) {
	if c.closing || c.closed {
		return
	}
	c.closing, c.reason = true, reason
	c.ending = &ending{deadline: c.l.now() + c.l.opts.CloseGrace}
	c.flush()
	if !c.closed && !c.halfShut {
		c.postAfter(c.l.opts.CloseGrace)
	}
}

// postAfter is for a connection that is closing.
func (c *Conn) postAfter(d time.Duration) {
	if e := c.ending; e.timer == nil {
		e.timer = time.AfterFunc(d, func() { c.loop.post(c) })
	} else {
		e.timer.Reset(d)
	}
}

// lingerStep is the time between two looks at a lingering connection.
const lingerStep = 20 * time.Millisecond

// drained is called when a closing connection has written everything. It tells the peer, and has the connection linger:
// to close a socket that has unread input makes the kernel send a reset and drop what it has not sent yet, and a reset
// may make the peer drop what it has not read yet.
func (c *Conn) drained() {
	if err := shutdownWrite(int(c.fd)); err != nil {
		c.end(c.reason)
		return
	}
	c.halfShut = true // and the output stays the loop's
	c.ending.look = c.l.now() + lingerStep
	c.postAfter(lingerStep)
}

// linger ends the connection if the peer's kernel has everything and the peer has fallen silent, or time is up. Input
// goes on being read, and discarded, until then; if the peer closes that is the end too.
func (c *Conn) linger() {
	now := c.l.now()
	if now < c.ending.look {
		return
	}
	if now >= c.ending.deadline || !c.heard && acknowledged(int(c.fd), c.peer.Network) {
		c.end(c.reason)
		return
	}
	c.heard = false
	c.ending.look = now + lingerStep
	c.postAfter(lingerStep)
}

// abort ends the connection with a reset.
func (c *Conn) abort(reason error) {
	if c.closed {
		return
	}
	if c.peer.Network == "tcp" {
		_ = c.gc.SetLinger(0)
	}
	c.end(reason)
}

// end closes the socket. gnet calls OnClose, and that finish, before it returns.
func (c *Conn) end(reason error) {
	if c.closed {
		return
	}
	if c.reason == nil {
		c.reason = reason
	}
	if err := c.gc.EventLoop().Close(c.gc); err != nil {
		c.l.opts.Logger.Error("listener: cannot close a connection", "peer", c.peer.Address, "error", err)
	}
}

// finish takes the connection out of every list. gnet calls it once, just before it closes the descriptor.
func (c *Conn) finish(err error) {
	if c.closed {
		return
	}
	c.ownForGood()
	if c.reason == nil {
		switch {
		case err == nil:
			c.reason = ErrClosed
		case errors.Is(err, io.EOF): // gnet wraps it
			c.reason = io.EOF
			c.lastFlush()
		default:
			c.reason = err
		}
	}
	c.closed = true
	if t := c.ending.timer; t != nil { // ownForGood has seen to it that ending is there
		t.Stop()
	}
	c.l.watcher.forget(c)
	c.loop.remove(c)
	c.release()
	if c.session != nil {
		c.tell()
	}
	c.l.admission.leave(c.address())
}

// lastFlush sends what is ready to a peer that has ended its stream: it may have closed only that half. gnet closes the
// connection at once, so there is no second chance.
func (c *Conn) lastFlush() {
	defer c.guardEnding()
	if c.output != nil && !c.halfShut {
		c.drain(false)
	}
}

// release gives the output its buffers back.
func (c *Conn) release() {
	defer c.guardEnding()
	if c.out.bufs != nil {
		c.out = outgoing{}
		c.output.Written()
	}
}

func (c *Conn) tell() {
	defer c.guardEnding()
	c.session.Closed(c.reason)
}

// guard ends the connection if its session or output has panicked. It must be deferred directly.
func (c *Conn) guard() {
	if r := recover(); r != nil {
		c.panicked(r)
		c.abort(fmt.Errorf("%w: %v", ErrPanic, r))
	}
}

// guardEnding is guard where the connection is ending already.
func (c *Conn) guardEnding() {
	if r := recover(); r != nil {
		c.panicked(r)
	}
}

func (c *Conn) panicked(r any) {
	c.l.stats.panics.Add(1)
	c.l.opts.Logger.Error("listener: panic in a connection's session",
		"peer", c.peer.Address, "panic", r, "stack", string(debug.Stack()))
}
