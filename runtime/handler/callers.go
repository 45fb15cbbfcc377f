package handler

import (
	"cmp"
	"slices"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// callers knows who has calls here and what those cost lately. It decides how urgent a caller's next call is: the larger
// its share of the load, the less. It does no I/O, has no lock, and is told the time.
type callers struct {
	o       *Overload // with its defaults
	service map[string]bool
	byName  map[string]*caller
	others  *caller // stands for all callers that came when there was no room for one more
	due     time.Time
	windows []window // of response times, by level

	// Of all callers but service users. The sums decay.
	total float64 // costs
	ended float64 // the calls that these are the costs of
	debts float64 // debts
	load  int     // loads
}

// caller is one identity.
type caller struct {
	table    *callers
	name     string
	service  bool
	cost     float64 // of its calls, decaying
	debt     float64 // of its calls that held a worker while others waited, decaying
	calls    uint64  // finished ones, since the caller was first seen
	inFlight int     // all that are unanswered
	load     int     // those that are queued or have a worker: neither streams nor deferred calls

	// Owned by the fair queue.
	queued int
	lanes  []lane // by level; nil as long as the caller has had no call in the queue
}

// window is what response times look like on one level.
type window struct {
	total   time.Duration // since the last decay
	count   uint64
	average time.Duration // of the windows before, decayed
}

func newCallers(o *Overload, now time.Time) *callers {
	t := &callers{o: o, service: make(map[string]bool), byName: make(map[string]*caller), due: now.Add(o.Period)}
	for _, name := range o.ServiceUsers {
		t.service[name] = true
	}
	t.others = &caller{table: t, name: "(others)"}
	t.windows = make([]window, t.levels())
	return t
}

func (t *callers) levels() int {
	if !t.o.Fair {
		return 1
	}
	return t.o.Levels
}

// enter counts one more call in flight of a caller, and returns nil if it may have no more.
func (t *callers) enter(name string) *caller {
	c := t.byName[name]
	if c == nil {
		if len(t.byName) >= t.o.MaxCallers {
			t.others.inFlight++ // without a limit of its own: nobody knows how many callers it stands for
			return t.others
		}
		c = &caller{table: t, name: name, service: t.service[name]}
		t.byName[name] = c
	}
	if t.o.MaxPerCaller > 0 && c.inFlight >= t.o.MaxPerCaller && !c.service {
		return nil
	}
	c.inFlight++
	return c
}

// leave is the end of a call that enter has counted. One that cost nothing leaves no trace: a refused call must not make
// the table remember its caller.
func (c *caller) leave() {
	c.inFlight--
	if c.inFlight == 0 && c.cost == 0 && c != c.table.others {
		delete(c.table.byName, c.name)
	}
}

// begin counts a call of a caller that wants a worker, as part of its load.
func (c *caller) begin() {
	c.load++
	if !c.service {
		c.table.load++
	}
}

// end is the end of what begin has counted: the worker is free, or the call was never given one.
func (c *caller) end() {
	c.load--
	if !c.service {
		c.table.load--
	}
}

// book adds the cost of a finished call, and notes how long its caller waited for it. If nobody else was waiting for the
// worker that it held, it is not added to the caller's debt.
func (c *caller) book(cost int64, level uint8, response time.Duration, others bool) {
	t := c.table
	c.calls++
	c.cost += float64(cost)
	if others {
		c.debt += float64(cost)
	}
	if !c.service {
		t.total += float64(cost)
		t.ended++
		if others {
			t.debts += float64(cost)
		}
	}
	w := &t.windows[min(int(level), len(t.windows)-1)]
	w.total += response
	w.count++
}

// urgency returns the level of a caller's next call, which begin has counted. The priority that the IDL gives to the
// method moves it by one.
func (c *caller) urgency(p rpc.Priority) int {
	if c.service {
		return 0
	}
	t := c.table
	level := t.levelOf(c.share())
	switch p {
	case rpc.PriorityHigh:
		level--
	case rpc.PriorityLow:
		level++
	}
	return min(max(level, 0), t.levels()-1)
}

// share returns which part of the load is c's. That is what its calls have cost while others had to wait, and what those
// that it has here now are going to cost, at the mean of all calls. So somebody who comes with many calls at once is
// known for it before the first of them ends, and nobody is held to account for workers that would have been idle.
func (c *caller) share() float64 {
	t := c.table
	mean := 1.0
	if t.ended > 0 {
		mean = t.total / t.ended
	}
	all := t.debts + mean*float64(t.load)
	if all <= 0 {
		return 0
	}
	return (c.debt + mean*float64(c.load)) / all
}

// levelOf returns the highest i whose threshold, Thresholds[i-1], a share of the load reaches.
func (t *callers) levelOf(share float64) int {
	for i := t.levels() - 1; i > 0; i-- {
		if share >= t.o.Thresholds[i-1] {
			return i
		}
	}
	return 0
}

// backOff reports whether calls of a level are to be refused because those of it, or of a more urgent one, take too long.
func (t *callers) backOff(level int) bool {
	for i := range t.o.ResponseTimes {
		if i <= level && t.windows[i].average > t.o.ResponseTimes[i] {
			return true
		}
	}
	return false
}

// advance applies the decay of the periods that have ended. It is cheap when none has.
func (t *callers) advance(now time.Time) {
	if now.Before(t.due) {
		return
	}
	periods := 1 + int(now.Sub(t.due)/t.o.Period)
	t.due = t.due.Add(time.Duration(periods) * t.o.Period)
	factor := 1.0
	for range min(periods, maxPeriods) {
		factor *= t.o.Factor
		for i := range t.windows {
			t.windows[i].decay(t.o.Factor)
		}
	}
	t.total, t.debts = 0, 0
	t.ended *= factor
	for _, c := range t.byName {
		c.decay(factor)
	}
	t.others.decay(factor)
}

// maxPeriods is how many periods are worth decaying one by one; after more of them nothing is left of anything.
const maxPeriods = 1024

// decay leaves a part of the cost, and adds it to the sums. A caller of whom nothing is left is forgotten.
func (c *caller) decay(factor float64) {
	t := c.table
	c.debt *= factor
	if c.cost *= factor; c.cost < 1 {
		c.cost, c.debt = 0, 0
		if c.inFlight == 0 && c != t.others {
			delete(t.byName, c.name)
		}
	}
	if !c.service {
		t.total += c.cost
		t.debts += c.debt
	}
}

// decay ends a window. The average is a decaying sum, as Hadoop's is: under even load it tends to twice the mean at a
// factor of 0.5.
func (w *window) decay(factor float64) {
	w.average = time.Duration(factor * float64(w.average))
	if w.count > 0 {
		w.average += w.total / time.Duration(w.count)
	}
	w.total, w.count = 0, 0
}

// top returns the n callers whose calls have cost most lately.
func (t *callers) top(n int) []CallerStats {
	all := make([]CallerStats, 0, len(t.byName)+1)
	add := func(c *caller) {
		s := CallerStats{Name: c.name, Level: c.urgency(rpc.PriorityNormal), InFlight: c.inFlight, Calls: c.calls}
		if t.total > 0 && !c.service {
			s.Share = c.cost / t.total
		}
		all = append(all, s)
	}
	for _, c := range t.byName {
		add(c)
	}
	if t.others.inFlight > 0 || t.others.cost > 0 {
		add(t.others)
	}
	slices.SortFunc(all, func(a, b CallerStats) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(b.InFlight, a.InFlight), cmp.Compare(a.Name, b.Name))
	})
	return slices.Clip(all[:min(n, len(all))])
}
