package client

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// call is a call from the moment it is encoded until it has ended. Those of Client.Call are reused; nobody outside this
// package ever holds one. Whoever takes a call out of its connection's table ends it, so it ends exactly once, and a
// call that is in no table is its waiter's alone.
type call struct {
	// Owned by the caller; by the connection while it appends the frame.
	method  *rpc.Method
	bounds  patience
	frame   []byte        // scratch for the encoded call
	splices codec.Splices // large strings that belong into frame, and were left out of it
	timer   *time.Timer
	native  wire.CallOptions
	trace   [rpc.TraceContextSize]byte // what native.Trace points to
	stream  *clientStream              // that the call opens; nil for an ordinary call

	// The caller's, about its attempts.
	retry      rpc.Retry     // the method's, as far as it can be kept
	ticket     uint64        // for taking turns; rises from call to call
	sink       *rpc.Metadata // for the reply's metadata; nil if nobody asked
	server     *server       // of the last attempt; nil if none was picked
	conn       *conn         // likewise, if it was sent
	generation uint64        // of server, with FailoverOrder
	picked     bool          // the last attempt had a connection
	avoid      *server       // failed just now, or has another attempt of the call
	pin        *server       // the only one that may get the call, if not nil
	leader     bool          // the caller will wait with conn.wait, so it may read its reply itself
	leading    bool          // it has to: the call has the helm
	raced      int           // of the attempts in races, the highest certainty that they were executed
	attempts   int           // how often the call was sent, hedges included
	size       int           // bytes of the last frame
	replied    int           // and of the reply that counted
	async      *async        // to be told when the arguments have been queued; nil if nobody waits for that
	unwritten  bool          // the call was abandoned while it was still in the outgoing queue

	id uint64 // set when the frame is appended

	// Written by whoever ends the call, read by the waiter after that.
	reply reply
	err   *rpc.Error // set if there is no reply

	ended chan struct{} // gets one token when the call ends; unused where owner is set
	owner *pending      // of Client.Go; nil for a synchronous call
}

// reply is what came back, still encoded.
type reply struct {
	// Native connections. payload is the call's own, decoded strings may alias it.
	header  wire.FrameHeader
	payload []byte

	thrift thrift.Reply // Thrift connections, on the same terms

	size int // bytes of it as it came, headers included
}

// forget makes c ready for its next use. Buffers that are larger than most calls need go back to where they came from.
func (c *call) forget() {
	c.method, c.bounds, c.reply, c.err = nil, patience{}, reply{}, nil
	c.native = wire.CallOptions{}
	c.sink, c.server, c.conn, c.avoid, c.pin, c.async = nil, nil, nil, nil, nil, nil
	c.leader, c.unwritten = false, false
	c.raced, c.attempts, c.size, c.replied = 0, 0, 0, 0
	c.splices = forgotten(c.splices)
	if cap(c.frame) > 2*linkSize {
		keepFrame(c.frame)
		c.frame = nil
	}
}

// forgotten returns list empty, and without the strings that it had: also those that were taken back, because the body was
// compressed or could not be sent, and are still behind its end.
func forgotten(list codec.Splices) codec.Splices {
	clear(list[:cap(list)])
	return list[:0]
}

// follow makes c, which is new, continue the call that first was an attempt at.
func (c *call) follow(first *call) {
	c.method, c.bounds, c.native, c.reply = first.method, first.bounds, first.native, first.reply
	c.retry, c.ticket, c.sink = first.retry, first.ticket, first.sink
	c.server, c.conn, c.generation, c.picked = first.server, first.conn, first.generation, first.picked
}

// end tells the waiter. reply or err have been set.
func (c *call) end() {
	switch {
	case c.owner != nil:
		c.owner.settle()
		return
	case c.stream != nil:
		c.stream.replied()
		return
	}
	c.ended <- struct{}{} // has room: this happens once per use
}

func (c *call) fail(err *rpc.Error) {
	c.err = err
	c.end()
}

// patience bounds the waits of one call, and knows where its time went.
type patience struct {
	ctx      context.Context
	deadline time.Time        // zero if none; the context's, or else from a timeout
	timeout  time.Duration    // the timeout, if the deadline comes from one
	expired  <-chan time.Time // fires at a deadline that is not the context's; else nil
	relieved *atomic.Bool     // of a stream's receiver that reads: set when it is to stop that; else nil

	// Kept only where there is a deadline to explain.
	started time.Time
	dialing time.Duration  // spent waiting for a connection
	queued  time.Duration  // for room, for a turn, and between attempts
	blocked time.Time      // when the wait under way began
	spent   *time.Duration // what it counts as; nil if there is none
}

// block begins a wait, whose time is added to spent: p.dialing or p.queued. unblock ends it.
func (p *patience) block(spent *time.Duration) {
	if !p.started.IsZero() {
		p.blocked, p.spent = time.Now(), spent
	}
}

func (p *patience) unblock() {
	if p.spent != nil {
		*p.spent += time.Since(p.blocked)
		p.spent = nil
	}
}

// stages returns where the time went until now, in addition to what the server knows. What is neither this process's nor
// the server's was spent between them, or before the call was written if unwritten is set.
func (p *patience) stages(server rpc.Stages, unwritten bool) rpc.Stages {
	if p.started.IsZero() {
		return server
	}
	p.unblock()
	server.Dial, server.ClientQueue = p.dialing, p.queued
	rest := max(0, time.Since(p.started)-p.dialing-p.queued-server.ServerQueue-server.Handler)
	if unwritten {
		server.ClientQueue += rest
	} else {
		server.Wire = rest
	}
	return server
}

// left returns the time left, 0 if there is no limit; ok is false if none is left.
func (p *patience) left() (d time.Duration, ok bool) {
	if p.deadline.IsZero() {
		return 0, true
	}
	d = time.Until(p.deadline)
	return d, d > 0
}

// endless reports whether nothing can end the wait but the call's own end.
func (p *patience) endless() bool { return p.expired == nil && p.ctx.Done() == nil }

// overdue reports whether the bounds have been reached.
func (p *patience) overdue(now time.Time) bool {
	if p.relieved != nil && p.relieved.Load() {
		return true
	}
	return p.ctx.Err() != nil || !p.deadline.IsZero() && !now.Before(p.deadline)
}

// over returns the error of a call whose wait for something was cut off.
func (p *patience) over(m *rpc.Method, x rpc.Execution, waitingFor string) *rpc.Error {
	e := &rpc.Error{Code: rpc.DeadlineExceeded, Method: m.FullName, Execution: x}
	err := p.ctx.Err()
	switch {
	case err != nil && err != context.DeadlineExceeded:
		e.Code = rpc.Canceled
		e.Message, e.Cause = "canceled during the wait for "+waitingFor, context.Cause(p.ctx)
		return e
	case p.timeout > 0:
		e.Message, e.Cause = "timeout of "+p.timeout.String()+" ended the wait for "+waitingFor, context.DeadlineExceeded
	default:
		e.Message, e.Cause = "deadline ended the wait for "+waitingFor, context.DeadlineExceeded
	}
	e.Stages = p.stages(rpc.Stages{}, x == rpc.NotExecuted)
	return e
}
