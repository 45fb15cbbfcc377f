package handler

// fairQueue is a callQueue of several levels, 0 the most urgent. Workers are sent to the levels in turns, by weight, so a
// full level slows the others down and never stops them. On each level the callers take turns, a call each, so nobody
// waits behind the backlog of another.
//
// All levels share the room. A caller may have many calls in the queue as long as much of it is free, and fewer as it
// fills, so there is room for whoever comes next (the dynamic thresholds of shared-memory switches). Each level has a part
// of the room all the same: what finds its level's part used up goes to the next one below.
type fairQueue struct {
	levels   []level
	turns    multiplexer
	nodes    []node // the calls of all lanes; grows with use
	free     int32  // first of the unused ones, which are chained; 0 if there are none: nodes[0] is never used
	n, bound int
	overflow []uint64 // calls that found this level's part used up, at first or on the way down
}

// level holds the lanes of the callers that have calls on it.
type level struct {
	part int
	n    int
	last *lane // of a ring: last.next is whose turn it is; nil if there is none
}

// lane is a caller's calls on one level, the oldest first.
type lane struct {
	head, tail int32 // in nodes; meaningless if n is 0
	n          int
	next       *lane // in its level's ring; nil if the lane is not in it
}

type node struct {
	item
	next int32
}

const (
	// greed is how many calls one caller may have queued for each that there is still room for. Alone, it gets eight
	// ninths of the queue; beside another that wants as much, eight seventeenths.
	greed = 8

	// maxHeads bounds how many lanes of a level heads looks at.
	maxHeads = 16
)

// newFairQueue splits capacity by weights among as many levels; the last one gets what the division leaves over. Every
// level has a part of one call at least.
func newFairQueue(capacity int, weights, turns []int) *fairQueue {
	q := &fairQueue{
		levels:   make([]level, len(weights)),
		turns:    multiplexer{weights: turns},
		nodes:    make([]node, 1),
		bound:    capacity,
		overflow: make([]uint64, len(weights)),
	}
	total, rest := 0, capacity
	for _, w := range weights {
		total += w
	}
	for i, w := range weights {
		part := max(1, capacity/total*w+capacity%total*w/total)
		q.levels[i].part = part
		rest -= part
	}
	q.levels[len(weights)-1].part += max(0, rest)
	return q
}

func (q *fairQueue) push(it item) bool {
	c := it.caller
	if q.n >= q.bound || c.queued >= greed*(q.bound-q.n) && !c.service {
		return false
	}
	i := int(it.level)
	for q.levels[i].n >= q.levels[i].part {
		q.overflow[i]++
		if i == len(q.levels)-1 { // which has what the others leave free
			break
		}
		i++
	}
	if c.lanes == nil {
		c.lanes = make([]lane, len(q.levels))
	}
	id := q.free
	if id == 0 {
		id = int32(len(q.nodes))
		q.nodes = append(q.nodes, node{})
	} else {
		q.free = q.nodes[id].next
	}
	q.nodes[id].item = it
	l, ring := &c.lanes[i], &q.levels[i]
	if l.n == 0 {
		l.head = id
	} else {
		q.nodes[l.tail].next = id
	}
	l.tail = id
	l.n++
	ring.n++
	q.n++
	c.queued++
	if l.next == nil {
		ring.join(l)
	}
	return true
}

// join gives a lane the last turn of all.
func (r *level) join(l *lane) {
	if r.last == nil {
		l.next = l
	} else {
		l.next, r.last.next = r.last.next, l
	}
	r.last = l
}

// front returns the lane whose turn it is, of a level that has calls.
func (r *level) front() *lane {
	for {
		l := r.last.next
		if l.n > 0 {
			return l
		}
		r.leave(l) // heads has emptied it
	}
}

// leave takes the lane whose turn it is out of the ring.
func (r *level) leave(l *lane) {
	if r.last == l {
		r.last = nil
	} else {
		r.last.next = l.next
	}
	l.next = nil
}

// pop serves the level whose turn it is. If that one is empty, its turn is used up all the same, and the most urgent
// call there is goes instead.
func (q *fairQueue) pop() (it item, ok bool) {
	if q.n == 0 {
		return item{}, false
	}
	r := &q.levels[q.turns.next()]
	for i := 0; r.n == 0; i++ {
		r = &q.levels[i]
	}
	l := r.front()
	it = q.remove(r, l)
	if l.n == 0 {
		r.leave(l)
	} else {
		r.last = l
	}
	return it, true
}

// remove takes the oldest call out of a lane.
func (q *fairQueue) remove(r *level, l *lane) item {
	id := l.head
	it, next := q.nodes[id].item, q.nodes[id].next
	q.nodes[id] = node{next: q.free}
	q.free, l.head = id, next
	l.n--
	r.n--
	q.n--
	it.caller.queued--
	return it
}

// heads looks at the lanes of c, and on each level at those whose turns are next. Their number is bounded, because it is
// the price of one refused call.
func (q *fairQueue) heads(c *caller, f func(it item) bool) {
	for i := range q.levels {
		r := &q.levels[i]
		if c != nil && c.lanes != nil {
			q.drop(r, &c.lanes[i], f)
		}
		l := r.last
		for range maxHeads {
			if l == nil {
				break
			}
			l = l.next
			q.drop(r, l, f)
			if l == r.last {
				break
			}
		}
	}
}

// drop removes the oldest calls of a lane while f wants it.
func (q *fairQueue) drop(r *level, l *lane, f func(it item) bool) {
	for l.n > 0 && f(q.nodes[l.head].item) {
		q.remove(r, l)
	}
}

func (q *fairQueue) size() int { return q.n }

func (q *fairQueue) room() int { return q.bound }

// multiplexer is a weighted round robin: level i is next weights[i] times, then level i+1.
type multiplexer struct {
	weights []int
	level   int
	served  int
}

func (m *multiplexer) next() int {
	if m.served == m.weights[m.level] {
		m.served = 0
		m.level = (m.level + 1) % len(m.weights)
	}
	m.served++
	return m.level
}
