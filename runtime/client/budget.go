package client

import (
	"math"
	"time"
)

// budgetWindow is over which time repetitions are compared to calls. Both fade: what is that old counts for a third.
const budgetWindow = 10 * time.Second

// budget bounds what a client adds to the load of servers that are failing already. Of late there may have been as many
// repetitions as a share of the calls plus a floor.
type budget struct {
	ratio float64 // repetitions per call
	floor float64 // and per second

	at    time.Time // of the figures below
	total uint64    // calls ever
	calls float64   // faded
	spent float64   // repetitions, faded
}

// take reports whether one more repetition is within the budget, and if so counts it. total is how many calls the
// client has ever made.
func (b *budget) take(now time.Time, total uint64) bool {
	b.fade(now, total)
	if b.spent+1 > b.ratio*b.calls+b.floor*budgetWindow.Seconds() {
		return false
	}
	b.spent++
	return true
}

// fade brings the figures up to date. Calls since the last time count as if they had come evenly.
func (b *budget) fade(now time.Time, total uint64) {
	fresh := float64(total - b.total)
	if x := now.Sub(b.at).Seconds() / budgetWindow.Seconds(); x > 0 && !b.at.IsZero() {
		keep := math.Exp(-x)
		b.calls = b.calls*keep + fresh*(1-keep)/x
		b.spent *= keep
	} else {
		b.calls += fresh
	}
	b.total = total
	if now.After(b.at) {
		b.at = now
	}
}
