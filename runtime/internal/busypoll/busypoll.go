// Package busypoll decides for how long to look for something that is about to come, before a goroutine sleeps until it has come.
//
// To be woken, by the kernel or by another goroutine, may take several times as long as a call between processes of one host,
// above all on virtual machines, where a processor without work is given back to the host. Nothing is lost by looking if the
// processor had nothing else to do, and if what is looked for comes soon. Window sees to the latter; Start, which lets few look at
// a time, and Look, which yields the processor to any other thread that wants it, to the former.
package busypoll

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Window is for how long to look. It is found as KVM finds how long to look for an interrupt before it halts a virtual processor
// (halt_poll_ns): it doubles while things come later than it and not too late, and is halved when they do come too late. So
// nobody looks for what takes its time. It does no I/O and is told the time; one goroutine at a time may use it.
type Window struct {
	Most time.Duration // the largest; 0 if there is to be none
	Now  time.Duration
}

const first = 10 * time.Microsecond // the smallest window

// Waited takes in that something came after d.
func (w *Window) Waited(d time.Duration) {
	switch {
	case d <= w.Now:
	case d <= w.Most:
		w.Now = min(max(2*w.Now, first), w.Most)
	default:
		if w.Now /= 2; w.Now < first {
			w.Now = 0
		}
	}
}

// lookers is how many goroutines of this process look.
var lookers atomic.Int32

// Start reports whether one more goroutine may look: half of the processors are for those that have something to do. After it
// has returned true, Done must be called. All functions may be called concurrently.
func Start() bool {
	if int(lookers.Add(1)) <= runtime.GOMAXPROCS(0)/2 {
		return true
	}
	lookers.Add(-1)
	return false
}

// Done ends what Start has begun.
func Done() { lookers.Add(-1) }

// Look counts the looks of one goroutine. A Look is for one wait.
type Look struct {
	until time.Time
	left  time.Duration
}

// least is less than a look takes. Looks are bounded by their number as well as by the clock, which stands still under testing/synctest.
const least = 50 * time.Nanosecond

// For returns a Look that begins now and lasts for window.
func For(now time.Time, window time.Duration) Look {
	return Look{until: now.Add(window), left: window}
}

// Again reports whether to look once more. It yields the processor first, if there is another thread that wants it.
func (l *Look) Again() bool {
	if l.left -= least; l.left < 0 || !time.Now().Before(l.until) {
		return false
	}
	yield()
	return true
}
