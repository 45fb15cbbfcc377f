package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Options configures a Handler. The zero value of each field means its default.
type Options struct {
	// Workers is how many calls run at once; default 256. Workers are started as they are needed and then kept.
	Workers int

	// Queue is how many calls may wait for a worker; default 100 for each worker. A call that finds the queue full is
	// refused with ResourceExhausted.
	Queue int

	// Authorize, if not nil, decides about every call before its arguments are decoded.
	Authorize rpc.Authorizer

	// Logger gets the stack of a handler that panicked; default slog.Default.
	Logger *slog.Logger
}

const (
	defaultWorkers        = 256
	defaultQueuePerWorker = 100
)

func (o *Options) applyDefaultsAndValidate() error {
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	if o.Queue == 0 {
		o.Queue = defaultQueuePerWorker * o.Workers
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Workers < 0 || o.Queue < 0 {
		return fmt.Errorf("handler: %d workers and a queue of %d: neither may be negative", o.Workers, o.Queue)
	}
	return nil
}

// Handler is the stage between reader and responder. Its methods may be called concurrently.
type Handler struct {
	registry *rpc.Registry // read-only by now
	opts     Options
	ended    chan struct{} // closed when Close has begun and the last worker has ended
	once     sync.Once     // for ended

	mu      sync.Mutex
	queue   queue
	idle    []*worker // parked workers; the last one parked is the first to run again, its caches are warm
	started int       // workers that there are
	waking  bool      // a worker has been woken and has not looked at the queue yet
	closed  bool
}

// worker is one goroutine that runs calls.
type worker struct {
	wake    chan struct{} // buffered, 1: a wake-up is never lost and never waits
	decoder *codec.Decoder
}

// New returns a Handler that looks for names in registry, which must not change any more.
func New(registry *rpc.Registry, opts Options) (*Handler, error) {
	if err := opts.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	return &Handler{registry: registry, opts: opts, ended: make(chan struct{}), queue: queue{bound: opts.Queue}}, nil
}

// Dispatch queues calls in order and returns at once. What finds no room is answered with ResourceExhausted, and with
// Unavailable after Close, from here. calls is not kept.
func (h *Handler) Dispatch(calls []*rpc.Call) {
	h.mu.Lock()
	closed, taken := h.closed, 0
	if !closed {
		for taken < len(calls) && h.queue.push(calls[taken]) {
			taken++
		}
		h.wakeLocked()
	}
	h.mu.Unlock()
	for _, c := range calls[taken:] {
		if closed {
			refuse(c, rpc.Unavailable, "the server is shutting down")
		} else {
			refuse(c, rpc.ResourceExhausted, "the server is busy: its call queue is full")
		}
	}
}

// wakeLocked gets one more worker going if there is work for it. Only one wake-up is on its way at a time: the woken
// worker wakes the next when it has taken its call. So a burst of short calls is run by the few workers that are awake,
// and a burst of long ones still ends up with a worker each.
func (h *Handler) wakeLocked() {
	if h.waking || h.queue.n == 0 {
		return
	}
	if n := len(h.idle); n > 0 {
		w := h.idle[n-1]
		h.idle = h.idle[:n-1]
		h.waking = true
		w.wake <- struct{}{}
	} else if h.started < h.opts.Workers {
		h.started++
		h.waking = true
		w := &worker{wake: make(chan struct{}, 1), decoder: codec.NewDecoder(codec.Binary, nil)}
		w.wake <- struct{}{}
		go h.work(w) // Close waits for it
	}
}

// work runs calls until Close.
func (h *Handler) work(w *worker) {
	done := false
	defer func() {
		if !done { // an implementation has ended this goroutine; the worker goes on in another
			w.wake <- struct{}{}
			go h.work(w)
		}
	}()
	for {
		<-w.wake
		h.mu.Lock()
		h.waking = false
		for c := h.queue.pop(); c != nil; c = h.queue.pop() {
			h.wakeLocked()
			h.mu.Unlock()
			h.run(w, c)
			h.mu.Lock()
		}
		if h.closed {
			h.started--
			h.endLocked()
			h.mu.Unlock()
			done = true
			return
		}
		h.idle = append(h.idle, w)
		h.mu.Unlock()
	}
}

// Close refuses calls dispatched from now on, runs what is queued, ends the workers and waits for them. If ctx ends first
// it returns how many workers there still are. It may be called again to go on waiting.
func (h *Handler) Close(ctx context.Context) (running int) {
	h.mu.Lock()
	h.closed = true
	for _, w := range h.idle {
		w.wake <- struct{}{}
	}
	h.idle = nil
	h.endLocked()
	h.mu.Unlock()
	select {
	case <-h.ended:
		return 0
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.started
}

// endLocked reports the end of the last worker.
func (h *Handler) endLocked() {
	if h.closed && h.started == 0 {
		h.once.Do(func() { close(h.ended) })
	}
}

// refuse answers a call that no implementation has seen.
func refuse(c *rpc.Call, code rpc.Code, message string) {
	c.Replier.Reply(c, rpc.Reply{Err: refusal(code, message)})
}

// refusal returns the error of a call that no implementation has seen.
func refusal(code rpc.Code, message string) *rpc.Error {
	return &rpc.Error{Code: code, Message: message, Execution: rpc.NotExecuted}
}

// run takes one call from its bytes to its reply. Whatever user code does, short of ending the process, the call gets
// one: generated code and implementations may panic, and even end the goroutine, as testing's FailNow does.
func (h *Handler) run(w *worker, c *rpc.Call) {
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
		c.Replier.Reply(c, rpc.Reply{Err: err})
	}()
	args, refusal := h.open(w, c)
	var reply rpc.Reply
	if refusal != nil {
		reply.Err = refusal
	} else {
		invoked = true
		reply = execute(c, args)
	}
	returned = true
	c.Replier.Reply(c, reply)
}

// methodName returns the name that logs have for c's method.
func methodName(c *rpc.Call) string {
	if c.Handler != nil {
		return c.Handler.Method.FullName
	}
	return c.Name
}

// open decodes c's arguments, or says why the call is not to be executed.
func (h *Handler) open(w *worker, c *rpc.Call) (codec.Decodable, *rpc.Error) {
	switch c.Context().Err() {
	case context.DeadlineExceeded:
		return nil, refusal(rpc.DeadlineExceeded, fmt.Sprintf("the deadline passed while the call was queued for %v", time.Since(c.Received).Round(time.Microsecond)))
	case context.Canceled:
		return nil, refusal(rpc.Canceled, "the caller canceled while the call was queued")
	}
	named := c.Handler != nil
	if named { // else the name is inside of what Open unpacks
		if err := h.authorize(c); err != nil {
			return nil, err
		}
	}
	if err := c.Dialect.Open(c); err != nil {
		e := asError(err)
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
	args := c.Handler.NewArgs()
	w.decoder.ResetShared(c.Encoding, c.Body)
	args.DecodeThrift(w.decoder)
	err := w.decoder.Err()
	w.decoder.Reset(codec.Binary, nil) // an idle worker must not keep the last call's bytes alive
	if err != nil {
		return nil, refusal(rpc.InvalidArgument, "arguments: "+err.Error())
	}
	return args, nil
}

// execute calls the implementation and turns what it returns into a reply.
func execute(c *rpc.Call, args codec.Decodable) rpc.Reply {
	result, err := c.Handler.Invoke(c.Context(), args)
	if err != nil && result == nil {
		return rpc.Reply{Err: asError(err)}
	}
	return rpc.Reply{Result: result}
}

// asError returns what the caller is told of a handler's error: its code and text.
func asError(err error) *rpc.Error {
	code, message := rpc.CodeOf(err), err.Error()
	if e, ok := err.(*rpc.Error); ok {
		message = e.Message
	}
	return &rpc.Error{Code: code, Message: message, Execution: rpc.Executed}
}
