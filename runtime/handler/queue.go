package handler

import "github.com/kuafu-rpc/kuafu/runtime/rpc"

// queue is a bounded first-in first-out ring of calls. It has no lock of its own. The ring grows with use up to its
// bound, so a large bound costs nothing on a quiet server.
type queue struct {
	ring  []*rpc.Call // its length is a power of two, or 0
	head  uint        // index of the oldest call, modulo len(ring)
	n     int
	bound int
}

const firstRing = 64

// push adds c at the end and reports whether there was room.
func (q *queue) push(c *rpc.Call) bool {
	if q.n == q.bound {
		return false
	}
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+uint(q.n))&uint(len(q.ring)-1)] = c
	q.n++
	return true
}

// pop removes the oldest call; nil if there is none.
func (q *queue) pop() *rpc.Call {
	if q.n == 0 {
		return nil
	}
	i := q.head & uint(len(q.ring)-1)
	c := q.ring[i]
	q.ring[i] = nil
	q.head++
	q.n--
	return c
}

func (q *queue) grow() {
	ring := make([]*rpc.Call, max(firstRing, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+uint(i))&uint(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}
