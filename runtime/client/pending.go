package client

import (
	"context"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// pending is a call of Client.Go. Users hold it for as long as they like, so it is never reused.
type pending struct {
	client *Client
	call   call  // the first attempt
	conn   *conn // nil if it was not sent, or went through interceptors
	args   *body // nil if there will be no other attempt
	result codec.Decodable
	cancel context.CancelFunc // ends the context of call.bounds where that is our own; else nil

	decode  sync.Once // fills result and sets outcome
	decoded bool      // they are: another attempt has done it. Set before over
	err     error     // the outcome

	mu   sync.Mutex
	over bool          // call.reply and call.err are final, or decoded is set
	stop func() bool   // ends the watch on the context
	done chan struct{} // made by the first Done
}

var _ rpc.Pending = (*pending)(nil)

// Go implements rpc.Caller. It waits, within ctx, where Call would before it has sent the call: for a connection that
// is being made, and for room in the outgoing queue. What holds for Call about sending again holds here too. The client keeps
// a copy of the encoded arguments, as long as the call runs, unless the method's retry is "never".
func (c *Client) Go(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) rpc.Pending {
	if c.handle != nil || c.hedges(m) {
		return c.goThrough(ctx, m, args, result)
	}
	p := &pending{client: c, result: result}
	k := &p.call
	k.owner, k.bounds = p, c.patience(ctx, m)
	if err := c.prepare(k, m); err != nil {
		k.err = callError(err, m)
		p.end()
		return p
	}
	if k.bounds.timeout > 0 {
		k.bounds.ctx, p.cancel = context.WithDeadline(ctx, k.bounds.deadline)
	}
	if m.Retry != rpc.RetryNever {
		if p.args = newBody(c.encoding(), args); p.args != nil {
			args = p.args
		}
	}

	scratch := c.calls.Get().(*call)
	k.frame, k.splices = scratch.frame, scratch.splices
	cn, err := c.begin(k, args)
	scratch.frame, scratch.splices = k.frame, k.splices
	k.frame, k.splices = nil, nil
	c.release(scratch)

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

// encoding returns how arguments are encoded.
func (c *Client) encoding() codec.Encoding {
	if t := c.config.thrift; t != nil {
		return t.Encoding
	}
	return c.config.encoding
}

// settle is called when the first attempt has ended. Who calls it must not be kept waiting.
func (p *pending) settle() {
	k := &p.call
	switch f := (failure{retry: k.retry}); {
	case p.args == nil, k.err == nil && k.reply.header.Kind != wire.KindError && repeatable(k, p.result) == nil:
		p.end()
		return
	case k.err != nil:
		f.code, f.execution, f.remote, f.advice = k.err.Code, k.err.Execution, k.err.Remote, k.err.Advice
		if !f.passing() || !f.safe() {
			p.end()
			return
		}
	}
	go p.again()
}

// again makes further attempts, if the rules allow it.
func (p *pending) again() {
	c, k := p.client, p.client.calls.Get().(*call)
	m := p.call.method
	p.err, p.decoded = unfinished(m), true
	defer p.end()
	defer func() {
		if x := recover(); x != nil {
			p.err = panicked(m, x)
		}
	}()
	k.follow(&p.call)
	err := p.call.err
	if err == nil {
		err = k.conn.answer(k, p.result)
	}
	if k.conn != nil {
		c.judge(k, err)
	}
	if err != nil {
		err = c.retry(k, err, p.args, p.result)
	}
	if p.err = nil; err != nil {
		p.err = err
	}
	c.release(k)
}

// async is how a call inside interceptors tells Go that it has been sent.
type async struct {
	once sync.Once
	sent chan struct{} // closed when args are the caller's again
}

type asyncKey struct{}

func (a *async) done() { a.once.Do(func() { close(a.sent) }) }

// asyncFrom returns what Go has put into ctx; nil if the call is a plain one.
func (c *Client) asyncFrom(ctx context.Context) *async {
	if c.handle == nil && c.config.hedging == nil {
		return nil // Go puts nothing there
	}
	a, _ := ctx.Value(asyncKey{}).(*async)
	return a
}

// goThrough is Go with interceptors or hedging, which are synchronous: they get a goroutine, which ends when the call does.
func (c *Client) goThrough(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) rpc.Pending {
	p := &pending{client: c}
	p.call.method = m
	a := &async{sent: make(chan struct{})}
	handle := c.handle
	if handle == nil {
		handle = c.call
	}
	go func() {
		defer a.done()
		defer p.end()
		p.decode.Do(func() {
			p.err = unfinished(m)
			defer func() {
				if v := recover(); v != nil {
					p.err = panicked(m, v)
				}
			}()
			p.err = handle(context.WithValue(ctx, asyncKey{}, a), m, args, result)
		})
	}()
	<-a.sent
	return p
}

// once is do for an asynchronous call inside interceptors.
func (c *Client) once(k *call, a *async, args codec.Encodable, result codec.Decodable) *rpc.Error {
	select {
	case <-a.sent: // an interceptor that calls next a second time; args may be the caller's by now
		return &rpc.Error{Code: rpc.FailedPrecondition, Method: k.method.FullName, Execution: rpc.NotExecuted, Message: "an asynchronous call cannot be sent twice"}
	default:
	}
	k.async = a
	b := newBody(c.encoding(), args)
	if b == nil {
		return c.do(k, args, result) // which says why
	}
	defer b.release()
	return c.do(k, b, result)
}

// learn takes note of how a call ended that will not be sent again.
func (c *Client) learn(k *call, err *rpc.Error) {
	if k.picked {
		c.judge(k, err)
	}
	if err == nil || !c.standby() {
		return
	}
	f := failure{code: err.Code, execution: err.Execution, remote: err.Remote, advice: err.Advice}
	if f.elsewhere() {
		c.moveOn(k)
	}
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

// end is called once, when there is nothing more to come.
func (p *pending) end() {
	if p.args != nil {
		p.args.release()
		p.args = nil
	}
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
		if p.decoded {
			return
		}
		p.err = unfinished(p.call.method) // for those who come after a panic
		err := p.call.err
		if err == nil && !p.call.method.Oneway {
			err = p.conn.finish(&p.call, p.result)
			p.call.reply = reply{}
		}
		p.client.learn(&p.call, err)
		if p.err = nil; err != nil {
			p.err = err
		}
	})
	return p.err
}
