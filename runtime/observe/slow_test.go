package observe

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// model is past, done the dumb way: it keeps every sample with its weight.
type model struct {
	times, weights []float64
	began          time.Time
}

func (m *model) weight() (w float64) {
	for _, v := range m.weights {
		w += v
	}
	return w
}

func (m *model) add(now time.Time, d time.Duration, o *SlowOptions) (limit, mean float64, judged bool) {
	if m.began.IsZero() {
		m.began = now
	}
	for !now.Before(m.began.Add(o.Period)) {
		m.began = m.began.Add(o.Period)
		if m.weight() > 2*float64(o.Samples) {
			for i := range m.weights {
				m.weights[i] /= 2
			}
		}
	}
	if w := m.weight(); w > float64(o.Samples) {
		judged = true
		for i, v := range m.times {
			mean += v * m.weights[i] / w
		}
		variance := 0.0
		for i, v := range m.times {
			variance += (v - mean) * (v - mean) * m.weights[i] / w
		}
		limit = max(float64(o.Min), mean+o.Deviations*math.Sqrt(variance))
	}
	m.times = append(m.times, float64(d))
	m.weights = append(m.weights, 1)
	return limit, mean, judged
}

func TestPastAgainstModel(t *testing.T) {
	var slow int
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := SlowOptions{Samples: 1 + rng.IntN(40), Deviations: 0.5 + 3*rng.Float64(), Min: time.Duration(1 + rng.IntN(1e6)), Period: time.Minute}
		var p past
		var m model
		now := time.Unix(1e9, 0)
		usual := float64(1+rng.IntN(1000)) * 1e3
		for i := range 400 {
			switch rng.IntN(20) {
			case 0:
				now = now.Add(time.Duration(rng.Int64N(int64(5 * time.Minute))))
			case 1:
				usual *= 0.5 + 1.5*rng.Float64()
			default:
				now = now.Add(time.Duration(rng.Int64N(int64(3 * time.Second))))
			}
			d := time.Duration(usual * math.Exp(rng.NormFloat64()))
			limit, mean, over := p.add(now, d, &o)
			wantLimit, wantMean, judged := m.add(now, d, &o)
			if math.Abs(float64(limit)-wantLimit) > 2 || math.Abs(float64(mean)-wantMean) > 2 {
				t.Fatalf("seed %d, call %d: limit %v, mean %v; want %v, %v", seed, i, float64(limit), float64(mean), wantLimit, wantMean)
			}
			if want := judged && float64(d) > wantLimit; over != want && math.Abs(float64(d)-wantLimit) > 2 {
				t.Fatalf("seed %d, call %d: %v over %v is %v", seed, i, d, limit, over)
			}
			if over {
				slow++
			}
			if judged && p.weight <= float64(o.Samples) {
				t.Fatalf("seed %d, call %d: the past has decayed to %v samples of %d", seed, i, p.weight, o.Samples)
			}
		}
	}
	if slow < 100 {
		t.Errorf("%d calls were slow, too few to have tested anything", slow)
	}
}

// A method that was slow and is fast now must be judged by what it is now.
func TestPastForgets(t *testing.T) {
	o := SlowOptions{}.withDefaults()
	var p past
	now := time.Unix(1e9, 0)
	add := func(d time.Duration, calls int, every time.Duration) (limit time.Duration) {
		for i := range calls {
			now = now.Add(every)
			limit, _, _ = p.add(now, d+time.Duration(i%2)*d/10, &o)
		}
		return limit
	}
	if limit := add(10*time.Millisecond, 1024, time.Millisecond); limit != 0 {
		t.Errorf("a limit of %v within the first 1024 calls", limit)
	}
	if limit := add(10*time.Millisecond, 2, time.Millisecond); limit < 10*time.Millisecond || limit > 13*time.Millisecond {
		t.Errorf("limit %v for calls of 10 to 11 ms", limit)
	}
	add(2*time.Millisecond, 100_000, 10*time.Millisecond) // a quarter of an hour
	if limit := add(2*time.Millisecond, 1, 0); limit > 3*time.Millisecond {
		t.Errorf("limit %v long after calls take 2 ms", limit)
	}
	now = now.Add(1000 * time.Hour)
	if limit, _, over := p.add(now, 4*time.Millisecond, &o); !over {
		t.Errorf("after a long silence 4 ms are not slow; limit %v", limit)
	}
	now = now.Add(-time.Hour) // a clock that goes back changes nothing
	if _, _, over := p.add(now, 4*time.Millisecond, &o); !over {
		t.Error("after the clock went back 4 ms are not slow")
	}
}

func TestWatchSlow(t *testing.T) {
	fast, other := &rpc.Method{FullName: "S.fast"}, &rpc.Method{FullName: "S.sluggish"}
	var done, slow int
	var last SlowCall
	e := WatchSlow(Events{CallDone: func(CallDone) { done++ }, SlowCall: func(s SlowCall) { slow++; last = s }}, SlowOptions{})
	now := time.Unix(1e9, 0)
	call := func(m *rpc.Method, d time.Duration, err *rpc.Error) {
		now = now.Add(time.Millisecond)
		e.CallDone(CallDone{Method: m, Processing: d, Done: now, Err: err})
	}
	for i := range 2000 {
		call(fast, time.Duration(100+i%3)*time.Microsecond, nil)
		call(other, time.Duration(100+i%3)*time.Millisecond, nil)
	}
	if slow != 0 || done != 4000 {
		t.Fatalf("%d of %d steady calls were slow", slow, done)
	}
	for _, tt := range []struct {
		name string
		m    *rpc.Method
		d    time.Duration
		err  *rpc.Error
		slow bool
	}{
		{"below the floor", fast, 900 * time.Microsecond, nil, false},
		{"above it", fast, 2 * time.Millisecond, nil, true},
		{"a slow method as usual", other, 101 * time.Millisecond, nil, false},
		{"a slow method slower", other, 150 * time.Millisecond, nil, true},
		{"failed in the implementation", fast, 50 * time.Millisecond, &rpc.Error{Code: rpc.Internal, Execution: rpc.Executed}, true},
		{"refused", fast, time.Hour, &rpc.Error{Code: rpc.Unavailable, Execution: rpc.NotExecuted}, false},
		{"unknown", nil, time.Hour, nil, false},
		{"a stream", &rpc.Method{FullName: "S.fast", Stream: rpc.StreamBoth}, time.Hour, nil, false},
	} {
		slow = 0
		call(tt.m, tt.d, tt.err)
		if slow != map[bool]int{true: 1}[tt.slow] {
			t.Errorf("%s: told %d times", tt.name, slow)
		}
	}
	if last.Method != fast || last.Processing != 50*time.Millisecond || last.Limit < time.Millisecond || last.Mean > last.Limit {
		t.Errorf("the last slow call: %+v", last)
	}
	plain := WatchSlow(Events{}, SlowOptions{})
	if plain.CallDone != nil {
		t.Error("calls are watched though nobody wants to know")
	}
}
