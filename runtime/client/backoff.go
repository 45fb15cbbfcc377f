package client

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Backoff says how long to pause after failed attempts: Base after the first, growing by Factor up to Max, each time
// off by up to Jitter of itself in either direction, so that clients which lost one server do not return in step. For
// connections, Max is also how long one has to last, though a second at least, for the next failure to be the first again.
type Backoff struct {
	Base   time.Duration
	Factor float64 // at least 1
	Jitter float64 // 0 to 1
	Max    time.Duration
}

// DefaultBackoff is what WithBackoff replaces.
var DefaultBackoff = Backoff{Base: 50 * time.Millisecond, Factor: 1.6, Jitter: 0.2, Max: 5 * time.Second}

func (b Backoff) validate() error {
	if b.Base <= 0 || b.Max < b.Base || !(b.Factor >= 1) || math.IsInf(b.Factor, 1) || !(b.Jitter >= 0 && b.Jitter <= 1) {
		return fmt.Errorf("client: back-off %+v: needs 0 < Base <= Max, Factor >= 1 and Jitter in [0, 1]", b)
	}
	return nil
}

// pause returns how long to wait after so many failures in a row. random is in [0, 1).
func (b Backoff) pause(failures int, random float64) time.Duration {
	d := min(float64(b.Base)*math.Pow(b.Factor, float64(failures-1)), float64(b.Max))
	return time.Duration(d * (1 - b.Jitter + 2*b.Jitter*random))
}

func (b Backoff) next(failures int) time.Duration { return b.pause(failures, rand.Float64()) }
