package client

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// rotation is the state of failing over: which of several servers is in use, and since which generation. A generation
// is the time that one process of one server is in use. All calls of a generation that fail say so, and only the
// first moves the client on; so a thousand failing calls cause one move, and none moves it away from the server that
// another has just moved it to.
type rotation[T comparable] struct {
	list       []T // in order of preference; never empty once in use
	at         int
	generation uint64
}

func (r *rotation[T]) current() (none T) {
	if len(r.list) == 0 {
		return none
	}
	return r.list[r.at]
}

// fail reports a failed call of a generation, and whether that made the rotation move.
func (r *rotation[T]) fail(generation uint64) bool {
	if generation != r.generation || len(r.list) < 2 {
		return false
	}
	r.at = (r.at + 1) % len(r.list)
	r.generation++
	return true
}

// renew begins a generation with the same server.
func (r *rotation[T]) renew() { r.generation++ }

// replace changes the list. The server in use stays in use if the new list has it, else the first one is next.
func (r *rotation[T]) replace(list []T) {
	used := len(r.list) > 0
	var old T
	if used {
		old = r.list[r.at]
	}
	r.list = list
	if at := slices.Index(list, old); used && at >= 0 {
		r.at = at
		return
	}
	r.at = 0
	r.generation++
}

// FailoverPolicy says how calls move on from server to server with the Failover balancer. The first time a call fails over it
// does so at once, because as a rule another call has told already where the active server is; after that it pauses
// as Backoff says. A call waits no longer than its deadline allows.
type FailoverPolicy struct {
	Max     int     // how often one call fails over
	Backoff Backoff // the pauses from the second time on
}

// DefaultFailover is what WithFailover replaces: Hadoop's figures for a client of two NameNodes.
var DefaultFailover = FailoverPolicy{
	Max:     15,
	Backoff: Backoff{Base: 500 * time.Millisecond, Factor: 2, Jitter: 0.5, Max: 15 * time.Second},
}

func (p FailoverPolicy) validate() error {
	if p.Max < 0 || p.Max > math.MaxInt32 {
		return fmt.Errorf("client: at most %d failovers", p.Max)
	}
	return p.Backoff.validate()
}
