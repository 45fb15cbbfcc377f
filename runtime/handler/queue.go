package handler

import "github.com/kuafu-rpc/kuafu/runtime/rpc"

// item is a call in this stage, with what the stage knows of it.
type item struct {
	call   *rpc.Call
	caller *caller // nil where callers are not told apart
	level  uint8   // that it was given, whichever it found room in
	kept   bool    // the retry cache has an entry that waits for its outcome
	loads  bool    // its caller's load counts it
	others bool    // a call of somebody else was waiting when a worker took it
}

// withdraw takes a call that no worker is going to have off its caller's books.
func (it *item) withdraw() {
	if it.caller != nil {
		it.caller.end()
		it.caller.leave()
	}
}

// callQueue holds calls until there is a worker. It is bounded, and has no lock of its own.
type callQueue interface {
	// push adds an item and reports whether there was room.
	push(it item) bool

	// pop removes the item that is next; ok is false if there is none.
	pop() (it item, ok bool)

	// heads calls f with items that would be next for want of others, those of caller c among them. If f returns true, the
	// item is removed and f is called with the one behind it.
	heads(c *caller, f func(it item) bool)

	size() int
	room() int // for how many items there is, all told
}

// queue is the first-in first-out callQueue: a ring that grows with use up to its bound, so a large bound costs nothing
// on a quiet server.
type queue struct {
	ring  []item // its length is a power of two, or 0
	head  uint   // index of the oldest, modulo len(ring)
	n     int
	bound int
}

const firstRing = 64

func (q *queue) push(it item) bool {
	if q.n >= q.bound {
		return false
	}
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+uint(q.n))&uint(len(q.ring)-1)] = it
	q.n++
	return true
}

func (q *queue) pop() (it item, ok bool) {
	if q.n == 0 {
		return item{}, false
	}
	slot := &q.ring[q.head&uint(len(q.ring)-1)]
	it, *slot = *slot, item{}
	q.head++
	q.n--
	return it, true
}

func (q *queue) heads(_ *caller, f func(it item) bool) {
	for q.n > 0 && f(q.ring[q.head&uint(len(q.ring)-1)]) {
		q.pop()
	}
}

func (q *queue) size() int { return q.n }

func (q *queue) room() int { return q.bound }

func (q *queue) grow() {
	ring := make([]item, max(firstRing, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+uint(i))&uint(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}
