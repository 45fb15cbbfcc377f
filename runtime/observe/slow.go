package observe

import (
	"math"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// SlowOptions say when a call is slow. The zero value of each field means its default.
type SlowOptions struct {
	// Samples is how many calls of a method must have been seen before one of it can be slow; default 1024.
	Samples int

	// Deviations is how many standard deviations above the mean a call is slow; default 3.
	Deviations float64

	// Min is the shortest time that is ever called slow; default 1 ms. Calls of a few microseconds vary by more than
	// three deviations all the time.
	Min time.Duration

	// Period is how long it takes for the past to count half; default 1 min. The past of a method that is called less
	// than Samples times in that time counts longer.
	Period time.Duration
}

func (o SlowOptions) withDefaults() SlowOptions {
	if o.Samples <= 0 {
		o.Samples = 1024
	}
	if !(o.Deviations > 0) {
		o.Deviations = 3
	}
	if o.Min <= 0 {
		o.Min = time.Millisecond
	}
	if o.Period <= 0 {
		o.Period = time.Minute
	}
	return o
}

// WatchSlow returns e with a CallDone that, besides what e's does, calls e's SlowCall for every call whose implementation
// took longer than the method's calls usually do: more than the mean and three standard deviations. Each method is
// judged by itself, so a slow one does not hide the others. Calls that were not executed, those of methods that do not
// exist, and streams, which last as long as people like, are not looked at. Without a SlowCall it returns e.
func WatchSlow(e Events, o SlowOptions) Events {
	if e.SlowCall == nil {
		return e
	}
	o = o.withDefaults()
	methods := NewByMethod(func(string) *slowMethod { return new(slowMethod) })
	done, slow := e.CallDone, e.SlowCall
	e.CallDone = func(c CallDone) {
		if done != nil {
			done(c)
		}
		if c.Method == nil || c.Method.Stream != rpc.StreamNone || c.Err != nil && c.Err.Execution != rpc.Executed {
			return
		}
		m := methods.Of(c.Method)
		m.mu.Lock()
		limit, mean, over := m.past.add(c.Done, c.Processing, &o)
		m.mu.Unlock()
		if over {
			slow(SlowCall{CallDone: c, Limit: limit, Mean: mean})
		}
	}
	return e
}

type slowMethod struct {
	mu   sync.Mutex
	past past
}

// past is the weighted mean and spread of times, of which older ones count less. It has no lock and no clock.
type past struct {
	weight  float64 // of all samples
	mean    float64 // in nanoseconds
	squares float64 // weighted sum of squared differences from mean
	began   time.Time
}

// add judges d by what came before, and then counts it. now must not go back by much; if it does, nothing decays.
func (p *past) add(now time.Time, d time.Duration, o *SlowOptions) (limit, mean time.Duration, over bool) {
	p.decay(now, o)
	if p.weight > float64(o.Samples) {
		sigma := math.Sqrt(p.squares / p.weight)
		mean = time.Duration(p.mean)
		limit = max(o.Min, time.Duration(p.mean+o.Deviations*sigma))
		over = d > limit
	}
	p.weight++
	diff := float64(d) - p.mean
	p.mean += diff / p.weight
	p.squares += diff * (float64(d) - p.mean)
	return limit, mean, over
}

// decay halves the weight of what is there for every period that has passed, but never so far that fewer than
// o.Samples are left: who is called rarely is judged by a longer past, and silence does not make anyone forget what is
// usual.
func (p *past) decay(now time.Time, o *SlowOptions) {
	if p.began.IsZero() {
		p.began = now
		return
	}
	periods := now.Sub(p.began) / o.Period
	if periods <= 0 {
		return
	}
	p.began = p.began.Add(periods * o.Period)
	for ; periods > 0 && p.weight > 2*float64(o.Samples); periods-- {
		p.weight /= 2
		p.squares /= 2
	}
}
