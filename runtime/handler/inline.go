package handler

import (
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Handing a call to a worker costs more than a short call takes. A method that is said to be short may therefore be run
// where its calls are dispatched, which as a rule is the event loop of their connection: Options.Inline. That holds up
// all connections of the loop, so it is done only while nothing else waits, for a short time at once, and no longer for
// methods that turn out to be slow.

const (
	// inlineBudget is how long one Dispatch may run calls. Those that are left go to workers.
	inlineBudget = 200 * time.Microsecond

	// A run of a method that takes longer than inlineSlow counts inlineWeight against it, any other one is taken off.
	// From inlineLimit on, which takes eight in a row or one in sixteen for long, workers run the method for inlinePause.
	inlineSlow   = 50 * time.Microsecond
	inlineWeight = 16
	inlineLimit  = 8 * inlineWeight
	inlinePause  = time.Minute
)

// inlines are the methods that may be run where they are dispatched. The map is not changed; what it holds is guarded by
// Handler.mu.
type inlines map[*rpc.Method]*inline

// inline is what is known of one of them.
type inline struct {
	score int       // rises with slow runs
	until time.Time // workers run it until then
}

func newInlines(registry *rpc.Registry, names []string) (inlines, error) {
	m := make(inlines)
	for _, name := range names {
		target := registry.Lookup([]byte(name))
		switch {
		case target == nil:
			return nil, fmt.Errorf("handler: to be run inline: there is no method %s", name)
		case target.Open != nil || target.Method.Retry == rpc.RetryAtMostOnce:
			return nil, fmt.Errorf("handler: to be run inline: %s is a stream method, or an at-most-once one", name)
		}
		m[target.Method] = new(inline)
	}
	return m, nil
}

// note counts a run and reports whether it was one slow run too many.
func (x *inline) note(took time.Duration, now time.Time) bool {
	if took <= inlineSlow {
		x.score = max(0, x.score-1)
		return false
	}
	if x.score += inlineWeight; x.score < inlineLimit {
		return false
	}
	x.score, x.until = 0, now.Add(inlinePause)
	return true
}

// mayInlineLocked reports whether the goroutine of a Dispatch may run calls. As many may at once as there are processors,
// which also bounds how deep the answer to one call can lead to the dispatch of the next.
func (h *Handler) mayInlineLocked() bool {
	return len(h.inlines) > 0 && !h.closed && h.callers == nil && h.queued == 0 && h.inlining < h.maxInline
}

// inlinesLocked reports whether a call may be run so.
func (h *Handler) inlinesLocked(c *rpc.Call) bool {
	if c.Handler == nil {
		return false
	}
	x := h.inlines[c.Handler.Method]
	return x != nil && (x.until.IsZero() || !h.now().Before(x.until))
}

// inlinerLocked returns a worker for a goroutine that runs calls itself. Options.Workers does not count it.
func (h *Handler) inlinerLocked() *worker {
	h.inlining++
	if n := len(h.spare); n > 0 {
		w := h.spare[n-1]
		h.spare = h.spare[:n-1]
		return w
	}
	return &worker{decoder: codec.NewDecoder(codec.Binary, nil)}
}

// runInline runs w's batch, as far as the time allows, and leaves the rest to workers.
func (h *Handler) runInline(w *worker) {
	defer h.endInline(w) // also if an implementation ends the goroutine
	w.now = h.now()
	for begin := w.now; w.begun < len(w.batch) && w.now.Sub(begin) < inlineBudget; {
		c, start := w.batch[w.begun], w.now
		w.begun++
		w.item, w.hopeless, w.method, w.outcome, w.usage = item{call: c}, false, nil, 0, Usage{}
		w.count++
		if w.timed = h.opts.Exact || !c.Deadline.IsZero() || w.count%sample == 0; w.timed && !c.Received.IsZero() {
			w.usage.Queue = max(0, start.Sub(c.Received))
		}
		m := c.Handler.Method
		h.run(w) // c is somebody else's from now on
		w.now = h.now()
		took := w.now.Sub(start)
		h.mu.Lock()
		if w.timed {
			h.counts.queueTime.add(w.usage.Queue)
		}
		h.busy++ // as if a worker had taken it
		h.bookLocked(w)
		slow := h.inlines[m].note(took, w.now)
		h.mu.Unlock()
		if slow {
			h.opts.Logger.Warn("handler: a method is too slow to be run inline", "method", m.FullName, "took", took, "workers_for", inlinePause)
		}
	}
}

// endInline gives a worker back, and what is left of its batch to others. Close waits until that has been answered.
func (h *Handler) endInline(w *worker) {
	if w.begun < len(w.batch) {
		var out answers
		h.mu.Lock()
		for _, c := range w.batch[w.begun:] {
			if err := h.acceptLocked(item{call: c}, "", &out); err != nil {
				out.add(c, rpc.Reply{Err: err})
			}
		}
		next := h.wakeLocked()
		h.mu.Unlock()
		next.signal()
		out.send()
	}
	clear(w.batch)
	w.item, w.batch, w.begun = item{}, w.batch[:0], 0
	w.decoder.Reset(codec.Binary, nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spare = append(h.spare, w)
	h.inlining--
	h.endLocked()
}
