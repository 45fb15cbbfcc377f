package handler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// refusal returns the error of a call that no implementation has seen.
func refusal(code rpc.Code, message string) *rpc.Error {
	return &rpc.Error{Code: code, Message: message, Execution: rpc.NotExecuted}
}

// run takes one call from its bytes to its reply. Whatever user code does, short of ending the process, the call gets
// one: generated code and implementations may panic, and even end the goroutine, as testing's FailNow does.
func (h *Handler) run(w *worker) {
	c := w.item.call
	invoked, returned := false, false
	defer func() {
		if returned {
			return
		}
		p := recover()
		w.decoder = codec.NewDecoder(codec.Binary, nil) // the old one may be in the middle of something
		err := &rpc.Error{Code: rpc.Internal, Message: "the handler panicked", Execution: rpc.Executed}
		switch {
		case !invoked:
			err.Message, err.Execution = "decoding the arguments panicked", rpc.NotExecuted
		case p == nil:
			err.Message = "the handler ended its goroutine"
		}
		// What the panic says may hold secrets; it stays in the log.
		h.opts.Logger.Error("handler: "+err.Message, "method", methodName(c), "panic", p, "stack", string(debug.Stack()))
		h.conclude(w, rpc.Reply{Err: err}, false)
	}()
	args, refusal := h.open(w, c)
	var reply rpc.Reply
	deferred := false
	if refusal != nil {
		reply.Err = refusal
	} else {
		invoked = true
		c.Deferrals = h.deferrals
		if !c.Deadline.IsZero() {
			w.method = c.Handler.Method
		}
		reply, deferred = h.execute(c, args)
	}
	returned = true
	h.conclude(w, reply, deferred)
}

// conclude ends a worker's part in its call. If the call is deferred, its reply is yet to come.
func (h *Handler) conclude(w *worker, reply rpc.Reply, deferred bool) {
	it := &w.item
	if w.timed {
		now := h.now()
		w.usage.Handler, w.now = now.Sub(w.now), now
	}
	if d := it.call.TakeDeferral(); d != nil {
		w.outcome = outcomeDeferred
		h.park(d, *it, w.usage)
		switch {
		case deferred:
		case reply.Err != nil: // as the implementation wanted before it changed its mind
			d.Fail(reply.Err)
		default:
			d.Reply(reply.Result)
		}
		return
	}
	if deferred {
		reply.Err = &rpc.Error{Code: rpc.Internal, Message: "the handler returned rpc.ErrDeferred without rpc.Defer", Execution: rpc.Executed}
	}
	if w.outcome == 0 {
		w.outcome = outcomeOf(reply)
	}
	if reply.Err == nil && !it.kept && it.caller == nil { // nothing else to be done, as a rule
		it.call.Queue, it.call.Processing = w.usage.Queue, w.usage.Handler
		it.call.Replier.Reply(it.call, reply)
		return
	}
	h.answer(*it, reply, w.usage)
}

// answer gives a call its reply. Its places are free before its caller can know.
func (h *Handler) answer(it item, reply rpc.Reply, u Usage) {
	c := it.call
	c.Queue, c.Processing = u.Queue, u.Handler+u.Deferred
	if err := reply.Err; err != nil && err.Code == rpc.DeadlineExceeded {
		err.Stages = rpc.Stages{ServerQueue: u.Queue}
		if err.Execution != rpc.NotExecuted {
			err.Stages.Handler = u.Handler + u.Deferred
		}
	}
	if it.kept {
		reply = h.keep(c, reply)
	}
	if it.caller != nil {
		cost := h.cost(it, u)
		h.mu.Lock()
		others := it.others
		if it.loads {
			it.caller.end()
			others = others || h.queued > it.caller.queued
		}
		it.caller.book(cost, it.level, u.Queue+u.Handler+u.Deferred, others)
		it.caller.leave()
		h.mu.Unlock()
	}
	c.Replier.Reply(c, reply)
}

