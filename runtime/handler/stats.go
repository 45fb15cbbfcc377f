package handler

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Stats says what a Handler has done since New, and what it is at. Hadoop's name for the same is in brackets where it
// differs.
type Stats struct {
	Requests      uint64 // calls that were dispatched (TotalRequests)
	CallSuccesses uint64 // ended with a result or a declared exception
	CallFailures  uint64 // ended with another error, after they had been taken from the queue

	// Calls that no implementation has seen.
	ClientBackoff uint64 // refused for lack of room, or because calls take too long
	CallerLimit   uint64 // refused because of MaxPerCaller
	Expired       uint64 // dropped in the queue: the deadline had passed
	Canceled      uint64 // likewise: the caller had canceled
	Shed          uint64 // likewise: too little time was left

	Queued    int // calls in the queue (CallQueueLength)
	InProcess int // workers that run a call (NumInProcessHandler)
	Workers   int // workers that there are
	Deferred  int // calls that were deferred and wait for their reply
	Unsettled int // Deferrals that the application has yet to use; those of ended calls, too

	// Of each call with a deadline, of all while callers are told apart or with Options.Exact, else of one in 64.
	QueueTime              Timing // from a call's last byte until a worker takes it (RpcQueueTime)
	ProcessingTime         Timing // of a worker (RpcProcessingTime)
	DeferredProcessingTime Timing // from the implementation's return until the reply (DeferredRpcProcessingTime)

	RetryCacheHit     uint64 // attempts that were answered from the retry cache
	RetryCacheUpdated uint64 // outcomes that were stored
	RetryCacheCleared uint64 // outcomes that have reached their age
	RetryCacheEvicted uint64 // outcomes that made room before
	RetryCacheCalls   int    // calls in it, running ones too
	RetryCacheBytes   int

	Levels  []LevelStats  // of a fair queue; nil of others
	Callers []CallerStats // whose calls have cost most lately, at most 10; nil while callers are not told apart
}

// Timing sums up durations.
type Timing struct {
	Count uint64
	Total time.Duration
	Max   time.Duration
}

// Mean returns the average; 0 if there is none.
func (t Timing) Mean() time.Duration {
	if t.Count == 0 {
		return 0
	}
	return t.Total / time.Duration(t.Count)
}

func (t *Timing) add(d time.Duration) {
	t.Count++
	t.Total += d
	t.Max = max(t.Max, d)
}

// LevelStats is one level of a fair queue.
type LevelStats struct {
	Queued       int           // (FairCallQueueSize_pN)
	Capacity     int           // its part of the room, in calls; the last level may use what the others leave free
	Overflowed   uint64        // calls that found the part used up (OverflowedCalls_pN)
	ResponseTime time.Duration // what the back-off judges by: the decaying sum of mean response times
}

// CallerStats is one caller.
type CallerStats struct {
	Name     string
	Share    float64 // of what all calls have cost lately, 0 to 1; 0 of service users
	Level    int     // of its next call
	InFlight int
	Calls    uint64 // finished, since it was first seen
}

const topCallers = 10

// Stats returns the counters.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &h.counts
	s := Stats{
		Requests: c.requests, CallSuccesses: c.succeeded, CallFailures: c.failed,
		ClientBackoff: c.backoff, CallerLimit: c.callerLimit, Expired: c.expired, Canceled: c.canceled, Shed: c.shed,
		Queued: h.queued, InProcess: h.busy, Workers: h.started,
		Deferred: len(h.deferred), Unsettled: h.deferrals.Count(),
		QueueTime: c.queueTime, ProcessingTime: c.processingTime, DeferredProcessingTime: c.deferredTime,
	}
	if r := h.retries; r != nil {
		r.expire(h.now())
		s.RetryCacheHit, s.RetryCacheUpdated, s.RetryCacheCleared, s.RetryCacheEvicted = r.hits, r.updates, r.cleared, r.evicted
		s.RetryCacheCalls, s.RetryCacheBytes = len(r.entries), r.bytes
	}
	if h.callers != nil {
		h.callers.advance(h.now())
		s.Callers = h.callers.top(topCallers)
	}
	if q, ok := h.queue.(*fairQueue); ok {
		s.Levels = make([]LevelStats, len(q.levels))
		for i := range q.levels {
			s.Levels[i] = LevelStats{q.levels[i].n, q.levels[i].part, q.overflow[i], h.callers.windows[i].average}
		}
	}
	return s
}

// counters are what Stats counts. The lock that the worker takes anyhow guards them.
type counters struct {
	requests, succeeded, failed             uint64
	backoff, callerLimit                    uint64
	expired, canceled, shed                 uint64
	queueTime, processingTime, deferredTime Timing
}

// outcome is what became of a call that a worker has taken.
type outcome uint8

const (
	outcomeSuccess outcome = iota + 1
	outcomeFailure
	outcomeDeferred
	outcomeExpired
	outcomeCanceled
	outcomeShed
)

func outcomeOf(r rpc.Reply) outcome {
	if r.Err != nil {
		return outcomeFailure
	}
	return outcomeSuccess
}

// count counts a call that a worker is done with.
func (c *counters) count(o outcome) {
	switch o {
	case outcomeSuccess, outcomeFailure:
		c.end(o)
	case outcomeExpired:
		c.expired++
	case outcomeCanceled:
		c.canceled++
	case outcomeShed:
		c.shed++
	case outcomeDeferred: // counted when it ends
	}
}

// end counts an answered call.
func (c *counters) end(o outcome) {
	if o == outcomeSuccess {
		c.succeeded++
	} else {
		c.failed++
	}
}
