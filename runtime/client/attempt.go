package client

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// do makes attempts at k until one succeeds or the rules say that it is enough. Without an error there is a reply.
func (c *Client) do(k *call, args codec.Encodable, result codec.Decodable) *rpc.Error {
	err := c.attempt(k, args, result)
	if err == nil {
		return nil
	}
	return c.retry(k, err, args, result)
}

// retry is do after a first attempt has failed with err.
func (c *Client) retry(k *call, err *rpc.Error, args codec.Encodable, result codec.Decodable) *rpc.Error {
	var a attempts
	for {
		if !c.again(k, &a, err) {
			return a.outcome(err)
		}
		if stop := c.rest(k, a.pause); stop != nil {
			if err == errTransient {
				return nil // the exception says more
			}
			stop.Message += "; the last attempt: " + err.Message
			stop.Execution = a.execution
			return a.outcome(stop)
		}
		k.native.Retry++
		k.err, k.reply = nil, reply{}
		if err = c.attempt(k, args, result); err == nil {
			return nil
		}
	}
}

// again decides whether to make another attempt at k after one has failed with err, and if so sets a.pause.
func (c *Client) again(k *call, a *attempts, err *rpc.Error) bool {
	f := failure{
		code:        err.Code,
		execution:   err.Execution,
		remote:      err.Remote,
		advice:      err.Advice,
		unconnected: !k.picked,
		retry:       k.retry,
		standby:     c.standby(),
	}
	v := c.rules.judge(a, f, rand.Float64())
	a.worse(k.raced)
	if v.move {
		c.moveOn(k)
	}
	if !v.again {
		return false
	}
	if left, ok := k.bounds.left(); !ok || left > 0 && left <= v.pause {
		return false // and the reason tells more than the deadline would
	}
	if v.charged && !c.afford() {
		a.broke = true
		return false
	}
	if k.retry == rpc.RetryAtMostOnce && err.Execution != rpc.NotExecuted && c.config.balancer != FailoverOrder {
		k.pin = k.server // servers that share a load need not know each other's outcomes
	}
	k.avoid = k.server
	a.pause = v.pause
	return true
}

// afford reports whether the budget allows another repetition or hedge, and charges it.
func (c *Client) afford() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.budget.take(time.Now(), c.made.Load())
}

// outcome returns the error of a call whose last attempt failed with err; nil if that attempt has a reply nevertheless.
func (a *attempts) outcome(err *rpc.Error) *rpc.Error {
	if err == errTransient {
		return nil
	}
	if a.failed < 2 && !a.broke && err.Execution == a.execution {
		return err
	}
	e := *err
	e.Execution = a.execution
	if a.failed > 1 {
		e.Message += fmt.Sprintf(" (after %d attempts)", a.failed)
	}
	if a.broke {
		e.Message += " (not tried again: the retry budget is spent)"
	}
	return &e
}

// rest waits between two attempts at k. The error says that it was cut off.
func (c *Client) rest(k *call, pause time.Duration) *rpc.Error {
	p := &k.bounds
	if pause <= 0 {
		return nil // the next attempt looks at the bounds
	}
	p.block(&p.queued)
	defer p.unblock()
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.life.Done():
		return notSent(errClosed, k.method)
	case <-p.ctx.Done():
	case <-p.expired:
	}
	return p.over(k.method, rpc.NotExecuted, "the next attempt")
}

// attempt sends k once and waits for its end. The error may be errTransient.
func (c *Client) attempt(k *call, args codec.Encodable, result codec.Decodable) *rpc.Error {
	if c.hedges(k.method) {
		return c.hedge(k, args, result)
	}
	k.leader, k.replied = true, 0
	cn, err := c.begin(k, args)
	if err != nil {
		return err
	}
	k.attempts++
	if k.method.Oneway {
		return nil
	}
	if err = cn.wait(k); err == nil {
		k.replied = k.reply.size
		err = cn.answer(k, result)
	}
	c.judge(k, err)
	return err
}

// judge notes what the end of an attempt at k, sent, says about its server.
func (c *Client) judge(k *call, err *rpc.Error) {
	switch {
	case err == nil:
		c.praise(k)
	case err.Remote && blameFor(err) == blameNobody:
		if err.Code != rpc.DeadlineExceeded {
			c.praise(k) // a server that refuses bad calls does its work
		}
	default:
		c.blame(k, err)
	}
}

// begin sends k on some connection. One that turns out to take no more calls, before it had this one, is not an attempt.
func (c *Client) begin(k *call, args codec.Encodable) (*conn, *rpc.Error) {
	p := &k.bounds
	if k.async != nil {
		defer k.async.done()
	}
	for {
		k.picked = false
		if p.ctx.Err() != nil {
			return nil, p.over(k.method, rpc.NotExecuted, "a connection")
		}
		cn, err := c.pick(k, c.config.waitForReady && !c.standby())
		if err != nil {
			return nil, err
		}
		k.picked, k.conn = true, cn // before it can end
		err = cn.proto.send(cn, k, args)
		if err == nil {
			return cn, nil
		}
		k.conn = nil
		if err.Code != rpc.Unavailable || !cn.gone.Load() {
			return nil, err
		}
	}
}

// wait waits until k, which has been sent, has ended. On an error there is no reply.
func (cn *conn) wait(k *call) *rpc.Error {
	if k.leading {
		return cn.lead(k)
	}
	p := &k.bounds
	if p.endless() {
		<-k.ended
		return k.err
	}
	select {
	case <-k.ended:
		return k.err
	case <-p.ctx.Done():
	case <-p.expired:
	}
	return cn.giveUp(k)
}

// giveUp ends k, whose bounds have been reached, unless its end is under way.
func (cn *conn) giveUp(k *call) *rpc.Error {
	if cn.abandon(k) {
		err := k.bounds.over(k.method, rpc.MaybeExecuted, "the reply")
		if k.unwritten && err.Code == rpc.DeadlineExceeded {
			err.Stages = k.bounds.stages(rpc.Stages{}, true)
		}
		return err
	}
	<-k.ended // somebody is about to end it: the reply has won
	return k.err
}

// finish takes the reply out of k. The error is what the server said, or why it cannot be understood.
func (cn *conn) finish(k *call, result codec.Decodable) *rpc.Error {
	if k.sink != nil {
		b := cn.proto.metadata(&k.reply)
		*k.sink = rpc.DecodeMetadata(append([]byte(nil), b...)) // not to keep the whole reply
	}
	err := cn.proto.decode(k.method, &k.reply, result)
	if err == nil {
		return nil
	}
	e := callError(err, k.method)
	if e.Remote && e.Code == rpc.DeadlineExceeded {
		e.Stages = k.bounds.stages(e.Stages, false)
	}
	return e
}
