package handler

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// shedder finds the calls that are not worth starting. In a queue that never runs empty, calls age until their deadlines
// drop them, and those that still make it to a worker do so at the last moment: each is begun and none is finished in
// time. So calls are let go earlier, while there is a standing queue, if the time left is less than what their method has
// been taking. It has no lock and is told the time.
type shedder struct {
	start    time.Time     // of the window
	least    time.Duration // shortest wait in the window
	standing bool          // in the window before, every call had to wait for longer than target
	methods  map[*rpc.Method]*estimate
}

const (
	// The queue is standing when in a window even the quickest call waited for longer than the target (the rule, and the
	// values, of CoDel).
	shedTarget = 5 * time.Millisecond
	shedWindow = 100 * time.Millisecond

	// reserve is the part of a call's time that is kept for the reply to travel in.
	reserve = 8
)

// observe notes how long a call has waited.
func (s *shedder) observe(wait time.Duration, now time.Time) {
	switch age := now.Sub(s.start); {
	case age < shedWindow:
		s.least = min(s.least, wait)
		return
	case age < 2*shedWindow:
		s.standing = s.least > shedTarget
	default: // too little traffic to queue
		s.standing = false
	}
	s.start, s.least = now, wait
}

// hopeless reports whether a call will hardly be finished in time.
func (s *shedder) hopeless(c *rpc.Call, now time.Time) bool {
	if !s.standing || c.Deadline.IsZero() {
		return false
	}
	need := c.Deadline.Sub(c.Received) / reserve
	if c.Handler != nil {
		if e := s.methods[c.Handler.Method]; e != nil {
			need += e.upper()
		}
	}
	return c.Deadline.Sub(now) < need
}

// learn notes how long a call of a method has taken.
func (s *shedder) learn(m *rpc.Method, took time.Duration) {
	e := s.methods[m]
	if e == nil {
		if s.methods == nil {
			s.methods = make(map[*rpc.Method]*estimate)
		}
		s.methods[m] = &estimate{mean: took, deviation: took / 2}
		return
	}
	e.add(took)
}

// estimate is a running mean and mean deviation, as TCP has them of round trips.
type estimate struct{ mean, deviation time.Duration }

func (e *estimate) add(took time.Duration) {
	off := took - e.mean
	e.mean += off / 8
	e.deviation += (max(off, -off) - e.deviation) / 4
}

// upper returns what most calls stay below.
func (e *estimate) upper() time.Duration { return e.mean + 2*e.deviation }
