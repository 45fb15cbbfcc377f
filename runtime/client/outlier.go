package client

import (
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Ejection says when a server that fails again and again gets no calls for a while, with the RoundRobin and LeastPending
// balancers. Local failures (a reply that did not come in time, a connection lost with calls on it, however many they
// were) and bad replies (Unavailable, Internal, DataLoss, ResourceExhausted) are counted apart, and every call that
// succeeds sets both counts back. A server without a connection gets no calls anyway.
type Ejection struct {
	Local  int // how many local failures in a row eject a server; 0 for never
	Remote int // how many bad replies in a row; 0 for never

	// How long: Base the first time, doubling with every further time up to Max. For each Base that a server does well
	// afterwards, one of the times is forgotten.
	Base time.Duration
	Max  time.Duration

	Share float64 // of the servers that may be ejected at a time, at most

	// While less than this share of the servers is connected and not ejected, ejected ones get calls too: if most fail, the
	// fault is elsewhere, and the rest would drown in their calls.
	Panic float64
}

// DefaultEjection is what WithEjection replaces.
var DefaultEjection = Ejection{Local: 5, Remote: 5, Base: 30 * time.Second, Max: 5 * time.Minute, Share: 0.5, Panic: 0.5}

func (e Ejection) validate() error {
	if e.Local < 0 || e.Remote < 0 || e.Base <= 0 || e.Max < e.Base || !(e.Share >= 0 && e.Share <= 1) || !(e.Panic >= 0 && e.Panic <= 1) {
		return fmt.Errorf("client: ejection %+v: needs counts >= 0, 0 < Base <= Max, Share and Panic in [0, 1]", e)
	}
	return nil
}

// record is what is known of one server's failures.
type record struct {
	local, remote int // in a row
	times         int // how often it was ejected, as far as that is not forgotten
	until         time.Time
	out           bool
}

// blame says whose failure an attempt's end was.
type blame uint8

const (
	blameNobody blame = iota // nothing can be concluded
	blameLocal
	blameRemote
)

// blameFor says what a failed attempt says about its server.
func blameFor(e *rpc.Error) blame {
	if e.Remote {
		switch e.Code {
		case rpc.Unavailable, rpc.Internal, rpc.DataLoss, rpc.ResourceExhausted:
			return blameRemote
		}
		return blameNobody
	}
	if e.Execution == rpc.MaybeExecuted && (e.Code == rpc.Unavailable || e.Code == rpc.DeadlineExceeded) {
		return blameLocal // not if the call was never sent, or is one that a server which goes away has not taken
	}
	return blameNobody
}

// fail counts a failure and reports whether the server is to be ejected now, where ejected of n servers are.
func (e *Ejection) fail(r *record, b blame, now time.Time, ejected, n int) bool {
	limit, count := e.Local, &r.local
	if b == blameRemote {
		limit, count = e.Remote, &r.remote
	}
	*count++
	if r.out || limit == 0 || *count < limit || float64(ejected+1) > e.Share*float64(n) {
		return false
	}
	if r.times > 0 {
		r.times = max(0, r.times-int(now.Sub(r.until)/e.Base))
	}
	pause := e.Max
	if r.times < 32 && e.Base<<r.times < e.Max && e.Base<<r.times > 0 {
		pause = e.Base << r.times
	}
	r.times++
	r.local, r.remote = 0, 0
	r.until, r.out = now.Add(pause), true
	return true
}

// succeed notes a call that went well.
func (r *record) succeed() { r.local, r.remote = 0, 0 }

// back reports whether the server's time is over, and if so takes it back.
func (r *record) back(now time.Time) bool {
	if !r.out || now.Before(r.until) {
		return false
	}
	r.out = false
	return true
}
