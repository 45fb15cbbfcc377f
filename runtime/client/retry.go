package client

import (
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// RetryPolicy says how calls are sent again that failed for a reason that may pass: the connection was lost, the
// server said that it is busy, or the reply is a transient exception.
//
// Which calls may be is the methods' business. One that provably never reached a handler is sent again, unless the
// method has retry = "never". One that may have been executed only if the method is idempotent, or at_most_once, in
// which case the server finds out whether it was by the call's number. One that was executed and failed only if, besides,
// the server advises it. One that ended with a declared exception only if that is transient, by its annotation, and the
// method idempotent; if no attempt is left, the caller gets the exception.
type RetryPolicy struct {
	Attempts int     // how often a call is sent in all, failing over apart; 1 for no retries
	Backoff  Backoff // the pauses before retries. There is none if the call never left this process

	// The budget that all calls of a client share: of late, over about ten seconds, at most Ratio times as many retries and
	// hedges as calls, plus Floor for each second. Calls that never left this process cost nothing, nor does the first
	// time that a call fails over.
	Ratio float64
	Floor float64
}

// DefaultRetry is what WithRetry replaces.
var DefaultRetry = RetryPolicy{
	Attempts: 4,
	Backoff:  Backoff{Base: 20 * time.Millisecond, Factor: 2, Jitter: 0.5, Max: 2 * time.Second},
	Ratio:    0.2,
	Floor:    10,
}

func (p RetryPolicy) validate() error {
	if p.Attempts < 1 || !(p.Ratio >= 0 && p.Ratio <= 10) || !(p.Floor >= 0 && p.Floor <= 1e6) {
		return fmt.Errorf("client: retries %+v: needs Attempts >= 1, Ratio in [0, 10] and Floor in [0, 1e6]", p)
	}
	return p.Backoff.validate()
}

// attempts is what has become of one call so far.
type attempts struct {
	failed    int           // attempts that failed
	retries   int           // how often it was decided to try again, failing over apart
	failovers int           // and to fail over
	execution rpc.Execution // what the server may have done, by all attempts; meaningless if none failed

	pause time.Duration // before the next attempt
	broke bool          // the budget did not allow another one
}

// fail counts a failed attempt.
func (a *attempts) fail(x rpc.Execution) {
	if a.failed == 0 || certainty[x] > certainty[a.execution] {
		a.execution = x
	}
	a.failed++
}

// worse takes note of what the server may have done in other attempts than the one that fail was told of.
func (a *attempts) worse(level int) {
	if level > certainty[a.execution] {
		a.execution = executions[level]
	}
}

// certainty orders executions: of several attempts the highest level says what may have happened.
var (
	certainty  = [...]int{rpc.NotExecuted: 0, rpc.MaybeExecuted: 1, rpc.Executed: 2}
	executions = [...]rpc.Execution{0: rpc.NotExecuted, 1: rpc.MaybeExecuted, 2: rpc.Executed}
)

// failure is a failed attempt, as far as the rules care.
type failure struct {
	code        rpc.Code
	execution   rpc.Execution
	remote      bool
	advice      rpc.Advice
	unconnected bool      // there was no connection to send it on
	retry       rpc.Retry // the method's; RetryAtMostOnce only where the call has a number
	standby     bool      // the client fails over, and there is another server
}

// verdict is what to do after a failed attempt.
type verdict struct {
	again   bool
	move    bool          // tell the rotation that this server will not do. Also without again: others must not follow
	pause   time.Duration // before the next attempt
	charged bool          // the next attempt needs the budget's consent
}

// rules decide about retries. They are without state.
type rules struct {
	retry    RetryPolicy
	failover FailoverPolicy
}

// judge decides after a failed attempt, and counts what it decides in a. random is in [0, 1).
func (r *rules) judge(a *attempts, f failure, random float64) verdict {
	a.fail(f.execution)
	v := verdict{move: f.standby && f.elsewhere()}
	if !f.passing() || !f.safe() {
		return v
	}
	unsent := !f.remote && f.execution == rpc.NotExecuted
	switch {
	case v.move:
		if a.failovers >= r.failover.Max {
			return v
		}
		if a.failovers > 0 {
			v.pause = r.failover.Backoff.pause(a.failovers, random)
		}
		v.charged = !unsent && a.failovers > 0
		a.failovers++
	case f.unconnected && a.retries == 0 && a.failovers == 0:
		return v // fail fast: nothing has been tried, and nothing would come of it now
	case a.retries+1 >= r.retry.Attempts:
		return v
	default:
		a.retries++
		if !unsent || f.unconnected {
			v.pause = r.retry.Backoff.pause(a.retries, random)
		}
		v.charged = !unsent
	}
	v.again = true
	return v
}

// passing reports whether the reason may be gone by the next attempt.
func (f *failure) passing() bool {
	return f.code == rpc.Unavailable || f.remote && f.advice != rpc.AdviceNone
}

// elsewhere reports whether another server is the better choice: this one is a standby, shutting down, or out of reach.
func (f *failure) elsewhere() bool {
	if f.advice != rpc.AdviceNone {
		return f.advice == rpc.AdviceFailover
	}
	return f.code == rpc.Unavailable && (!f.remote || f.execution == rpc.NotExecuted)
}

// safe reports whether sending the call again cannot execute it twice where it must not be.
func (f *failure) safe() bool {
	marked := f.retry == rpc.RetryIdempotent || f.retry == rpc.RetryAtMostOnce
	switch {
	case f.retry == rpc.RetryNever:
		return false
	case f.execution == rpc.NotExecuted:
		return true
	case f.execution == rpc.MaybeExecuted:
		return marked
	}
	return marked && f.advice != rpc.AdviceNone
}