// cost asks the settings under which the call came what it counts.
func (h *Handler) cost(it item, u Usage) (cost int64) {
	defer func() {
		if p := recover(); p != nil {
			h.opts.Logger.Error("handler: the cost function panicked", "method", methodName(it.call), "panic", p, "stack", string(debug.Stack()))
			cost = 1
		}
	}()
	var m *rpc.Method
	if it.call.Handler != nil {
		m = it.call.Handler.Method
	}
	return max(0, it.caller.table.o.Cost(m, u))
}

// methodName returns the name that logs have for c's method.
func methodName(c *rpc.Call) string {
	if c.Handler != nil {
		return c.Handler.Method.FullName
	}
	return c.Name
}

// overdue returns the error of a call whose caller has stopped waiting while it was queued; nil if it has not.
func overdue(c *rpc.Call, now time.Time) *rpc.Error {
	switch c.Ended(now) {
	case context.DeadlineExceeded:
		queued := now.Sub(c.Received)
		err := refusal(rpc.DeadlineExceeded, fmt.Sprintf("the deadline passed while the call was queued for %v", queued.Round(time.Microsecond)))
		err.Stages.ServerQueue = queued
		return err
	case context.Canceled:
		return refusal(rpc.Canceled, "the caller canceled while the call was queued")
	}
	return nil
}

// open decodes c's arguments, or says why the call is not to be executed.
func (h *Handler) open(w *worker, c *rpc.Call) (codec.Decodable, *rpc.Error) {
	if err := overdue(c, w.now); err != nil {
		w.outcome = outcomeExpired
		if err.Code == rpc.Canceled {
			w.outcome = outcomeCanceled
		}
		return nil, err
	}
	if w.hopeless {
		w.outcome = outcomeShed
		return nil, rpc.Busy(fmt.Sprintf("the server is busy: after %v in its queue the call has too little time left", w.usage.Queue.Round(time.Microsecond)))
	}
	named := c.Handler != nil
	if named { // else the name is inside of what Open unpacks
		if err := h.authorize(c); err != nil {
			return nil, err
		}
	}
	if err := c.Dialect.Open(c); err != nil {
		e := rpc.ReplyError(err)
		if !errors.As(err, new(*rpc.Error)) {
			e.Code = rpc.InvalidArgument
		}
		return nil, refusal(e.Code, e.Message)
	}
	if c.Handler == nil {
		target, err := h.registry.LookupThrift(c.Name)
		if err != nil {
			return nil, refusal(rpc.Unimplemented, err.Error())
		}
		c.Handler = target
	}
	if !named {
		if err := h.authorize(c); err != nil {
			return nil, err
		}
	}
	if (c.Handler.Open != nil) != (c.Stream != nil) {
		return nil, refusal(rpc.Unimplemented, c.Handler.Method.StreamMismatch())
	}
	args := c.Handler.NewArgs()
	w.decoder.ResetShared(c.Encoding, c.Body)
	w.decoder.SetAllocFactor(h.opts.AllocFactor)
	args.DecodeThrift(w.decoder)
	err := w.decoder.Err()
	if err != nil {
		return nil, refusal(rpc.InvalidArgument, "arguments: "+err.Error())
	}
	return args, nil
}

// execute calls the implementation and turns what it returns into a reply, unless that is to come later.
func (h *Handler) execute(c *rpc.Call, args codec.Decodable) (reply rpc.Reply, deferred bool) {
	var result codec.Encodable
	var err error
	if h.serve == nil {
		result, err = c.Handler.Invoke(c.Context(), args)
	} else {
		result, err = h.serve(c.Context(), c.Handler.Method, args)
	}
	if err != nil && result == nil {
		if errors.Is(err, rpc.ErrDeferred) {
			return rpc.Reply{}, true
		}
		return rpc.Reply{Err: rpc.ReplyError(err)}, false
	}
	return rpc.Reply{Result: result}, false
}

// serve is the innermost rpc.ServerHandler.
func serve(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
	c := rpc.CallFrom(ctx)
	if c == nil {
		return nil, rpc.Errorf(rpc.Internal, "%s: an interceptor has replaced the call's context", m.FullName)
	}
	return c.Handler.Invoke(ctx, args)
}
