package handler

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Stream calls do not go through the queue, because they are not run by workers: one that waits for its peer would hold
// a worker for as long. Each has a goroutine, and there is a bound on those.

// admitStreamLocked starts a stream call, or says why it cannot be. It looks at the call's header alone.
func (h *Handler) admitStreamLocked(it item, name string) *rpc.Error {
	switch {
	case h.closed:
		return refusal(rpc.Unavailable, "the server is shutting down")
	case h.streams >= h.opts.MaxStreams:
		h.counts.backoff++
		return h.overload.tooBusy(fmt.Sprintf("the server is busy: %d streams are open", h.streams))
	}
	if h.callers != nil {
		h.callers.advance(h.now())
		if it.caller = h.callers.enter(name); it.caller == nil {
			h.counts.callerLimit++
			return rpc.Busy(fmt.Sprintf("the server is busy: %d calls of this caller are in flight", h.callers.o.MaxPerCaller))
		}
	}
	h.streams++
	h.streaming++
	go h.runStream(it) // Close waits for it
	return nil
}

// runStream takes one stream call from its bytes to its reply, which it gets whatever user code does; see run.
func (h *Handler) runStream(it item) {
	c := it.call
	start := h.now()
	c.Queue = max(0, start.Sub(c.Received))
	w := &worker{decoder: codec.NewDecoder(codec.Binary, nil), now: start}
	invoked, returned := false, false
	defer func() {
		if returned {
			return
		}
		p := recover()
		err := &rpc.Error{Code: rpc.Internal, Message: "the handler panicked", Execution: rpc.Executed}
		switch {
		case !invoked:
			err.Message, err.Execution = "decoding the arguments panicked", rpc.NotExecuted
		case p == nil:
			err.Message = "the handler ended its goroutine"
		}
		h.opts.Logger.Error("handler: "+err.Message, "method", methodName(c), "panic", p, "stack", string(debug.Stack()))
		h.concludeStream(it, start, outcomeFailure, rpc.Reply{Err: err})
	}()
	args, refusal := h.open(w, c)
	reply := rpc.Reply{Err: refusal}
	if refusal == nil {
		invoked = true
		result, err := h.serveStream(c.Context(), c.Handler.Method, args, c.Stream)
		if err != nil && result == nil {
			reply.Err = rpc.ReplyError(err)
		} else {
			reply.Result = result
		}
	}
	returned = true
	if w.outcome == 0 {
		w.outcome = outcomeOf(reply)
	}
	h.concludeStream(it, start, w.outcome, reply)
}

// serveStream is the innermost rpc.StreamServerHandler.
func serveStream(ctx context.Context, m *rpc.Method, args codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
	c := rpc.CallFrom(ctx)
	if c == nil {
		return nil, rpc.Errorf(rpc.Internal, "%s: an interceptor has replaced the call's context", m.FullName)
	}
	return c.Handler.Open(ctx, args, s)
}

// concludeStream answers a stream call. Its places are free before its caller can know. What a stream costs is not
// booked on its caller: how long it lasts says nothing about the load that it is.
func (h *Handler) concludeStream(it item, start time.Time, o outcome, reply rpc.Reply) {
	c := it.call
	c.Processing = h.now().Sub(start)
	if err := reply.Err; err != nil && err.Code == rpc.DeadlineExceeded {
		err.Stages = rpc.Stages{ServerQueue: c.Queue}
		if err.Execution != rpc.NotExecuted {
			err.Stages.Handler = c.Processing
		}
	}
	h.mu.Lock()
	h.streams--
	h.counts.count(o)
	if it.caller != nil {
		it.caller.leave()
	}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.streaming--
		h.endLocked()
		h.mu.Unlock()
	}()
	c.Replier.Reply(c, reply)
}
