package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// ErrDeferred is what an implementation returns after Defer, in place of a result: no error, but the word that the answer
// comes later.
var ErrDeferred = errors.New("rpc: the reply is deferred")

// Deferral is the duty to answer a call whose implementation has returned. It must be answered by Reply or Fail, even
// when the call's context has ended before: until then it counts against the server's bound on deferred calls. There is
// no finalizer that would find a forgotten one. Its methods may be called from any goroutine.
type Deferral struct {
	call  *Call
	count *Deferrals

	mu      sync.Mutex
	settled bool        // by the application
	ended   bool        // by whoever came first; reply is final
	reply   Reply       // if ended before finish was there
	finish  func(Reply) // set when the implementation has returned
}

// Defer makes the call of a handler's context one that is answered later: the implementation then returns ErrDeferred, and
// its worker is free for other calls. What else it returns, or a panic, answers the call at once, unless the Deferral
// has been used before. The call keeps its place among its connection's and its caller's until it is answered. If its
// context ends before that, it is answered with what Err says of it, and with Unavailable when the server closes; the
// Deferral's answer is dropped then.
//
// The error is an *Error: FailedPrecondition outside of a handler, after it has returned and on the second Defer; Busy's
// if too many calls are deferred.
func Defer(ctx context.Context) (*Deferral, error) {
	c := CallFrom(ctx)
	if c == nil || c.Deferrals == nil {
		return nil, NewError(FailedPrecondition, "only a handler's call can be deferred")
	}
	d := &Deferral{call: c, count: c.Deferrals}
	if !d.count.add() {
		return nil, Busy(fmt.Sprintf("the server is busy: %d calls are deferred", d.count.limit))
	}
	if !c.deferral.CompareAndSwap(nil, d) {
		d.count.n.Add(-1)
		return nil, NewError(FailedPrecondition, "the call was deferred or answered before")
	}
	return d, nil
}

// Context returns the call's context. It goes on after the implementation has returned, until the call is answered.
func (d *Deferral) Context() context.Context { return d.call.Context() }

// Reply answers the call with its result struct, which for a declared exception has the exception's field set; nil for
// a oneway method. It reports whether this is what the caller gets.
func (d *Deferral) Reply(result codec.Encodable) bool { return d.settle(Reply{Result: result}) }

// Fail answers the call with an error, as if the implementation had returned it. It reports whether this is what the
// caller gets.
func (d *Deferral) Fail(err error) bool {
	if err == nil {
		err = NewError(Internal, "the handler failed without an error")
	}
	return d.settle(Reply{Err: ReplyError(err)})
}

func (d *Deferral) settle(r Reply) bool {
	d.mu.Lock()
	if d.settled {
		d.mu.Unlock()
		return false
	}
	d.settled = true
	d.mu.Unlock()
	d.count.n.Add(-1)
	return d.End(r)
}

// End answers the call in the application's place, which still has to use the Deferral. It reports whether it was first.
// Handler stages call it.
func (d *Deferral) End(r Reply) bool {
	d.mu.Lock()
	if d.ended {
		d.mu.Unlock()
		return false
	}
	d.ended = true
	finish := d.finish
	if finish == nil {
		d.reply = r
	}
	d.mu.Unlock()
	if finish != nil {
		finish(r)
	}
	return true
}

// Attach says where the reply goes, which may have been given already. Handler stages call it once the implementation
// has returned.
func (d *Deferral) Attach(finish func(Reply)) {
	d.mu.Lock()
	d.finish = finish
	ended, r := d.ended, d.reply
	d.mu.Unlock()
	if ended {
		finish(r)
	}
}

// returned stands in a call for the deferral that can no longer be made.
var returned Deferral

// TakeDeferral returns the Deferral that was made for c, nil if there is none, and lets no more be made. Handler stages
// call it once the implementation has returned.
func (c *Call) TakeDeferral() *Deferral {
	d := c.deferral.Swap(&returned)
	if d == &returned {
		return nil
	}
	return d
}

// Deferrals counts and bounds the deferred calls of a handler stage that the application has still to answer.
type Deferrals struct {
	limit int64
	n     atomic.Int64
}

// NewDeferrals returns a Deferrals with room for limit calls.
func NewDeferrals(limit int) *Deferrals { return &Deferrals{limit: int64(limit)} }

// Count returns how many Deferrals have been made and not been used.
func (d *Deferrals) Count() int { return int(d.n.Load()) }

func (d *Deferrals) add() bool {
	if d.n.Add(1) > d.limit {
		d.n.Add(-1)
		return false
	}
	return true
}
