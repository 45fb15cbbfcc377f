package handler

import (
	"fmt"
	"time"
)

// Overload says who waits, who is next and who is refused while calls come faster than workers take them. The zero value
// of each field means its default. The defaults of a fair queue are Hadoop's.
type Overload struct {
	// Fair makes the queue one of several levels of urgency, on each of which callers take turns. A caller's level follows
	// from its share of the load: of what calls have cost lately while others waited, and of those that are here now.
	// Default: one first-in first-out queue for all.
	Fair bool

	Levels   int   // of a fair queue, 1 to 16; default 4. Level 0 is the most urgent
	Capacity []int // weights by which the levels share the room in the queue; default equal. What a level cannot take goes to the next one
	Turns    []int // weights by which the levels share the workers; default 8, 4, 2, 1 for 4 levels

	// Identity says whose a call is; default ByUser. It is asked only if Fair, MaxPerCaller or ResponseTimes is set.
	Identity Identity

	Cost         Cost          // of a finished call; default CostTime
	Period       time.Duration // after which costs decay; default 5 s
	Factor       float64       // by which they do, above 0 and below 1; default 0.5
	Thresholds   []float64     // the share of the load from which on a caller is on level 1, 2, ...; default 0.125, 0.25, 0.5 for 4 levels
	ServiceUsers []string      // callers that are always on level 0 and have no limit

	MaxCallers   int // callers that are told apart; more share one place. Default 10,000
	MaxPerCaller int // unanswered calls of one caller; default 0, no limit

	// ResponseTimes has response times for the levels. While calls of a level take longer than its time, which is judged
	// over the past periods, calls of that level and of less urgent ones are refused. Default: none.
	ResponseTimes []time.Duration

	// Failover tells callers who find the queue full to ask another server, where there is one, and not this one again.
	Failover bool

	// KeepLate leaves calls in the queue that will hardly be finished before their deadline. Default: while the queue does
	// not run empty, a worker that gets to such a call refuses it and takes the next.
	KeepLate bool
}

// HadoopResponseTimes are the default thresholds of Hadoop's response time back-off, for 4 levels.
func HadoopResponseTimes() []time.Duration {
	return []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second, 40 * time.Second}
}

const (
	defaultLevels  = 4
	maxLevels      = 16
	maxWeight      = 1 << 16
	defaultPeriod  = 5 * time.Second
	defaultFactor  = 0.5
	defaultCallers = 10_000
)

func (o *Overload) applyDefaultsAndValidate() error {
	if o.Levels == 0 {
		o.Levels = defaultLevels
	}
	if o.Levels < 1 || o.Levels > maxLevels {
		return fmt.Errorf("handler: a fair queue of %d levels: from 1 to %d are allowed", o.Levels, maxLevels)
	}
	n := o.Levels
	if o.Capacity == nil {
		o.Capacity = make([]int, n)
		for i := range o.Capacity {
			o.Capacity[i] = 1
		}
	}
	if o.Turns == nil {
		o.Turns = make([]int, n)
		for i := range o.Turns {
			o.Turns[i] = 1 << (n - 1 - i)
		}
	}
	if o.Thresholds == nil {
		o.Thresholds = make([]float64, n-1)
		for i := range o.Thresholds {
			o.Thresholds[i] = 1 / float64(int(1)<<(n-1-i))
		}
	}
	if o.Identity == nil {
		o.Identity = ByUser
	}
	if o.Cost == nil {
		o.Cost = CostTime
	}
	if o.Period == 0 {
		o.Period = defaultPeriod
	}
	if o.Factor == 0 {
		o.Factor = defaultFactor
	}
	if o.MaxCallers == 0 {
		o.MaxCallers = defaultCallers
	}
	return o.validate()
}

func (o *Overload) validate() error {
	n := o.Levels
	if len(o.Capacity) != n || len(o.Turns) != n || len(o.Thresholds) != n-1 {
		return fmt.Errorf("handler: a fair queue of %d levels has %d weights of capacity, %d of turns and %d thresholds; want %d, %d and %d",
			n, len(o.Capacity), len(o.Turns), len(o.Thresholds), n, n, n-1)
	}
	for _, weights := range [][]int{o.Capacity, o.Turns} {
		for _, w := range weights {
			if w < 1 || w > maxWeight {
				return fmt.Errorf("handler: a level's weight of %d: from 1 to %d is allowed", w, maxWeight)
			}
		}
	}
	for i, share := range o.Thresholds {
		if !(share > 0 && share <= 1) || i > 0 && share < o.Thresholds[i-1] {
			return fmt.Errorf("handler: thresholds %v: want rising shares above 0 and up to 1", o.Thresholds)
		}
	}
	levels := 1
	if o.Fair {
		levels = n
	}
	if len(o.ResponseTimes) > levels {
		return fmt.Errorf("handler: %d response times for %d levels", len(o.ResponseTimes), levels)
	}
	for _, d := range o.ResponseTimes {
		if d <= 0 {
			return fmt.Errorf("handler: a response time of %v", d)
		}
	}
	if o.Period < 0 || !(o.Factor > 0 && o.Factor < 1) {
		return fmt.Errorf("handler: a decay by %v every %v", o.Factor, o.Period)
	}
	if o.MaxCallers < 0 || o.MaxPerCaller < 0 {
		return fmt.Errorf("handler: limits of %d callers and %d calls for each: neither may be negative", o.MaxCallers, o.MaxPerCaller)
	}
	return nil
}

// counts reports whether callers have to be told apart.
func (o *Overload) counts() bool { return o.Fair || o.MaxPerCaller > 0 || len(o.ResponseTimes) > 0 }

// newQueue returns the queue that the settings ask for.
func (o *Overload) newQueue(capacity int) callQueue {
	if o.Fair {
		return newFairQueue(capacity, o.Capacity, o.Turns)
	}
	return &queue{bound: capacity}
}
