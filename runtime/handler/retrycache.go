package handler

import (
	"container/list"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// RetryEntry is a finished at-most-once call and its outcome. Nobody changes one that has been handed on.
type RetryEntry struct {
	ClientID  rpc.ClientID
	Number    uint64 // the client's own, see rpc.Call
	Method    string // full name
	Identity  string // who called, see rpc.Identity; a retry must come from the same
	Completed time.Time

	// The outcome. Both Result and Err are nil for a oneway method.
	Result   []byte     // the result struct in Thrift's binary encoding, or nil
	Err      *rpc.Error // or nil
	Metadata []byte     // of the reply, encoded
}

// size is what an entry counts against the bound in bytes.
func (e *RetryEntry) size() int {
	n := retryOverhead + len(e.Identity) + len(e.Result) + len(e.Metadata)
	if e.Err != nil {
		n += len(e.Err.Message)
	}
	return n
}

const (
	retryOverhead = 384 // bytes that an entry is counted for besides its texts: structs, map cells, list elements
	markOverhead  = 256 // likewise, a mark
	maxWaiters    = 16  // attempts that may wait for one call
	maxPart       = 8   // a single reply may fill a maxPart-th of the cache
)

// retryCache remembers at-most-once calls by client and number. It does no I/O, has no lock, and is told the time.
//
// A call is running from begin to complete or abandon, then done. Done ones go away oldest first: when they have been done
// for longer than age, and before that when bytes are needed. What goes before its time leaves a mark behind, which says up to
// which number calls of that client may have been forgotten: a call at or below it that is not in the cache is refused,
// because it may have been executed. So memory runs out before the promise does.
type retryCache struct {
	limit   int // bytes
	age     time.Duration
	entries map[retryKey]*retryEntry
	done    list.List // of *retryEntry, by time of completion
	marks   map[rpc.ClientID]*list.Element
	marked  list.List // of *mark, by time of the last change
	bytes   int

	hits, updates, cleared, evicted uint64
}

type retryKey struct {
	client rpc.ClientID
	number uint64
}

type retryEntry struct {
	outcome RetryEntry // without an outcome while it is running
	waiters []*waiter  // attempts that want the outcome, while it is running
	place   *list.Element
	size    int
}

func (e *retryEntry) key() retryKey { return retryKey{e.outcome.ClientID, e.outcome.Number} }

// waiter is an attempt that waits for the outcome of another.
type waiter struct {
	call *rpc.Call
	name string      // of the caller, if callers are told apart
	stop func() bool // ends the watch on the call's context
}

// mark says that calls of a client up to a number may have been forgotten.
type mark struct {
	client rpc.ClientID
	number uint64
	since  time.Time
}

// verdict is what begin says about a call.
type verdict uint8

const (
	verdictRun       verdict = iota // it is new, and running from now on
	verdictWait                     // another attempt is running
	verdictDone                     // it has an outcome
	verdictMismatch                 // its number belongs to another call
	verdictForgotten                // it may have been executed, and nobody knows any more
	verdictFull                     // there is no room for one more
)

func newRetryCache(limit int, age time.Duration) *retryCache {
	return &retryCache{limit: limit, age: age, entries: make(map[retryKey]*retryEntry), marks: make(map[rpc.ClientID]*list.Element)}
}

// begin looks for a call. The entry is nil where the verdict says that there is none.
func (r *retryCache) begin(id *RetryEntry, now time.Time) (*retryEntry, verdict) {
	r.expire(now)
	key := retryKey{id.ClientID, id.Number}
	if e := r.entries[key]; e != nil {
		switch {
		case e.outcome.Method != id.Method || e.outcome.Identity != id.Identity:
			return nil, verdictMismatch
		case e.place == nil:
			return e, verdictWait
		}
		r.hits++
		return e, verdictDone
	}
	if m := r.marks[id.ClientID]; m != nil && id.Number <= m.Value.(*mark).number {
		return nil, verdictForgotten
	}
	size := id.size()
	if !r.makeRoom(size, now) {
		return nil, verdictFull
	}
	e := &retryEntry{outcome: *id, size: size}
	r.entries[key] = e
	r.bytes += size
	return e, verdictRun
}

// wait adds an attempt to those that want the outcome, if there is room.
func (e *retryEntry) wait(w *waiter) bool {
	if len(e.waiters) >= maxWaiters {
		return false
	}
	e.waiters = append(e.waiters, w)
	return true
}

// unwait removes an attempt and reports whether it was there.
func (e *retryEntry) unwait(w *waiter) bool {
	for i, other := range e.waiters {
		if other == w {
			e.waiters = append(e.waiters[:i], e.waiters[i+1:]...)
			return true
		}
	}
	return false
}

// complete gives a running call its outcome and returns those that want it. An outcome too large to keep is forgotten at once.
func (r *retryCache) complete(outcome *RetryEntry, now time.Time) []*waiter {
	r.expire(now)
	key := retryKey{outcome.ClientID, outcome.Number}
	e := r.entries[key]
	if e == nil || e.place != nil {
		return nil
	}
	waiters := e.waiters
	e.waiters = nil
	r.settle(e, *outcome, now)
	e.outcome.Completed = now
	return waiters
}

// settle makes e a done entry.
func (r *retryCache) settle(e *retryEntry, outcome RetryEntry, now time.Time) {
	r.bytes -= e.size
	e.outcome, e.size = outcome, outcome.size()
	r.bytes += e.size
	e.place = r.done.PushBack(e)
	r.updates++
	if e.size > r.limit/maxPart {
		r.forget(e, now)
	}
	for r.bytes > r.limit && r.done.Len() > 0 {
		r.forget(r.done.Front().Value.(*retryEntry), now)
	}
}

// restore adds a call that was done elsewhere, or before a restart. An entry that is there already stays. One that comes
// out of order goes away with those that came before it.
func (r *retryCache) restore(outcome *RetryEntry, now time.Time) {
	r.expire(now)
	key := retryKey{outcome.ClientID, outcome.Number}
	if r.entries[key] != nil || now.Sub(outcome.Completed) >= r.age {
		return
	}
	e := new(retryEntry)
	r.entries[key] = e
	r.settle(e, *outcome, now)
	if e.outcome.Completed.After(now) { // by another server's clock
		e.outcome.Completed = now
	}
}

// next is for a running call whose attempt has provably not been executed. It returns an attempt that waits, which takes
// its place; if there is none, the call is as if it had never come.
func (r *retryCache) next(key retryKey) *waiter {
	e := r.entries[key]
	if e == nil || e.place != nil {
		return nil
	}
	if len(e.waiters) == 0 {
		r.remove(e)
		return nil
	}
	w := e.waiters[0]
	e.unwait(w)
	return w
}

// expire drops what is too old.
func (r *retryCache) expire(now time.Time) {
	for front := r.done.Front(); front != nil; front = r.done.Front() {
		e := front.Value.(*retryEntry)
		if now.Sub(e.outcome.Completed) < r.age {
			break
		}
		r.remove(e)
		r.cleared++
	}
	for front := r.marked.Front(); front != nil; front = r.marked.Front() {
		m := front.Value.(*mark)
		if now.Sub(m.since) < r.age {
			break
		}
		r.marked.Remove(front)
		delete(r.marks, m.client)
		r.bytes -= markOverhead
	}
}

// makeRoom forgets done calls until there is room for size bytes, if that is possible.
func (r *retryCache) makeRoom(size int, now time.Time) bool {
	for r.bytes+size > r.limit && r.done.Len() > 0 {
		r.forget(r.done.Front().Value.(*retryEntry), now)
	}
	return r.bytes+size <= r.limit
}

// forget drops a done call before its time.
func (r *retryCache) forget(e *retryEntry, now time.Time) {
	r.remove(e)
	r.evicted++
	id, number := e.outcome.ClientID, e.outcome.Number
	if place := r.marks[id]; place != nil {
		m := place.Value.(*mark)
		m.number, m.since = max(m.number, number), now
		r.marked.MoveToBack(place)
		return
	}
	r.marks[id] = r.marked.PushBack(&mark{client: id, number: number, since: now})
	r.bytes += markOverhead
}

func (r *retryCache) remove(e *retryEntry) {
	delete(r.entries, e.key())
	r.bytes -= e.size
	if e.place != nil {
		r.done.Remove(e.place)
	}
}

// drain returns all attempts that wait, and lets them wait no more.
func (r *retryCache) drain() (waiters []*waiter) {
	for _, e := range r.entries {
		waiters = append(waiters, e.waiters...)
		e.waiters = nil
	}
	return waiters
}
