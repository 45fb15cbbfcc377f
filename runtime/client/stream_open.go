package client

import (
	"context"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

var _ rpc.StreamCaller = (*Client)(nil)

// Open implements rpc.StreamCaller. The first stream on a connection waits until the server has said whether it knows
// streams; one that does not, and stock Thrift servers, make it fail (Unimplemented).
//
// Opening is tried again, as RetryPolicy says, while it has provably come to nothing. A stream whose call was sent is
// bound to its connection. WithTimeout does not limit streams.
func (c *Client) Open(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
	return c.opens(ctx, m, args)
}

// open is Open inside the interceptors.
func (c *Client) open(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
	if m.Stream == rpc.StreamNone || m.Oneway {
		return nil, &rpc.Error{Code: rpc.InvalidArgument, Message: "the method is no stream", Method: m.FullName, Execution: rpc.NotExecuted}
	}
	s := newStream(ctx, c, m)
	opened := false
	defer func() {
		if !opened { // or encoding the arguments panicked
			s.cancel()
			s.release()
		}
	}()
	if err := s.open(args); err != nil {
		return nil, err
	}
	opened = true
	return s, nil
}

func newStream(ctx context.Context, c *Client, m *rpc.Method) *clientStream {
	s := &clientStream{
		client:  c,
		arrived: make(chan struct{}, 1),
		drained: make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	p := &s.call.bounds
	p.ctx, s.lapse = ctx, func() {}
	if d, ok := ctx.Deadline(); ok {
		p.deadline, p.started = d, time.Now()
	} else if m.Timeout > 0 {
		p.timeout, p.started = m.Timeout, time.Now()
		p.deadline = p.started.Add(m.Timeout)
		p.ctx, s.lapse = context.WithDeadline(ctx, p.deadline)
	}
	s.ctx, s.cancel = context.WithCancel(p.ctx)
	s.call.method, s.call.stream = m, s
	return s
}

// open sends the call, on whatever connection takes it.
func (s *clientStream) open(args codec.Encodable) error {
	c, k := s.client, &s.call
	if err := c.prepare(k, k.method); err != nil {
		return err
	}
	k.native.Number = 0 // no server keeps a stream's outcome for a repetition
	if k.retry != rpc.RetryNever {
		k.retry = rpc.RetryUnset
	}
	var a attempts
	for {
		_, err := c.begin(k, args)
		if err == nil {
			break
		}
		if !c.again(k, &a, err) {
			return a.outcome(err)
		}
		if stop := c.rest(k, a.pause); stop != nil {
			return stop
		}
	}
	if k.frame != nil {
		keepFrame(k.frame)
		k.frame = nil
	}
	k.splices = nil // which may have strings that were taken back
	s.watch()
	return nil
}

// openStream sends the call of a stream on cn.
func (n *native) openStream(cn *conn, c *call, args codec.Encodable) *rpc.Error {
	if err := n.awaitGreeting(cn, c); err != nil {
		return err
	}
	if !n.streams {
		return noStreams(c.method, "the server at "+cn.server.address+" does not know them")
	}
	left, ok := c.bounds.left()
	if !ok {
		return c.bounds.over(c.method, rpc.NotExecuted, "a connection")
	}
	s := c.stream
	s.conn, s.dialect = cn, n.dialect.Load()
	cn.mu.Lock()
	if err := cn.err; err != nil {
		cn.mu.Unlock()
		return notSent(err, c.method)
	}
	core, err := cn.muxLocked(n).Open(stream.Options{
		Sends:    c.method.Stream&rpc.StreamArgs != 0,
		Receives: c.method.Stream&rpc.StreamResult != 0,
	})
	if err != nil {
		cn.mu.Unlock()
		return callError(err, c.method)
	}
	core.Owner, s.core = s, core
	c.native.Stream, c.native.Window = true, core.Window()
	cn.mu.Unlock()
	sent := false
	defer func() {
		if !sent { // or encoding the arguments panicked
			cn.mu.Lock()
			core.Discard()
			cn.mu.Unlock()
			s.core = nil // the next attempt may be on another connection
		}
	}()
	if err := n.sendCall(cn, c, args, left); err != nil {
		return err
	}
	sent = true
	return nil
}

// startLocked puts the stream to work, right behind its call in the outgoing queue.
func (s *clientStream) startLocked() { s.conn.streams.mux.Start(s.core, s.call.id) }

// awaitGreeting waits until the server has said what it can do.
func (n *native) awaitGreeting(cn *conn, c *call) *rpc.Error {
	select {
	case <-n.greeted:
		return nil
	default:
	}
	p := &c.bounds
	p.block(&p.dialing)
	defer p.unblock()
	select {
	case <-n.greeted:
		return nil
	case <-cn.left:
		return notSent(cn.err, c.method)
	case <-p.ctx.Done():
		return p.over(c.method, rpc.NotExecuted, "the preamble of "+cn.server.address)
	}
}

func noStreams(m *rpc.Method, why string) *rpc.Error {
	return &rpc.Error{Code: rpc.Unimplemented, Message: "no streams: " + why, Method: m.FullName, Execution: rpc.NotExecuted}
}
