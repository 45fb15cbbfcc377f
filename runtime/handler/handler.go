package handler

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Handler is the stage between reader and responder. Its methods may be called concurrently.
type Handler struct {
	registry    *rpc.Registry // read-only by now
	opts        Options       // but Queue and Overload, which Reconfigure replaces
	deferrals   *rpc.Deferrals
	serve       rpc.ServerHandler        // with its interceptors; nil if there are none
	serveStream rpc.StreamServerHandler  // with its interceptors
	identity    atomic.Pointer[Identity] // nil while callers are not told apart
	base        time.Time                // for now
	inlines     inlines
	maxInline   int
	ended       chan struct{} // closed when Close has begun and the last call has ended
	once        sync.Once     // for ended

	mu        sync.Mutex
	overload  *Overload // in force; never changed
	queue     callQueue
	old       []callQueue // what was queued when the settings changed; goes first
	queued    int         // in all of them
	callers   *callers    // nil while callers are not told apart
	shedder   shedder
	retries   *retryCache                 // nil if there is none
	deferred  map[*rpc.Deferral]*deferral // whose implementations have returned
	counts    counters
	idle      []*worker // parked workers; the last one parked is the first to run again, its caches are warm
	started   int       // workers that there are
	busy      int       // workers that run a call
	streams   int       // stream calls that have not been answered
	streaming int       // their goroutines
	inlining  int       // goroutines that run calls which they dispatch
	spare     []*worker // for those
	waking    bool      // a worker has been woken and has not looked at the queue yet
	closed    bool
	cut       bool // deferred calls are not waited for any more
}

// worker is one goroutine that runs calls.
type worker struct {
	wake    chan struct{} // buffered, 1: a wake-up is never lost and never waits
	decoder *codec.Decoder

	// now is when the call in hand was taken, and later when it was done, if it is timed; zero after a call that was not.
	now   time.Time
	count uint // of calls taken

	lone   int // how often in a row it was woken for one call, while there was no other, nor a stream
	window busypoll.Window

	batch []*rpc.Call // to be run inline
	begun int         // of them

	// Of the call in hand.
	item     item
	timed    bool
	usage    Usage
	hopeless bool        // it is not worth starting
	method   *rpc.Method // if it was executed and has a deadline
	outcome  outcome
}

// New returns a Handler that looks for names in registry, which must not change any more.
func New(registry *rpc.Registry, opts Options) (*Handler, error) {
	if err := opts.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	h := &Handler{
		registry:    registry,
		opts:        opts,
		deferrals:   rpc.NewDeferrals(opts.MaxDeferred),
		base:        time.Now(),
		maxInline:   runtime.GOMAXPROCS(0),
		serveStream: rpc.ChainStreamServer(serveStream, opts.StreamInterceptors...),
		ended:       make(chan struct{}),
		deferred:    make(map[*rpc.Deferral]*deferral),
	}
	var err error
	if h.inlines, err = newInlines(registry, opts.Inline); err != nil {
		return nil, err
	}
	if len(opts.Interceptors) > 0 {
		h.serve = rpc.ChainServer(serve, opts.Interceptors...)
	}
	h.configureLocked(opts.Queue, &opts.Overload, time.Now()) // nobody else has h yet
	if opts.Retries.Bytes > 0 {
		h.retries = newRetryCache(opts.Retries.Bytes, opts.Retries.Age)
		if s := opts.Retries.Store; s != nil {
			if err := s.Load(h.RestoreRetry); err != nil {
				return nil, fmt.Errorf("handler: loading outcomes of earlier calls: %w", err)
			}
		}
	}
	return h, nil
}

// Reconfigure changes how many calls may be queued (0 for the default) and all the rest about the queue. Calls that are
// queued stay, and run before those that come from now on. What is known about callers is forgotten.
func (h *Handler) Reconfigure(queue int, o Overload) error {
	opts := Options{Workers: h.opts.Workers, Queue: queue, Overload: o}
	if err := opts.applyDefaultsAndValidate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.configureLocked(opts.Queue, &opts.Overload, time.Now())
	return nil
}

func (h *Handler) configureLocked(capacity int, o *Overload, now time.Time) {
	if h.queue != nil && h.queue.size() > 0 {
		h.old = append(h.old, h.queue)
	}
	h.overload, h.queue, h.callers = o, o.newQueue(capacity), nil
	if o.counts() {
		h.callers = newCallers(o, now)
		h.identity.Store(&o.Identity)
	} else {
		h.identity.Store(nil)
	}
}

