package handler

// fairQueue is a callQueue of several levels, 0 the most urgent. Each level has its own part of the capacity; what finds
// its level full goes to the next one below that has room. Workers are sent to the levels in turns, by weight, so a full
// level slows the others down and never stops them.
type fairQueue struct {
	levels   []queue
	turns    multiplexer
	n        int
	overflow []uint64 // calls that did not fit into this level, their own or one on the way down
}

// newFairQueue splits capacity by weights among as many levels; the last one gets what the division leaves over. Every
// level has room for a call at least, so the whole may be a little larger than capacity.
func newFairQueue(capacity int, weights, turns []int) *fairQueue {
	q := &fairQueue{
		levels:   make([]queue, len(weights)),
		turns:    multiplexer{weights: turns},
		overflow: make([]uint64, len(weights)),
	}
	total, rest := 0, capacity
	for _, w := range weights {
		total += w
	}
	for i, w := range weights {
		bound := max(1, capacity/total*w+capacity%total*w/total)
		q.levels[i].bound = bound
		rest -= bound
	}
	q.levels[len(weights)-1].bound += max(0, rest)
	return q
}

func (q *fairQueue) push(it item) bool {
	for i := int(it.level); i < len(q.levels); i++ {
		if q.levels[i].push(it) {
			q.n++
			return true
		}
		q.overflow[i]++
	}
	return false
}

// pop serves the level whose turn it is. If that one is empty, its turn is used up all the same, and the most urgent
// call there is goes instead.
func (q *fairQueue) pop() (it item, ok bool) {
	if q.n == 0 {
		return item{}, false
	}
	if it, ok = q.levels[q.turns.next()].pop(); !ok {
		for i := range q.levels {
			if it, ok = q.levels[i].pop(); ok {
				break
			}
		}
	}
	q.n--
	return it, ok
}

func (q *fairQueue) heads(f func(it item) bool) {
	for i := range q.levels {
		before := q.levels[i].n
		q.levels[i].heads(f)
		q.n -= before - q.levels[i].n
	}
}

func (q *fairQueue) size() int { return q.n }

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
