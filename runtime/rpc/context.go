package rpc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// callContext is the context that a handler gets. It costs nothing until somebody asks for Done: the channel and the
// timer are made then, because most handlers never look.
type callContext struct {
	call  *Call
	ended atomic.Bool // err is set

	mu    sync.Mutex
	done  chan struct{} // made by the first Done
	err   error         // set once
	timer *time.Timer
	after map[*afterFunc]struct{}
	reply *Metadata // made by the first SetReplyMetadata
}

type afterFunc struct{ f func() }

// closedChan is the Done of a context that had ended before anybody asked.
var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Context returns the context of the call: it ends at the call's deadline, when the caller cancels, and when the call
// has been answered. CallFrom finds the call in it.
func (c *Call) Context() context.Context {
	if c.ctx.call == nil { // later calls come from several goroutines: a deferral's, the handler stage's
		c.ctx.call = c
	}
	return &c.ctx
}

// Cancel ends the call's context with err: context.Canceled, or context.DeadlineExceeded. Only the first call counts.
func (c *Call) Cancel(err error) { c.ctx.end(err) }

func (x *callContext) end(err error) {
	x.mu.Lock()
	if x.err != nil {
		x.mu.Unlock()
		return
	}
	x.err = err
	x.ended.Store(true)
	if x.timer != nil {
		x.timer.Stop()
	}
	if x.done != nil {
		close(x.done)
	}
	after := x.after
	x.after = nil
	x.mu.Unlock()
	for a := range after {
		go a.f() // as the context package does: AfterFunc runs f in its own goroutine
	}
}

// Deadline implements context.Context.
func (x *callContext) Deadline() (time.Time, bool) {
	return x.call.Deadline, !x.call.Deadline.IsZero()
}

// Done implements context.Context.
func (x *callContext) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done == nil {
		if x.err != nil {
			x.done = closedChan
			return x.done
		}
		x.done = make(chan struct{})
		x.armLocked()
	}
	return x.done
}

// armLocked starts the deadline's timer, once somebody can notice it.
func (x *callContext) armLocked() {
	if x.timer == nil && !x.call.Deadline.IsZero() {
		x.timer = time.AfterFunc(time.Until(x.call.Deadline), func() { x.end(context.DeadlineExceeded) })
	}
}

// Err implements context.Context. A deadline counts from the moment it passes, armed or not.
func (x *callContext) Err() error {
	x.mu.Lock()
	err := x.err
	x.mu.Unlock()
	if err == nil && !x.call.Deadline.IsZero() && !time.Now().Before(x.call.Deadline) {
		x.end(context.DeadlineExceeded)
		x.mu.Lock()
		err = x.err
		x.mu.Unlock()
	}
	return err
}

type callKey struct{}

// Value implements context.Context.
func (x *callContext) Value(key any) any {
	if _, ok := key.(callKey); ok {
		return x.call
	}
	return nil
}

// AfterFunc lets the context package derive contexts from this one without a goroutine for each.
func (x *callContext) AfterFunc(f func()) (stop func() bool) {
	a := &afterFunc{f}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		go f()
		return func() bool { return false }
	}
	if x.after == nil {
		x.after = make(map[*afterFunc]struct{})
	}
	x.after[a] = struct{}{}
	x.armLocked()
	return func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		_, ok := x.after[a]
		delete(x.after, a)
		return ok
	}
}

// CallFrom returns the call that a handler's context belongs to, nil if it belongs to none. It is valid until the
// handler returns.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}
