package client

import (
	"context"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// pending is a call of Client.Go. Users hold it for as long as they like, so it is never reused.
type pending struct {
	call   call
	conn   *conn // nil if the call was not sent
	result codec.Decodable
	cancel context.CancelFunc // ends the context of call.bounds where that is our own; else nil

	decode sync.Once // fills result and sets outcome
	err    error     // the outcome

	mu   sync.Mutex
	over bool          // call.reply and call.err are final
	stop func() bool   // ends the watch on the context
	done chan struct{} // made by the first Done
}

var _ rpc.Pending = (*pending)(nil)

// Go implements rpc.Caller. It waits, within ctx, where Call would before it has sent the call: for a connection that
// is being made, and for room in the outgoing queue. Once sent, a call is not sent again.
func (c *Client) Go(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) rpc.Pending {
	p := &pending{result: result}
	k := &p.call
	k.method, k.owner, k.bounds = m, p, c.patience(ctx, m)
	if k.bounds.timeout > 0 {
		k.bounds.ctx, p.cancel = context.WithDeadline(ctx, k.bounds.deadline)
	}

	scratch := c.calls.Get().(*call)
	k.frame = scratch.frame
	cn, err := c.begin(k, args)
	scratch.frame, k.frame = k.frame, nil
	scratch.forget()
	c.calls.Put(scratch)

	switch {
	case err != nil:
		k.fail(err)
	case m.Oneway:
		p.end()
	default:
		p.conn = cn
		p.watch()
	}
	return p
}

// watch makes the call end when its context does.
func (p *pending) watch() {
	if p.call.bounds.ctx.Done() == nil {
		return
	}
	stop := context.AfterFunc(p.call.bounds.ctx, func() {
		if p.conn.abandon(&p.call) {
			p.call.fail(p.call.bounds.over(p.call.method, rpc.MaybeExecuted, "the reply"))
		}
	})
	p.mu.Lock()
	p.stop = stop
	over := p.over
	p.mu.Unlock()
	if over { // before there was a stop to call
		stop()
	}
}

// end is called once, when call.reply or call.err has been set or neither is to come.
func (p *pending) end() {
	p.mu.Lock()
	p.over = true
	stop, done := p.stop, p.done
	p.mu.Unlock()
	if done != nil {
		close(done)
	}
	if stop != nil {
		stop()
	}
	if p.cancel != nil {
		p.cancel()
	}
}

// closedChan is the Done of a call that had ended before anybody asked.
var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Done implements rpc.Pending.
func (p *pending) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		if p.over {
			p.done = closedChan
		} else {
			p.done = make(chan struct{})
		}
	}
	return p.done
}

// Wait implements rpc.Pending. The first one to come decodes the reply.
func (p *pending) Wait(ctx context.Context) error {
	p.mu.Lock()
	over := p.over
	p.mu.Unlock()
	if !over {
		select {
		case <-p.Done():
		case <-ctx.Done():
			own := patience{ctx: ctx}
			return own.over(p.call.method, rpc.MaybeExecuted, "a pending call")
		}
	}
	p.decode.Do(func() {
		switch {
		case p.call.err != nil:
			p.err = p.call.err
		case !p.call.method.Oneway:
			p.err = p.conn.proto.decode(p.call.method, &p.call.reply, p.result)
			p.call.reply = reply{}
		}
	})
	return p.err
}
