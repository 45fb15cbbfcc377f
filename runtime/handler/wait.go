package handler

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
)

// For how long an idle worker looks for its next call, at most; see Options.BusyPoll.
const (
	DefaultBusyPoll = 100 * time.Microsecond
	MaxBusyPoll     = time.Millisecond
)

// loneliness is how many calls in a row a worker must have been woken for, each the only one that there was, before it looks
// for the next. Where several are in flight workers are busy anyway, and who looked would take a processor from them; where streams
// run, from those.
const loneliness = 16

// wait returns when w has been woken. Waking a goroutine that sleeps makes Go's scheduler wake a thread as well, in case there
// is more to do, which then takes the processor that the caller on the same host needs. A worker that looks is not asleep.
func (w *worker) wait() {
	if w.lone < loneliness || w.window.Most == 0 {
		<-w.wake
		return
	}
	began := time.Now()
	if w.window.Now > 0 && busypoll.Start() {
		woken := w.look(began)
		busypoll.Done()
		if woken {
			return
		}
	}
	<-w.wake
	w.window.Waited(time.Since(began))
}

// look reports whether w has been woken while it looked.
func (w *worker) look(began time.Time) bool {
	for l := busypoll.For(began, w.window.Now); l.Again(); {
		select {
		case <-w.wake:
			return true
		default:
		}
	}
	return false
}
