package handler

import (
	"cmp"
	"slices"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// callers knows who has calls here and what those cost lately. It decides how urgent a caller's next call is: the more of
// the whole cost is one caller's, the less. It does no I/O, has no lock, and is told the time.
type callers struct {
	o       *Overload // with its defaults
	service map[string]bool
	byName  map[string]*caller
	others  *caller // stands for all callers that came when there was no room for one more
	total   float64 // of all costs but those of service users
	due     time.Time
	windows []window // of response times, by level
}

// caller is one identity.
type caller struct {
	table    *callers
	name     string
	cost     float64 // decaying
	calls    uint64  // finished ones, since the caller was first seen
	inFlight int
	level    int
	cached   bool // level holds until the next decay; a caller seen since the last one has its level worked out anew
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
		c = &caller{table: t, name: name}
		t.byName[name] = c
	}
	if t.o.MaxPerCaller > 0 && c.inFlight >= t.o.MaxPerCaller && !t.service[name] {
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

// book adds the cost of a finished call, and notes how long its caller waited for it.
func (c *caller) book(cost int64, level uint8, response time.Duration) {
	c.calls++
	c.cost += float64(cost)
	if !c.table.service[c.name] {
		c.table.total += float64(cost)
	}
	w := &c.table.windows[min(int(level), len(c.table.windows)-1)]
	w.total += response
	w.count++
}

// urgency returns the level of a caller's next call. The priority that the IDL gives to the method moves it by one.
func (c *caller) urgency(p rpc.Priority) int {
	t := c.table
	level := 0
	switch {
	case t.service[c.name]:
		return 0
	case c.cached:
		level = c.level
	default:
		level = t.levelOf(c.cost)
	}
	switch p {
	case rpc.PriorityHigh:
		level--
	case rpc.PriorityLow:
		level++
	}
	return min(max(level, 0), t.levels()-1)
}

// levelOf returns the level of a caller whose calls have cost so much: the highest i whose threshold, Thresholds[i-1], its
// share of the total reaches.
func (t *callers) levelOf(cost float64) int {
	if t.total <= 0 {
		return 0
	}
	for i := t.levels() - 1; i > 0; i-- {
		if cost/t.total >= t.o.Thresholds[i-1] {
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
	t.total = 0
	for _, c := range t.byName {
		if left := c.decay(factor); !t.service[c.name] {
			t.total += left
		}
	}
	t.total += t.others.decay(factor)
	for _, c := range t.byName { // with the new total
		c.level, c.cached = t.levelOf(c.cost), true
	}
	t.others.level, t.others.cached = t.levelOf(t.others.cost), true
}

// maxPeriods is how many periods are worth decaying one by one; after more of them nothing is left of anything.
const maxPeriods = 1024

// decay returns what is left of the cost. A caller of whom nothing is left is forgotten.
func (c *caller) decay(factor float64) float64 {
	if c.cost *= factor; c.cost < 1 {
		c.cost = 0
		if c.inFlight == 0 && c != c.table.others {
			delete(c.table.byName, c.name)
		}
	}
	return c.cost
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
		if t.total > 0 && !t.service[c.name] {
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
