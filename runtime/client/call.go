package client

import (
	"context"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// call is a call from the moment it is encoded until it has ended. Those of Client.Call are reused; nobody outside this
// package ever holds one. Whoever takes a call out of its connection's table ends it, so it ends exactly once, and a
// call that is in no table is its waiter's alone.
type call struct {
	// Owned by the caller; by the connection while it appends the frame.
	method *rpc.Method
	bounds patience
	frame  []byte // scratch for the encoded call
	timer  *time.Timer
	native wire.CallOptions

	id uint64 // set when the frame is appended

	// Written by whoever ends the call, read by the waiter after that.
	reply reply
	err   *rpc.Error // set if there is no reply

	ended chan struct{} // gets one token when the call ends; unused where pending is set
	owner *pending      // of Client.Go; nil for a synchronous call
}

// reply is what came back, still encoded.
type reply struct {
	// Native connections. payload is the call's own, decoded strings may alias it.
	header  wire.FrameHeader
	payload []byte

	thrift thrift.Reply // Thrift connections, on the same terms
}

// forget makes c ready for its next use. Buffers that are larger than most calls need go back to where they came from.
func (c *call) forget() {
	c.method, c.bounds, c.reply, c.err = nil, patience{}, reply{}, nil
	if cap(c.frame) > 2*linkSize {
		keepFrame(c.frame)
		c.frame = nil
	}
}

// end tells the waiter. reply or err have been set.
func (c *call) end() {
	if c.owner != nil {
		c.owner.end()
		return
	}
	c.ended <- struct{}{} // has room: this happens once per use
}

func (c *call) fail(err *rpc.Error) {
	c.err = err
	c.end()
}

// patience bounds the waits of one call.
type patience struct {
	ctx      context.Context
	deadline time.Time        // zero if none; the context's, or else from a timeout
	timeout  time.Duration    // the timeout, if the deadline comes from one
	expired  <-chan time.Time // fires at a deadline that is not the context's; else nil
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

// over returns the error of a call whose wait for something was cut off.
func (p *patience) over(m *rpc.Method, x rpc.Execution, waitingFor string) *rpc.Error {
	e := &rpc.Error{Code: rpc.DeadlineExceeded, Method: m.FullName, Execution: x}
	err := p.ctx.Err()
	switch {
	case err != nil && err != context.DeadlineExceeded:
		e.Code = rpc.Canceled
		e.Message, e.Cause = "canceled during the wait for "+waitingFor, context.Cause(p.ctx)
	case p.timeout > 0:
		e.Message, e.Cause = "timeout of "+p.timeout.String()+" ended the wait for "+waitingFor, context.DeadlineExceeded
	default:
		e.Message, e.Cause = "deadline ended the wait for "+waitingFor, context.DeadlineExceeded
	}
	return e
}
