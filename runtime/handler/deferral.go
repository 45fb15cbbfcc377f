package handler

import (
	"context"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// deferral is a call whose implementation has returned and whose reply is yet to come.
type deferral struct {
	item  item
	usage Usage
	since time.Time   // when the implementation returned
	stop  func() bool // ends the watch on the call's context
}

// park keeps a call until its Deferral is used or its context ends; either may have happened already.
func (h *Handler) park(d *rpc.Deferral, it item, u Usage) {
	p := &deferral{item: it, usage: u, since: h.now()}
	ctx := it.call.Context()
	p.stop = context.AfterFunc(ctx, func() { d.End(rpc.Reply{Err: unanswered(ctx.Err())}) })
	h.mu.Lock()
	h.deferred[d] = p
	if c := it.caller; c != nil {
		c.end() // the worker is free
		p.item.loads = false
		p.item.others = p.item.others || h.queued > c.queued
	}
	cut := h.cut
	h.mu.Unlock()
	d.Attach(func(r rpc.Reply) { h.unpark(d, p, r) })
	if cut {
		d.End(rpc.Reply{Err: unavailable()})
	}
}

// unanswered returns the error of a deferred call whose context has ended.
func unanswered(cause error) *rpc.Error {
	err := &rpc.Error{Code: rpc.Canceled, Message: "the caller canceled before the deferred reply came"}
	if cause == context.DeadlineExceeded {
		err.Code, err.Message = rpc.DeadlineExceeded, "the deadline passed before the deferred reply came"
	}
	return err
}

// unavailable returns the error of a call that the server cannot wait for any more.
func unavailable() *rpc.Error {
	return &rpc.Error{Code: rpc.Unavailable, Message: "the server is shutting down"}
}

// unpark answers a call that was deferred. Close goes on waiting until the reply has been handed over.
func (h *Handler) unpark(d *rpc.Deferral, p *deferral, r rpc.Reply) {
	p.stop()
	p.usage.Deferred = h.now().Sub(p.since)
	h.answer(p.item, r, p.usage)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.deferred, d)
	h.counts.deferredTime.add(p.usage.Deferred)
	h.counts.end(outcomeOf(r))
	h.endLocked()
}

// cutOff ends deferred calls, and attempts that wait for another one's outcome.
func (h *Handler) cutOff() {
	h.mu.Lock()
	h.cut = true
	deferred := make([]*rpc.Deferral, 0, len(h.deferred))
	for d := range h.deferred {
		deferred = append(deferred, d)
	}
	var waiters []*waiter
	if h.retries != nil {
		waiters = h.retries.drain()
	}
	h.mu.Unlock()
	for _, d := range deferred {
		d.End(rpc.Reply{Err: unavailable()})
	}
	for _, w := range waiters {
		w.stop()
		w.call.Replier.Reply(w.call, rpc.Reply{Err: unavailable()})
	}
}
