// Package buffer holds memory of large messages for reuse.
//
// A stream that carries bulk makes a message's worth of garbage with each message, and a collector that runs two hundred
// times a second costs as much as moving the bytes does. What is given back here is used again instead. Nobody has to
// give anything back.
package buffer

import "sync"

// Capacities that are kept: what bulk is usually cut into, and an eighth more for what an encoding adds. What would leave
// more than an eighth unused gets memory of its own size, so that a budget that counts bytes is not far off.
const (
	first = 16 << 10
	last  = 256 << 10
)

// classes are buffers of capacity first<<i, and an eighth more, in turn.
var classes [10]sync.Pool

// headers are empty slice headers, which a Pool would otherwise allocate.
var headers = sync.Pool{New: func() any { return new([]byte) }}

// Get returns a slice of length n with any content.
func Get(n int) []byte {
	i, size := class(n)
	if i < 0 {
		return make([]byte, n)
	}
	if h, ok := classes[i].Get().(*[]byte); ok {
		b := *h
		*h = nil
		headers.Put(h)
		return b[:n]
	}
	return make([]byte, n, size)
}

// Put takes b back. Nobody may use it, or anything that shares its memory, from then on. What does not have the capacity
// of a slice from Get is left to the collector.
func Put(b []byte) {
	i, size := class(cap(b))
	if i < 0 || size != cap(b) {
		return
	}
	h := headers.Get().(*[]byte)
	*h = b[:0]
	classes[i].Put(h)
}

// class returns the class for n bytes and its capacity; -1 if there is none.
func class(n int) (i, size int) {
	for size = first; size <= last; size *= 2 {
		switch more := size / 8; {
		case n <= size-more:
			return -1, 0
		case n <= size:
			return i, size
		case n <= size+more:
			return i + 1, size + more
		}
		i += 2
	}
	return -1, 0
}
