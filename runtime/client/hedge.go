package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Hedging sends calls of idempotent methods a second time, to another server where there is one, when the reply keeps
// them waiting, and takes the reply that comes first. The others are canceled. What it sends counts against the budget
// of RetryPolicy, so hedging ends by itself where everything is slow.
type Hedging struct {
	// How long the first attempt, and every further one, has before the next begins: Delay, or where Percentile is set
	// the time within which that share of the method's calls of late was answered, 0.95 for example, but at least Delay.
	// There is no hedging by percentile until 20 calls of the method have been answered, and none within 2 ms: servers take
	// calls that are canceled sooner for a flood.
	Delay      time.Duration
	Percentile float64

	Extra int // attempts besides the first, 1 to 8
}

// minHedgeDelay is the shortest delay. It is twice the age up to which a server finds a cancel early.
const minHedgeDelay = 2 * time.Millisecond

func (h Hedging) validate() error {
	if h.Delay < 0 || !(h.Percentile >= 0 && h.Percentile < 1) || h.Delay == 0 && h.Percentile == 0 || h.Extra < 1 || h.Extra > 8 {
		return fmt.Errorf("client: hedging %+v: needs a Delay or a Percentile below 1, and 1 to 8 Extra attempts", h)
	}
	return nil
}

// delay returns how long to wait for a reply of m before the next attempt; ok is false if that is not known.
func (c *Client) delay(m *rpc.Method) (d time.Duration, ok bool) {
	h := c.config.hedging
	if h.Percentile == 0 {
		return max(h.Delay, minHedgeDelay), true
	}
	d, ok = c.latencyOf(m).quantile(h.Percentile)
	return max(d, h.Delay, minHedgeDelay), ok
}

func (c *Client) latencyOf(m *rpc.Method) *latency {
	if l, ok := c.latencies.Load(m); ok {
		return l.(*latency)
	}
	l, _ := c.latencies.LoadOrStore(m, new(latency))
	return l.(*latency)
}

// race is the attempts at one hedged call. All of them have ended when it is over.
type race struct {
	client *Client
	call   *call // the first attempt
	conn   *conn // of it; nil once it has ended
	began  time.Time

	// The extra attempts run in goroutines of their own, which end with ctx.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	begun  int        // so many of them
	under  int        // have not been heard of
	extras chan extra // has room for all

	err *rpc.Error // the last failure; set if no attempt has succeeded so far
}

// extra is an attempt that has ended.
type extra struct {
	call *call
	conn *conn
	err  *rpc.Error // if nil, there is a reply
}

// hedges reports whether calls of m may be hedged.
func (c *Client) hedges(m *rpc.Method) bool {
	return c.config.hedging != nil && m.Retry == rpc.RetryIdempotent && !m.Oneway
}

// hedge is attempt for a call that may be hedged.
func (c *Client) hedge(k *call, args codec.Encodable, result codec.Decodable) *rpc.Error {
	delay, ok := c.delay(k.method)
	cn, err := c.begin(k, args)
	if err != nil {
		return err
	}
	k.attempts++
	r := &race{client: c, call: k, conn: cn, began: time.Now()}
	if !ok {
		err = cn.wait(k)
		return r.ended(k, cn, err, result)
	}
	r.extras = make(chan extra, c.config.hedging.Extra)
	err = r.run(delay, args, result)
	if r.conn != nil || r.under > 0 { // those that the race does not wait for
		r.may(rpc.MaybeExecuted)
	}
	if r.cancel != nil {
		r.cancel()
		r.wg.Wait()
		for range r.under {
			c.release((<-r.extras).call)
		}
	}
	if r.conn != nil && !r.conn.abandon(k) {
		<-k.ended // the reply was just coming
	}
	return err
}

// run waits for the first good end of an attempt, and begins further ones.
func (r *race) run(delay time.Duration, args codec.Encodable, result codec.Decodable) *rpc.Error {
	k := r.call
	t := time.NewTimer(delay)
	defer t.Stop()
	for {
		var ended <-chan struct{}
		if r.conn != nil {
			ended = k.ended
		}
		select {
		case <-ended:
			cn := r.conn
			r.conn = nil
			if r.err = r.ended(k, cn, k.err, result); r.final() {
				return r.err
			}
		case x := <-r.extras:
			r.under--
			err := r.ended(x.call, x.conn, x.err, result)
			r.client.release(x.call)
			if r.err = err; r.final() {
				return r.err
			}
		case <-t.C:
			if r.more(args) {
				t.Reset(delay)
			}
		case <-k.bounds.ctx.Done():
			return r.overdue()
		case <-k.bounds.expired:
			return r.overdue()
		}
	}
}

// final reports whether the race is decided: by a success, by an error that another attempt would get too, or because
// none is left.
func (r *race) final() bool {
	if r.err == nil || r.conn == nil && r.under == 0 {
		return true
	}
	f := failure{code: r.err.Code, remote: r.err.Remote, advice: r.err.Advice}
	return !f.passing()
}

// overdue ends the race at the call's bounds.
func (r *race) overdue() *rpc.Error {
	if r.conn == nil {
		return r.call.bounds.over(r.call.method, rpc.MaybeExecuted, "the reply")
	}
	cn := r.conn
	r.conn = nil
	err := cn.giveUp(r.call)
	if err == nil { // the reply has won, but its result would come too late
		err = r.call.bounds.over(r.call.method, rpc.MaybeExecuted, "the reply")
	}
	r.client.judge(r.call, err)
	return err
}

// ended takes the end of an attempt: err, or the reply.
func (r *race) ended(k *call, cn *conn, err *rpc.Error, result codec.Decodable) *rpc.Error {
	if err == nil {
		r.call.replied = k.reply.size
		err = cn.answer(k, result)
	}
	if k.picked {
		r.client.judge(k, err)
	}
	if err != nil {
		r.may(err.Execution)
	}
	if err == nil && r.client.config.hedging.Percentile > 0 {
		r.client.latencyOf(k.method).observe(time.Since(r.began))
	}
	return err
}

// may takes note of what the server may have done in one of the attempts.
func (r *race) may(x rpc.Execution) { r.call.raced = max(r.call.raced, certainty[x]) }

// more begins an extra attempt and reports whether it makes sense to ask for another one later.
func (r *race) more(args codec.Encodable) bool {
	c, k := r.client, r.call
	if !c.afford() {
		return false
	}
	if r.cancel == nil {
		r.ctx, r.cancel = context.WithCancel(k.bounds.ctx)
	}
	x := c.calls.Get().(*call)
	x.method, x.retry, x.sink, x.avoid = k.method, k.retry, k.sink, k.server
	x.ticket = k.ticket + uint64(r.begun) + 1
	x.bounds = k.bounds
	x.bounds.ctx, x.bounds.expired = r.ctx, nil // the race watches the clock
	x.bounds.spent = nil
	x.native = k.native
	x.native.Retry++
	r.begun++
	r.under++
	k.attempts++
	r.wg.Go(func() {
		e := extra{call: x, err: unfinished(x.method)}
		defer func() {
			if p := recover(); p != nil {
				e.err = panicked(x.method, p)
			}
			r.extras <- e
		}()
		if e.conn, e.err = c.begin(x, args); e.err == nil {
			e.err = e.conn.wait(x)
		}
	})
	return r.begun < c.config.hedging.Extra
}
