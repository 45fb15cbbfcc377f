package client

import (
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
	"github.com/kuafu-rpc/kuafu/runtime/internal/pacing"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// protocol is what differs between our own wire format and Thrift's. A value belongs to one connection.
type protocol interface {
	// send encodes c's call and enqueues it on cn. The error is nil, or says that the call was not sent.
	send(cn *conn, c *call, args codec.Encodable) *rpc.Error

	// receive reads replies until the connection fails or is closed, and says why it ended. It is the reader goroutine's.
	receive(cn *conn) error

	// cancelLocked is called when nobody waits any more for the reply to the call that e stands for. It removes e, or
	// keeps it without its call if the reply must still be told from others. cn.mu is held.
	cancelLocked(cn *conn, e *entry)

	// quiet is called by the reader when a read deadline has passed. It returns the next one, zero for none, or why the
	// connection must end.
	quiet(cn *conn, now time.Time) (time.Time, error)

	// decode fills result from the reply of a call of m. The error is an *rpc.Error.
	decode(m *rpc.Method, r *reply, result codec.Decodable) error

	// metadata returns the encoded metadata of a reply; nil if there is none. It aliases the reply.
	metadata(r *reply) []byte
}

// conn is one connection. Callers append their frames to its outgoing queue themselves, and the first to find it idle
// writes the batch that has formed by then; what that write leaves over is the writer goroutine's. The reader
// goroutine, or a caller that has taken the helm, hands each reply to the caller that waits for it, who decodes it.
//
// Locks: mu is held for moves between fields only, never during I/O, encoding, decoding or a caller's code.
type conn struct {
	// Immutable.
	server *server
	nc     net.Conn
	try    *tryWriter  // nil where the transport cannot write without blocking
	sock   *sockReader // nil where nc is more than a socket
	proto  protocol
	limit  int           // of queued
	left   chan struct{} // closed when the connection takes no more calls
	dead   chan struct{} // closed when it has failed or was closed
	wake   chan struct{} // has room for one: the writer goroutine should look

	gone    atomic.Bool  // left is closed
	pending atomic.Int64 // calls in the table, for balancing
	blamed  atomic.Bool  // its loss has been counted against the server

	// Owned by whoever reads: the reader goroutine, or a caller that has the helm.
	heard  time.Time // when bytes last came
	alarm  time.Time // the read deadline, as far as it is known: it may be earlier
	window busypoll.Window

	// Owned by whoever writes: who has set writing, or the writer goroutine.
	batch []segment
	bufs  [][]byte
	paced bool // nc may be paced, and has no need to be

	mu      sync.Mutex
	helm    helm
	table   table
	tail    []byte        // the end of the outgoing queue: small frames, in order
	segs    []segment     // the queue before tail: sealed tails, and large frames as they were encoded
	spare   [][]byte      // empty buffers for tails, at most maxSpare
	queued  int           // bytes in the queue or being written, or promised to a caller that waited for room
	room    []*waiter     // callers that wait for room, first come first served
	writing bool          // somebody writes, or is about to: who set it, or the writer goroutine after a wake
	flushed chan struct{} // if not nil: to be closed when writing ends
	handed  uint64        // the kernel may have bytes of frames up to this id
	pongs   int           // in the queue
	streams streams       // see stream_conn.go
	err     *rpc.Error    // why the connection takes no more calls; set before left is closed
	failed  bool          // dead is closed, or about to be
}

// segment is a piece of the outgoing queue.
type segment struct {
	b    []byte // the connection's
	last uint64 // the highest id in it or before it
	bulk int    // bytes of streams' frames in it

	// Of a piece of a stream's message, which b then is: the buffer that it is the last of, nil if more pieces follow.
	piece bool
	whole []byte
	lent  bool // b is its sender's, who makes the first attempt to write it

	call bool // b is a part of a call's frame, whole likewise; or a string that belongs between two
}

// waiter is a caller that waits for room in the outgoing queue.
type waiter struct {
	size    int
	granted bool
	ready   chan struct{} // closed once size has been added to queued for it, or the connection is gone
}

const (
	sealSize  = 64 << 10    // a tail of so many bytes is sealed: growing it further would copy it
	linkSize  = 16 << 10    // frames from this size on are queued as they are, not copied
	maxSpare  = 16          // buffers that a connection keeps for tails
	closeWait = time.Second // for what is queued to be written when the client closes
)

func newConn(nc net.Conn, s *server, limit int, proto protocol) *conn {
	try := newTryWriter(nc)
	return &conn{
		server: s,
		nc:     nc,
		try:    try,
		sock:   newSockReader(nc),
		paced:  try != nil && pacing.Local(nc.RemoteAddr()),
		proto:  proto,
		limit:  limit,
		left:   make(chan struct{}),
		dead:   make(chan struct{}),
		wake:   make(chan struct{}, 1),
		helm:   helm{back: make(chan struct{}, 1)},
	}
}

// fits reports whether a frame may join the queue. One that is larger than the limit may if the queue is empty. Streams
// have a bound of their own.
func (cn *conn) fits(size int) bool {
	queued := cn.queued - cn.streams.bulk
	return queued <= 0 || queued+size <= cn.limit
}

// enqueue appends c's frame to the queue and, except for a oneway call, enters c into the table. An id of 0 stands for
// the next free one. stamp, if not nil, writes the id into the frame. Ids rise in the order of the frames.
func (cn *conn) enqueue(c *call, id uint64, stamp func(frame []byte, id uint64)) *rpc.Error {
	size := len(c.frame) + c.splices.Size()
	c.size = size
	cn.mu.Lock()
	if cn.err == nil && (len(cn.room) > 0 || !cn.fits(size)) {
		if err := cn.waitForRoom(c, size); err != nil {
			return err
		}
	} else {
		cn.queued += size
	}
	if cn.err != nil {
		err := cn.err
		cn.mu.Unlock()
		return notSent(err, c.method)
	}
	if id == 0 {
		id = cn.table.next()
	}
	if stamp != nil {
		stamp(c.frame, id)
	}
	c.id = id
	if c.method.Oneway {
		cn.table.last = id
	} else {
		cn.table.add(id, c)
		cn.steerLocked(c)
		cn.pending.Store(int64(cn.table.n))
	}
	switch {
	case len(c.splices) > 0:
		cn.spliceLocked(c)
	case size < linkSize:
		cn.appendLocked(c.frame)
	default:
		cn.sealLocked()
		cn.segs = append(cn.segs, segment{b: c.frame, last: id})
		c.frame = nil
	}
	if c.stream != nil {
		c.stream.startLocked()
	} else if cn.streams.mux != nil {
		cn.streams.mux.Hurry()
	}
	cn.unlockAndFlush()
	return nil
}

// spliceLocked queues c's frame in pieces: strings that were left out of it go to the socket from where they are. They do
// not change, so it does not matter if they are still in the queue when the call has ended.
func (cn *conn) spliceLocked(c *call) {
	cn.sealLocked()
	from := 0
	for i := range c.splices {
		at, text := c.splices[i].At, c.splices[i].Text
		cn.segs = append(cn.segs,
			segment{b: c.frame[from:at], last: c.id, call: true},
			segment{b: unsafe.Slice(unsafe.StringData(text), len(text)), last: c.id, call: true}, // only ever read
		)
		from = at
	}
	cn.segs = append(cn.segs, segment{b: c.frame[from:], last: c.id, call: true, whole: c.frame})
	clear(c.splices)
	c.frame, c.splices = nil, c.splices[:0]
}

// waitForRoom waits, without mu, until size bytes may be queued, and returns with mu held and the bytes counted in
// queued, or with cn.err set. If the wait is cut off it returns an error without mu.
func (cn *conn) waitForRoom(c *call, size int) *rpc.Error {
	w := &waiter{size: size, ready: make(chan struct{})}
	cn.room = append(cn.room, w)
	cn.mu.Unlock()
	c.bounds.block(&c.bounds.queued)
	defer c.bounds.unblock()
	select {
	case <-w.ready:
		cn.mu.Lock()
		return nil
	case <-c.bounds.ctx.Done():
	case <-c.bounds.expired:
	}
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if w.granted {
		cn.queued -= size
	}
	for i, other := range cn.room {
		if other == w {
			cn.room = append(cn.room[:i], cn.room[i+1:]...)
			break
		}
	}
	cn.grantLocked() // those behind it may fit now
	return c.bounds.over(c.method, rpc.NotExecuted, "room in the outgoing queue")
}

// grantLocked lets in those who wait for room, in order, as far as there is some.
func (cn *conn) grantLocked() {
	for len(cn.room) > 0 && cn.fits(cn.room[0].size) {
		w := cn.room[0]
		cn.room[0] = nil
		cn.room = cn.room[1:]
		cn.queued += w.size
		w.granted = true
		close(w.ready)
	}
}

// controlLocked queues a small frame about the connection or an ended call. It ignores the limit: there are only so many.
func (cn *conn) controlLocked(frame []byte) {
	cn.queued += len(frame)
	cn.appendLocked(frame)
}

func (cn *conn) appendLocked(frame []byte) {
	if len(cn.tail) >= sealSize {
		cn.sealLocked()
	}
	if cn.tail == nil {
		switch k := len(cn.spare); {
		case k > 0:
			cn.tail = cn.spare[k-1]
			cn.spare = cn.spare[:k-1]
		case len(cn.segs) > 0: // this is a busy time: do not grow towards it
			cn.tail = make([]byte, 0, sealSize+linkSize)
		}
	}
	cn.tail = append(cn.tail, frame...)
}

func (cn *conn) sealLocked() {
	if len(cn.tail) > 0 {
		cn.segs = append(cn.segs, segment{b: cn.tail, last: cn.table.last, bulk: cn.streams.tail})
		cn.tail, cn.streams.tail = nil, 0
	}
}

// abandon takes c out of the table and reports whether it could: if not, c has ended or is just ending.
func (cn *conn) abandon(c *call) bool {
	cn.mu.Lock()
	e := cn.table.find(c.id)
	if e == nil || e.call != c {
		cn.mu.Unlock()
		return false
	}
	c.unwritten = c.id > cn.handed
	cn.proto.cancelLocked(cn, e)
	cn.removedLocked()
	cn.unlockAndFlush()
	return true
}

// removedLocked is to be called after entries of the table were removed.
func (cn *conn) removedLocked() {
	cn.pending.Store(int64(cn.table.n))
	cn.retireLocked()
}

// retireLocked closes a connection that takes no more calls once it has nothing left to do.
func (cn *conn) retireLocked() {
	if cn.err != nil && !cn.failed && cn.table.n == 0 && !cn.writing {
		if cn.helm.state == helmFree {
			cn.returnHelmLocked()
		}
		cn.nc.Close() // whoever reads notices, and fails the connection
	}
}

// leave makes the connection take no more calls. Those with ids above last were not accepted by the server.
func (cn *conn) leave(err *rpc.Error, last uint64) {
	cn.mu.Lock()
	if cn.failed {
		cn.mu.Unlock()
		return
	}
	calls := cn.leaveLocked(err, last)
	cn.removedLocked()
	cn.mu.Unlock()
	for _, c := range calls {
		c.fail(notSent(err, c.method))
	}
}

func (cn *conn) leaveLocked(err *rpc.Error, last uint64) []*call {
	if cn.err == nil {
		cn.err = err
		cn.gone.Store(true)
		close(cn.left)
	}
	for _, w := range cn.room {
		close(w.ready)
	}
	cn.room = nil
	return cn.table.removeAbove(last)
}

// fail ends the connection and every call on it. Only the first cause counts.
func (cn *conn) fail(cause error) {
	cn.mu.Lock()
	if cn.failed {
		cn.mu.Unlock()
		return
	}
	cn.failed = true
	handed := cn.handed
	calls := cn.leaveLocked(cn.lost(cause), 0)
	err := cn.err // what made the connection leave, if it had left before, is the better reason
	cn.pending.Store(0)
	cn.mu.Unlock()
	close(cn.dead)
	cn.nc.Close()
	for _, c := range calls {
		e := notSent(err, c.method)
		if c.id <= handed {
			e.Execution = rpc.MaybeExecuted
		}
		c.fail(e)
	}
	cn.failStreams(err)
}

// lost returns the error of calls whose connection failed for cause.
func (cn *conn) lost(cause error) *rpc.Error {
	if cause == errClosed {
		return errClosed
	}
	return &rpc.Error{Code: rpc.Unavailable, Message: "connection to " + cn.server.address + ": " + cause.Error(), Cause: cause}
}

// notSent returns err as the error of a call of m that was not sent.
func notSent(err *rpc.Error, m *rpc.Method) *rpc.Error {
	e := *err
	e.Method, e.Execution = m.FullName, rpc.NotExecuted
	return &e
}

// shut writes what is queued, if that is soon done, and ends the connection.
func (cn *conn) shut(err *rpc.Error) {
	cn.mu.Lock()
	cn.leaveLocked(err, math.MaxUint64)
	var flushed chan struct{}
	if cn.writing && !cn.failed {
		flushed = make(chan struct{})
		cn.flushed = flushed
	}
	cn.mu.Unlock()
	if flushed != nil {
		t := time.NewTimer(closeWait)
		select {
		case <-flushed:
		case <-cn.dead:
		case <-t.C:
		}
		t.Stop()
	}
	cn.fail(err)
}

// read is nc.Read for whoever has the helm, with the bounds of its call, nil for the reader goroutine. At them it returns
// errOverdue. Other read deadlines that pass are the protocol's to judge.
func (cn *conn) read(b []byte, p *patience) (int, error) {
	if p != nil && !p.deadline.IsZero() && (cn.alarm.IsZero() || p.deadline.Before(cn.alarm)) {
		if err := cn.alert(p.deadline); err != nil {
			return 0, err
		}
	}
	var began time.Time
	if p != nil && p.relieved == nil && cn.window.Most > 0 {
		began = time.Now()
		if n, err := cn.readEarly(b, p, began); n > 0 || err != nil {
			cn.heard = time.Now()
			return n, err
		}
	}
	for {
		n, err := cn.readSome(b)
		if n > 0 {
			cn.heard = time.Now()
			if !began.IsZero() {
				cn.window.Waited(cn.heard.Sub(began))
			}
			return n, nil
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, readError(err)
		}
		now := time.Now()
		if p != nil && p.overdue(now) {
			return 0, errOverdue
		}
		next, err := cn.proto.quiet(cn, now)
		if err != nil {
			return 0, err
		}
		if p != nil && !p.deadline.IsZero() && (next.IsZero() || p.deadline.Before(next)) {
			next = p.deadline
		}
		if err := cn.alert(next); err != nil {
			return 0, err
		}
	}
}

// readSome is nc.Read.
func (cn *conn) readSome(b []byte) (int, error) {
	if cn.sock != nil {
		return cn.sock.read(b)
	}
	return cn.nc.Read(b)
}

// alert sets the read deadline; zero for none. One that is too early costs a look at the clock, and does no harm, so calls
// that follow each other with later and later deadlines leave it alone.
func (cn *conn) alert(t time.Time) error {
	cn.alarm = t
	if err := cn.nc.SetReadDeadline(t); err != nil {
		return readError(err)
	}
	return nil
}
