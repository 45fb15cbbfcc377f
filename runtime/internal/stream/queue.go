package stream

// queue is a first-in-first-out queue. Its array is used again while it is small.
type queue[T any] struct {
	items []T
	head  int
}

// keepItems is the capacity up to which an empty queue keeps its array.
const keepItems = 64

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) push(v T) {
	if q.head > 0 && len(q.items) == cap(q.items) && q.head >= len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

// front returns the oldest item, in place. The queue must not be empty.
func (q *queue[T]) front() *T { return &q.items[q.head] }

// back returns the newest item, in place. The queue must not be empty.
func (q *queue[T]) back() *T { return &q.items[len(q.items)-1] }

func (q *queue[T]) pop() T {
	v := q.items[q.head]
	clear(q.items[q.head : q.head+1])
	q.head++
	if q.len() == 0 {
		q.reset()
	}
	return v
}

// popBack takes the newest item out.
func (q *queue[T]) popBack() {
	last := len(q.items) - 1
	clear(q.items[last:])
	q.items = q.items[:last]
	if q.len() == 0 {
		q.reset()
	}
}

func (q *queue[T]) reset() {
	clear(q.items)
	if cap(q.items) > keepItems {
		q.items = nil
	}
	q.items, q.head = q.items[:0], 0
}