// Dispatch queues calls in order and returns at once. What finds no room is answered with ResourceExhausted, and with
// Unavailable after Close, from here; so are calls of which the retry cache knows the outcome. calls is not kept. Calls of
// inline methods may be run before Dispatch returns.
func (h *Handler) Dispatch(calls []*rpc.Call) {
	names := h.identify(calls)
	var out answers
	h.mu.Lock()
	h.counts.requests += uint64(len(calls))
	fifo, _ := h.queue.(*queue)
	if h.closed || h.callers != nil {
		fifo = nil
	}
	may := h.mayInlineLocked()
	var inline *worker
	for i, c := range calls {
		if may && h.inlinesLocked(c) {
			if inline == nil {
				inline = h.inlinerLocked()
			}
			inline.batch = append(inline.batch, c)
			continue
		}
		once := c.Handler != nil && c.Handler.Method.Retry == rpc.RetryAtMostOnce
		if fifo != nil && c.Stream == nil && !once && fifo.push(item{call: c}) { // nothing to be decided, as a rule
			h.queued++
			continue
		}
		name := ""
		if names != nil {
			name = names[i]
		}
		if c.Stream != nil {
			if err := h.admitStreamLocked(item{call: c}, name); err != nil {
				out.add(c, rpc.Reply{Err: err})
			}
		} else if once {
			h.tryLocked(c, name, &out)
		} else if err := h.acceptLocked(item{call: c}, name, &out); err != nil {
			out.add(c, rpc.Reply{Err: err})
		}
	}
	w := h.wakeLocked()
	h.mu.Unlock()
	w.signal()
	out.send()
	if inline != nil {
		h.runInline(inline)
	}
}

// identify returns the names of the calls' callers; nil while they are not told apart. That is the user's code, so no
// lock is held.
func (h *Handler) identify(calls []*rpc.Call) []string {
	identity := h.identity.Load()
	if identity == nil {
		return nil
	}
	names := make([]string, len(calls))
	for i, c := range calls {
		names[i] = (*identity)(c)
	}
	return names
}

// answers are replies that wait for the lock to be released.
type answers []answer

type answer struct {
	call  *rpc.Call
	reply rpc.Reply
}

func (a *answers) add(c *rpc.Call, r rpc.Reply) { *a = append(*a, answer{c, r}) }

func (a answers) send() {
	for _, x := range a {
		x.call.Replier.Reply(x.call, x.reply)
	}
}

// acceptLocked is admitLocked for a call that comes now.
func (h *Handler) acceptLocked(it item, name string, out *answers) *rpc.Error {
	if h.closed {
		return refusal(rpc.Unavailable, "the server is shutting down")
	}
	return h.admitLocked(it, name, out)
}

// admitLocked queues a call, or says why it cannot be. It looks at the call's header alone. out is for calls that have
// to make room; nil if none shall.
func (h *Handler) admitLocked(it item, name string, out *answers) *rpc.Error {
	if t := h.callers; t != nil {
		t.advance(h.now())
		if it.caller = t.enter(name); it.caller == nil {
			h.counts.callerLimit++
			return rpc.Busy(fmt.Sprintf("the server is busy: %d calls of this caller are in flight", t.o.MaxPerCaller))
		}
		it.caller.begin()
		it.loads = true
		it.level = uint8(it.caller.urgency(priority(it.call)))
		if t.backOff(int(it.level)) {
			it.withdraw()
			h.counts.backoff++
			return h.overload.tooBusy("the server is busy: calls take too long")
		}
	}
	room := h.queue.push(it)
	if !room && out != nil {
		if ended := h.dropEndedLocked(it.caller); len(ended) > 0 {
			*out = append(*out, ended...)
			room = h.queue.push(it)
		}
	}
	if !room {
		it.withdraw()
		h.counts.backoff++
		return h.overload.tooBusy("the server is busy: its call queue is full")
	}
	h.queued++
	return nil
}

// priority returns what the IDL says about a call's method, as far as that is known before the call is opened.
func priority(c *rpc.Call) rpc.Priority {
	if c.Handler == nil {
		return rpc.PriorityNormal
	}
	return c.Handler.Method.Priority
}

// tooBusy refuses a call for lack of room.
func (o *Overload) tooBusy(message string) *rpc.Error {
	if o.Failover {
		return rpc.Standby(message)
	}
	return rpc.Busy(message)
}

// maxDrops bounds the work that one refused call may cause on an event loop.
const maxDrops = 64

// dropEndedLocked makes room in a queue that is full, or full of calls of one caller: it ends calls at its front whose
// callers do not wait any more, and returns their replies. Those of caller of are looked at in any case.
func (h *Handler) dropEndedLocked(of *caller) (out answers) {
	drops, now := 0, h.now()
	var kept []item
	h.queue.heads(of, func(it item) bool {
		err := overdue(it.call, now)
		if err == nil || drops == maxDrops {
			return false
		}
		drops++
		if err.Code == rpc.DeadlineExceeded {
			h.counts.expired++
		} else {
			h.counts.canceled++
		}
		it.withdraw()
		if it.kept {
			kept = append(kept, it)
		}
		out.add(it.call, rpc.Reply{Err: err})
		return true
	})
	h.queued -= drops
	for _, it := range kept {
		h.passOnLocked(keyOf(it.call), &out)
	}
	return out
}

