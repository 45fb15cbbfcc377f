package flow

import (
	"fmt"
	"sync/atomic"
)

// Budget bounds memory. Budgets form a tree, such as connections below a server: what is reserved from one is reserved
// from all above it, or from none. Methods may be called concurrently. A nil Budget has no bound.
type Budget struct {
	parent *Budget
	limit  uint64
	used   atomic.Uint64
}

// NewBudget returns a budget of limit bytes below parent, which may be nil.
func NewBudget(parent *Budget, limit uint64) *Budget { return &Budget{parent: parent, limit: limit} }

// Reserve takes n bytes out of the budget and those above it. It reports false if one of them has less left; then
// nothing is taken.
func (b *Budget) Reserve(n uint64) bool {
	for at := b; at != nil; at = at.parent {
		if !at.take(n) {
			b.release(n, at)
			return false
		}
	}
	return true
}

func (b *Budget) take(n uint64) bool {
	for {
		used := b.used.Load()
		if used > b.limit || n > b.limit-used {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// Release gives back n bytes that Reserve took.
func (b *Budget) Release(n uint64) { b.release(n, nil) }

// release gives n bytes back to b and those above it, up to but not including end.
func (b *Budget) release(n uint64, end *Budget) {
	for at := b; at != end; at = at.parent {
		at.used.Add(-n)
	}
}

// Used returns how many bytes are reserved.
func (b *Budget) Used() uint64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Limit returns the size of the budget; for a nil one MaxOffset.
func (b *Budget) Limit() uint64 {
	if b == nil {
		return MaxOffset
	}
	return b.limit
}

// String returns "used 100 of 4096".
func (b *Budget) String() string { return fmt.Sprintf("used %d of %d", b.Used(), b.Limit()) }

// Reservation is what one stream holds of a budget. It gives back what it took and nothing else. It is not safe for
// concurrent use.
type Reservation struct {
	from *Budget
	held uint64
}

// NewReservation returns a Reservation of nothing.
func NewReservation(from *Budget) Reservation { return Reservation{from: from} }

// Grow reserves n bytes more and reports whether the budget had them.
func (r *Reservation) Grow(n uint64) bool {
	if n > MaxOffset-r.held || !r.from.Reserve(n) {
		return false
	}
	r.held += n
	return true
}

// ShrinkTo gives back all but n bytes. It never reserves any.
func (r *Reservation) ShrinkTo(n uint64) {
	if n < r.held {
		r.from.Release(r.held - n)
		r.held = n
	}
}

// Held returns how many bytes are reserved.
func (r *Reservation) Held() uint64 { return r.held }
