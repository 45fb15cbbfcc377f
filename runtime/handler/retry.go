package handler

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// keyOf returns the name that all attempts at a call share.
func keyOf(c *rpc.Call) retryKey { return retryKey{c.ClientID, c.Number} }

// tryLocked deals with an attempt at a call of an at-most-once method: it is queued, or waits for another attempt, or is
// answered through out.
func (h *Handler) tryLocked(c *rpc.Call, name string, out *answers) {
	if h.retries == nil || c.Number == 0 || c.ClientID == (rpc.ClientID{}) {
		if c.Retry > 0 { // nobody could tell whether it was executed before
			out.add(c, rpc.Reply{Err: rpc.NewError(rpc.FailedPrecondition, "a repeated at-most-once call that cannot be recognized")})
		} else if err := h.acceptLocked(item{call: c}, name, out); err != nil {
			out.add(c, rpc.Reply{Err: err})
		}
		return
	}
	id := RetryEntry{ClientID: c.ClientID, Number: c.Number, Method: c.Handler.Method.FullName}
	if c.Peer != nil && c.Peer.Identity.Kind != "" {
		id.Identity = c.Peer.Identity.String()
	}
	e, v := h.retries.begin(&id, h.now())
	var err *rpc.Error
	switch v {
	case verdictRun:
		if err = h.acceptLocked(item{call: c, kept: true}, name, out); err == nil {
			c.Detach()
			return
		}
		h.retries.next(keyOf(c)) // nobody can be waiting yet
	case verdictDone:
		out.add(c, replyOf(&e.outcome, c))
		return
	case verdictWait:
		if err = h.waitLocked(e, c, name); err == nil {
			return
		}
	case verdictFull:
		h.counts.backoff++
		err = h.overload.tooBusy("the server is busy: its retry cache is full")
	case verdictMismatch:
		err = refusal(rpc.InvalidArgument, fmt.Sprintf("call number %d was used for another call", c.Number))
	case verdictForgotten:
		err = rpc.NewError(rpc.Aborted, fmt.Sprintf("call number %d may have been executed; its outcome is not kept any more", c.Number))
	}
	out.add(c, rpc.Reply{Err: err})
}

// waitLocked makes an attempt wait for the outcome of e, within its own deadline and without a worker.
func (h *Handler) waitLocked(e *retryEntry, c *rpc.Call, name string) *rpc.Error {
	if h.cut {
		return unavailable()
	}
	w := &waiter{call: c, name: name}
	if !e.wait(w) {
		h.counts.backoff++
		return rpc.Busy(fmt.Sprintf("the server is busy: %d attempts at this call wait for its outcome", maxWaiters))
	}
	key := e.key()
	w.stop = context.AfterFunc(c.Context(), func() { h.giveUp(key, w) })
	return nil
}

// giveUp answers an attempt whose context has ended before the outcome was there.
func (h *Handler) giveUp(key retryKey, w *waiter) {
	h.mu.Lock()
	e := h.retries.entries[key]
	gone := e == nil || !e.unwait(w)
	h.mu.Unlock()
	if gone { // somebody else answers it
		return
	}
	err := &rpc.Error{Code: rpc.Canceled, Message: "canceled while an earlier attempt was running"}
	if w.call.Context().Err() == context.DeadlineExceeded {
		err.Code, err.Message = rpc.DeadlineExceeded, "the deadline passed while an earlier attempt was running"
		err.Stages.ServerQueue = h.now().Sub(w.call.Received)
	}
	w.call.Replier.Reply(w.call, rpc.Reply{Err: err})
}

// keep stores the outcome of an at-most-once call, and answers the attempts that wait for it. It returns what the call
// itself is answered with.
func (h *Handler) keep(c *rpc.Call, reply rpc.Reply) rpc.Reply {
	var out answers
	if reply.Err != nil && reply.Err.Execution == rpc.NotExecuted { // an attempt that never was
		h.mu.Lock()
		h.passOnLocked(keyOf(c), &out)
		w := h.wakeLocked()
		h.mu.Unlock()
		w.signal()
		out.send()
		return reply
	}
	o := h.record(c, reply)
	h.mu.Lock()
	waiters := h.retries.complete(o, o.Completed)
	h.mu.Unlock()
	for _, w := range waiters {
		w.stop()
		out.add(w.call, replyOf(o, w.call))
	}
	out.send()
	if o.Err != nil {
		return rpc.Reply{Err: o.Err}
	}
	return reply
}

// passOnLocked gives the place of an attempt that was not executed to one that waits. Close runs that one, too, as long
// as there are workers.
func (h *Handler) passOnLocked(key retryKey, out *answers) {
	for w := h.retries.next(key); w != nil; w = h.retries.next(key) {
		w.stop()
		err := unavailable()
		if !h.closed || h.started > 0 {
			err = h.admitLocked(item{call: w.call, kept: true}, w.name, nil)
		}
		if err == nil {
			w.call.Detach()
			return
		}
		out.add(w.call, rpc.Reply{Err: err})
	}
}

// record makes an entry of a call's reply: it encodes the result, and hands the entry to the store.
func (h *Handler) record(c *rpc.Call, reply rpc.Reply) (o *RetryEntry) {
	o = &RetryEntry{
		ClientID: c.ClientID, Number: c.Number, Method: c.Handler.Method.FullName,
		Completed: h.now(), Err: reply.Err, Metadata: c.ReplyMetadata(),
	}
	if c.Peer != nil && c.Peer.Identity.Kind != "" {
		o.Identity = c.Peer.Identity.String()
	}
	defer func() {
		if p := recover(); p != nil {
			h.opts.Logger.Error("handler: keeping an outcome panicked", "method", methodName(c), "panic", p, "stack", string(debug.Stack()))
			o.Result, o.Err = nil, lost("keeping the outcome panicked")
		}
	}()
	if reply.Result != nil {
		e := codec.NewEncoder(codec.Binary, nil)
		reply.Result.EncodeThrift(e)
		if err := e.Err(); err != nil {
			o.Err = lost("result: " + err.Error())
		} else {
			o.Result = e.Bytes()
		}
	}
	if s := h.opts.Retries.Store; s != nil {
		if err := s.Save(o); err != nil {
			h.opts.Logger.Error("handler: an outcome was not stored", "method", methodName(c), "error", err)
			changed := *o // the store may have kept o
			changed.Result, changed.Err = nil, lost("the outcome could not be stored")
			return &changed
		}
	}
	return o
}

// lost returns the error of a call that was executed, and whose outcome cannot be told.
func lost(message string) *rpc.Error {
	return &rpc.Error{Code: rpc.Internal, Message: message, Execution: rpc.Executed}
}

// replyOf returns the stored outcome as c's reply.
func replyOf(o *RetryEntry, c *rpc.Call) rpc.Reply {
	for k, v := range rpc.DecodeMetadata(o.Metadata).All() {
		rpc.SetReplyMetadata(c.Context(), k, v) // fits, as it did before
	}
	switch {
	case o.Err != nil:
		return rpc.Reply{Err: o.Err}
	case o.Result != nil:
		return rpc.Reply{Result: replay(o.Result)}
	}
	return rpc.Reply{}
}

// RestoreRetry adds the outcome of a call that another server has executed, or this one before it was restarted. A call
// that is known already keeps its outcome. e is kept and must not be changed.
func (h *Handler) RestoreRetry(e *RetryEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retries != nil {
		h.retries.restore(e, h.now())
	}
}