// takeLocked gives w the call that is next, if there is one.
func (h *Handler) takeLocked(w *worker) bool {
	if h.queued == 0 {
		return false
	}
	h.queued--
	h.busy++
	w.count++
	for len(h.old) > 0 && h.old[0].size() == 0 {
		h.old = h.old[1:]
	}
	if len(h.old) > 0 {
		w.item, _ = h.old[0].pop()
	} else if q, ok := h.queue.(*queue); ok { // so that the common case needs no call
		w.item, _ = q.pop()
	} else {
		w.item, _ = h.queue.pop()
	}
	if c := w.item.caller; c != nil {
		w.item.others = h.queued > c.queued
	}
	w.hopeless, w.method, w.outcome = false, nil, 0
	w.timed = h.opts.Exact || w.item.caller != nil || !w.item.call.Deadline.IsZero() || w.count%sample == 0
	if w.timed {
		h.clockLocked(w)
	} else if !w.now.IsZero() {
		w.now, w.usage = time.Time{}, Usage{}
	}
	return true
}

// wakeLocked returns one more worker if there is work for it; signal, without the lock, gets it going. Only one wake-up is
// on its way at a time: the woken worker wakes the next when it has taken its call. So a burst of short calls is run by
// the few workers that are awake, and a burst of long ones still ends up with a worker each.
func (h *Handler) wakeLocked() *worker {
	if h.waking || h.queued == 0 {
		return nil
	}
	if n := len(h.idle); n > 0 {
		w := h.idle[n-1]
		h.idle = h.idle[:n-1]
		h.waking = true
		return w
	}
	if h.started == h.opts.Workers {
		return nil
	}
	h.started++
	h.waking = true
	w := &worker{wake: make(chan struct{}, 1), decoder: codec.NewDecoder(codec.Binary, nil)}
	w.window.Most = max(0, h.opts.BusyPoll)
	go h.work(w) // Close waits for it
	return w
}

// signal wakes w, if it is not nil. It may take a system call.
func (w *worker) signal() {
	if w != nil {
		w.wake <- struct{}{}
	}
}

// work runs calls until Close.
func (h *Handler) work(w *worker) {
	done := false
	defer func() {
		if !done { // an implementation has ended this goroutine; the worker goes on in another
			h.mu.Lock()
			h.bookLocked(w)
			h.mu.Unlock()
			w.wake <- struct{}{}
			go h.work(w)
		}
	}()
	for {
		w.wait()
		w.now, w.usage = time.Time{}, Usage{}
		h.mu.Lock()
		h.waking = false
		before := w.count
		for h.takeLocked(w) {
			next := h.wakeLocked()
			h.mu.Unlock()
			next.signal()
			h.run(w)
			h.mu.Lock()
			h.bookLocked(w)
		}
		if w.count == before+1 && h.busy == 0 && h.streams == 0 {
			w.lone++
		} else {
			w.lone = 0
		}
		w.item = item{} // an idle worker must not keep the last call alive, nor its bytes
		w.decoder.Reset(codec.Binary, nil)
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

// sample is how many calls share one look at the clock, where nothing but the statistics needs the time.
const sample = 64

// clockLocked notes how long the call that w has taken was queued, and what that means.
func (h *Handler) clockLocked(w *worker) {
	c := w.item.call
	if w.now.IsZero() {
		w.now = h.now()
	}
	w.usage = Usage{}
	if !c.Received.IsZero() {
		w.usage.Queue = max(0, w.now.Sub(c.Received))
	}
	h.counts.queueTime.add(w.usage.Queue)
	if !h.overload.KeepLate {
		h.shedder.observe(w.usage.Queue, w.now)
		w.hopeless = h.shedder.hopeless(c, w.now)
	}
}

// now returns the time. It costs less than time.Now, which asks two clocks.
func (h *Handler) now() time.Time { return h.base.Add(time.Since(h.base)) }

// bookLocked notes that w is done with its call.
func (h *Handler) bookLocked(w *worker) {
	h.busy--
	h.counts.count(w.outcome)
	if w.timed && w.outcome <= outcomeDeferred {
		h.counts.processingTime.add(w.usage.Handler)
	}
	if w.method != nil {
		h.shedder.learn(w.method, w.usage.Handler)
	}
}

// Close refuses calls dispatched from now on, runs what is queued, ends the workers, and waits for them, for stream calls
// and for the answers to deferred calls. If ctx ends first, deferred calls are answered with Unavailable, and Close
// returns how many workers and stream calls there still are. It may be called again to go on waiting.
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
	h.cutOff()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endLocked()
	return h.started + h.streaming + h.inlining
}

// endLocked reports the end of the last call.
func (h *Handler) endLocked() {
	if h.closed && h.started == 0 && h.streaming == 0 && h.inlining == 0 && len(h.deferred) == 0 {
		h.once.Do(func() { close(h.ended) })
	}
}
