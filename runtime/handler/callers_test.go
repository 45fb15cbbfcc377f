package handler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func testCallers(t *testing.T, o Overload, now time.Time) *callers {
	t.Helper()
	o.Fair = true
	if err := o.applyDefaultsAndValidate(); err != nil {
		t.Fatal(err)
	}
	return newCallers(&o, now)
}

// spend is a call from its admission to its end, for which others had to wait.
func (t *callers) spend(name string, cost int64) {
	c := t.enter(name)
	c.begin()
	c.end()
	c.book(cost, 0, 0, true)
	c.leave()
}

// levelFor returns the level of one more call, of which the load has nothing.
func (t *callers) levelFor(name string, p rpc.Priority) int {
	c := t.enter(name)
	defer c.leave()
	return c.urgency(p)
}

func TestLevelsByShare(t *testing.T) {
	for _, tt := range []struct {
		cost, rest int64
		want       int
	}{
		{0, 0, 0}, {0, 100, 0}, {12, 88, 0}, {125, 875, 1}, {24, 76, 1}, {25, 75, 2}, {49, 51, 2}, {50, 50, 3}, {100, 0, 3},
	} {
		c := testCallers(t, Overload{}, time.Time{})
		if tt.cost > 0 {
			c.spend("a", tt.cost)
		}
		if tt.rest > 0 {
			c.spend("b", tt.rest)
		}
		if got := c.levelFor("a", rpc.PriorityNormal); got != tt.want {
			t.Errorf("%d of %d: level %d, want %d", tt.cost, tt.cost+tt.rest, got, tt.want)
		}
	}
}

// Calls that have no outcome yet count as much as the average.
func TestLevelsByLoad(t *testing.T) {
	c := testCallers(t, Overload{}, time.Time{})
	admit := func(name string) (who *caller, level int) {
		who = c.enter(name)
		who.begin()
		return who, who.urgency(rpc.PriorityNormal)
	}
	modest, level := admit("modest")
	if level != 3 {
		t.Errorf("alone: level %d", level)
	}
	greedy, level := admit("greedy")
	if level != 3 {
		t.Errorf("the first of many: level %d", level)
	}
	for range 511 {
		if _, level = admit("greedy"); level != 3 {
			t.Fatalf("another of many: level %d", level)
		}
	}
	if _, level = admit("modest"); level != 0 {
		t.Errorf("the modest one beside them: level %d", level)
	}
	// Their costs become known: 10 each, and 10,000 for the modest one's.
	for range 512 {
		greedy.end()
		greedy.book(10, 0, 0, true)
		greedy.leave()
	}
	modest.end()
	modest.book(10_000, 0, 0, true)
	modest.leave()
	if got := modest.urgency(rpc.PriorityNormal); got != 3 {
		t.Errorf("after an expensive call: level %d", got)
	}
	if got := c.levelFor("greedy", rpc.PriorityNormal); got != 2 {
		t.Errorf("after many cheap ones: level %d", got)
	}
	modest.end()
	modest.leave()
	if c.load != 0 || modest.load != 0 || greedy.load != 0 {
		t.Errorf("load %d, of them %d and %d", c.load, modest.load, greedy.load)
	}
}

// Who has used workers that nobody else wanted owes nothing.
func TestIdleWorkersCostNothing(t *testing.T) {
	c := testCallers(t, Overload{}, time.Time{})
	early := c.enter("early")
	for range 1000 {
		early.book(100, 0, 0, false)
	}
	late := c.enter("late")
	late.book(100, 0, 0, true)
	if a, b := early.urgency(rpc.PriorityNormal), late.urgency(rpc.PriorityNormal); a != 0 || b != 3 {
		t.Errorf("levels %d and %d", a, b)
	}
	if top := c.top(2); top[0].Name != "early" || top[0].Share < 0.99 {
		t.Errorf("the counters show %+v", top)
	}
}

func TestDefaultThresholdsHalve(t *testing.T) {
	for levels, want := range map[int]string{1: "[]", 2: "[0.5]", 4: "[0.125 0.25 0.5]", 5: "[0.0625 0.125 0.25 0.5]"} {
		o := Overload{Levels: levels}
		if err := o.applyDefaultsAndValidate(); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(o.Thresholds); got != want {
			t.Errorf("%d levels: %s, want %s", levels, got, want)
		}
	}
}

func TestPriorityShiftsTheLevel(t *testing.T) {
	c := testCallers(t, Overload{ServiceUsers: []string{"system"}}, time.Time{})
	c.spend("heavy", 50)
	c.spend("mid", 25)
	c.spend("light", 5)
	c.spend("rest", 20)
	c.spend("system", 1000) // counts for nobody's share
	for _, tt := range []struct {
		name              string
		normal, high, low int
	}{
		{"heavy", 3, 2, 3}, {"mid", 2, 1, 3}, {"light", 0, 0, 1}, {"system", 0, 0, 0}, {"nobody", 0, 0, 1},
	} {
		got := [3]int{c.levelFor(tt.name, rpc.PriorityNormal), c.levelFor(tt.name, rpc.PriorityHigh), c.levelFor(tt.name, rpc.PriorityLow)}
		if got != [3]int{tt.normal, tt.high, tt.low} {
			t.Errorf("%s: %v, want %+v", tt.name, got, tt)
		}
	}
}

func TestDecay(t *testing.T) {
	start := time.Unix(1000, 0)
	c := testCallers(t, Overload{}, start)
	c.spend("a", 60)
	c.spend("b", 40)
	if got := c.levelFor("a", rpc.PriorityNormal); got != 3 {
		t.Errorf("before the first decay: level %d", got)
	}
	c.advance(start.Add(5*time.Second - 1))
	if c.total != 100 {
		t.Errorf("decayed early: %v", c.total)
	}
	c.advance(start.Add(5 * time.Second))
	if c.total != 50 || c.byName["a"].cost != 30 {
		t.Errorf("after a period: %v of %v", c.byName["a"].cost, c.total)
	}
	// Levels follow at once, not a period later.
	c.spend("b", 1000)
	if a, b := c.levelFor("a", rpc.PriorityNormal), c.levelFor("b", rpc.PriorityNormal); a != 0 || b != 3 {
		t.Errorf("within the period: levels %d and %d", a, b)
	}
	// A long pause counts for all its periods, and then everybody is forgotten.
	c.advance(start.Add(24 * time.Hour))
	if len(c.byName) != 0 || c.total != 0 {
		t.Errorf("after a day: %d callers, %v", len(c.byName), c.total)
	}
	if want := start.Add(24*time.Hour + 5*time.Second); !c.due.Equal(want) {
		t.Errorf("next decay at %v, want %v", c.due, want)
	}
}

func TestCallersAreBounded(t *testing.T) {
	c := testCallers(t, Overload{MaxCallers: 3, MaxPerCaller: 2}, time.Time{})
	var busy []*caller
	for i := range 1000 {
		who := c.enter(fmt.Sprint("caller ", i))
		if who == nil {
			t.Fatalf("caller %d was refused", i)
		}
		busy = append(busy, who)
	}
	if len(c.byName) != 3 {
		t.Errorf("%d callers are known", len(c.byName))
	}
	if c.others.inFlight != 997 {
		t.Errorf("the others have %d calls", c.others.inFlight)
	}
	if c.enter("caller 0") == nil || c.enter("caller 0") != nil {
		t.Error("the limit of two calls does not hold")
	}
	for _, who := range busy {
		who.book(10, 0, 0, true)
		who.leave()
	}
	// The unknown ones share a level, as one heavy caller.
	if got := c.levelFor("somebody", rpc.PriorityNormal); got != 3 {
		t.Errorf("the others are on level %d", got)
	}
	c.byName["caller 0"].leave()
	for i := 1; i <= 20; i++ {
		c.advance(time.Time{}.Add(time.Duration(i) * 5 * time.Second))
	}
	if len(c.byName) != 0 || c.others.cost != 0 || c.total != 0 {
		t.Errorf("left: %d callers, others %v, total %v", len(c.byName), c.others.cost, c.total)
	}
}

func TestRefusedCallersLeaveNoTrace(t *testing.T) {
	c := testCallers(t, Overload{}, time.Time{})
	for i := range 100 {
		c.enter(fmt.Sprint(i)).leave()
	}
	if len(c.byName) != 0 {
		t.Errorf("%d callers are known", len(c.byName))
	}
}

func TestBackOff(t *testing.T) {
	start := time.Unix(0, 0)
	c := testCallers(t, Overload{ResponseTimes: HadoopResponseTimes()}, start)
	respond := func(level uint8, d time.Duration) {
		who := c.enter("x")
		who.book(1, level, d, true)
		who.leave()
	}
	refused := func() (s string) {
		for level := range 4 {
			s += fmt.Sprint(c.backOff(level), " ")
		}
		return s
	}
	respond(1, 21*time.Second)
	respond(1, 21*time.Second)
	respond(2, 29*time.Second)
	if got := refused(); got != "false false false false " {
		t.Errorf("within the period: %s", got)
	}
	c.advance(start.Add(5 * time.Second)) // level 1 has 21 s, over its 20; level 2 has 29 s, below its 30
	if got := refused(); got != "false true true true " {
		t.Errorf("after it: %s", got)
	}
	c.advance(start.Add(10 * time.Second)) // 10.5 s
	if got := refused(); got != "false false false false " {
		t.Errorf("a period later: %s", got)
	}
	// Under even load the average tends to twice the mean.
	for i := range 20 {
		respond(0, 6*time.Second)
		c.advance(start.Add(time.Duration(i+3) * 5 * time.Second))
	}
	if got := c.windows[0].average.Seconds(); math.Abs(got-12) > 0.01 {
		t.Errorf("average %v s, want 12", got)
	}
	if got := refused(); got != "true true true true " {
		t.Errorf("level 0 is slow: %s", got)
	}
}

// The books balance whatever happens: total is the sum of the costs, and nobody has calls in flight at the end.
func TestCallersRandomly(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		now := time.Unix(0, 0)
		c := testCallers(t, Overload{MaxCallers: 1 + r.IntN(20), MaxPerCaller: r.IntN(4)}, now)
		var inFlight []*caller
		for range 3000 {
			switch r.IntN(3) {
			case 0:
				if who := c.enter(fmt.Sprint(r.IntN(30))); who != nil {
					who.begin()
					if level := who.urgency(rpc.Priority(r.IntN(3))); level < 0 || level > 3 {
						t.Fatalf("level %d", level)
					}
					inFlight = append(inFlight, who)
				}
			case 1:
				if len(inFlight) > 0 {
					i := r.IntN(len(inFlight))
					inFlight[i].end()
					inFlight[i].book(r.Int64N(1000), uint8(r.IntN(4)), time.Duration(r.IntN(1000)), r.IntN(2) == 0)
					inFlight[i].leave()
					inFlight = append(inFlight[:i], inFlight[i+1:]...)
				}
			case 2:
				now = now.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
				c.advance(now)
			}
			sum, owed, shares := c.others.cost, c.others.debt, c.others.share()
			count := c.others.inFlight
			for name, who := range c.byName {
				if who.inFlight == 0 && who.cost == 0 && who.name == name {
					t.Fatalf("%s is known for nothing", name)
				}
				sum += who.cost
				owed += who.debt
				shares += who.share()
				count += who.inFlight
			}
			if math.Abs(sum-c.total) > 1e-6*(1+sum) {
				t.Fatalf("costs of %v, total %v", sum, c.total)
			}
			if math.Abs(owed-c.debts) > 1e-6*(1+owed) || owed > sum+1e-6 {
				t.Fatalf("debts of %v, %v in all; costs of %v", owed, c.debts, sum)
			}
			if c.load != len(inFlight) || shares != 0 && math.Abs(shares-1) > 1e-6 {
				t.Fatalf("load of %d, %d calls in flight; shares of %v", c.load, len(inFlight), shares)
			}
			if count != len(inFlight) {
				t.Fatalf("%d calls in flight, the callers have %d", len(inFlight), count)
			}
			if len(c.byName) > c.o.MaxCallers {
				t.Fatalf("%d callers are known", len(c.byName))
			}
		}
	}
}

func TestOverloadIsChecked(t *testing.T) {
	for _, o := range []Overload{
		{Levels: -1}, {Levels: 17}, {Capacity: []int{1}}, {Capacity: []int{1, 1, 1, 0}}, {Turns: []int{1, 2, 3}},
		{Turns: []int{1, 1, 1, 1 << 17}}, {Thresholds: []float64{0.5, 0.25, 0.75}}, {Thresholds: []float64{0, 0.1, 0.2}},
		{Thresholds: []float64{0.1, math.NaN(), 0.5}}, {Thresholds: []float64{0.1, 0.5, 1.5}}, {Factor: 1}, {Factor: -0.5}, {Factor: math.NaN()},
		{Period: -1}, {MaxCallers: -1}, {MaxPerCaller: -1}, {ResponseTimes: HadoopResponseTimes()}, {Fair: true, ResponseTimes: []time.Duration{0}},
	} {
		if _, err := New(new(rpc.Registry), Options{Overload: o}); err == nil {
			t.Errorf("%+v passed", o)
		}
	}
	for _, r := range []Retries{{Bytes: 1000}, {Age: -1}} {
		if _, err := New(new(rpc.Registry), Options{Retries: r}); err == nil {
			t.Errorf("%+v passed", r)
		}
	}
}

func TestIdentities(t *testing.T) {
	var m rpc.Metadata
	if err := m.Add("tenant", "blue"); err != nil {
		t.Fatal(err)
	}
	tcp := &rpc.Peer{Network: "tcp", Address: "10.0.0.7:4711", UID: -1}
	for _, tt := range []struct {
		name string
		by   Identity
		call *rpc.Call
		want string
	}{
		{"user, anonymous", ByUser, &rpc.Call{Peer: tcp}, "10.0.0.7"},
		{"user, proved", ByUser, &rpc.Call{Peer: &rpc.Peer{Network: "tls", Address: "10.0.0.7:1", Identity: rpc.Identity{Kind: rpc.IdentityTLS, Name: "web"}}}, "tls:web"},
		{"user, of a socket", ByUser, &rpc.Call{Peer: &rpc.Peer{Network: "unix", UID: 1000}}, "uid:1000"},
		{"user, of an odd socket", ByUser, &rpc.Call{Peer: &rpc.Peer{Network: "unix", UID: -1}}, "unix"},
		{"user, no peer", ByUser, &rpc.Call{}, ""},
		{"address", ByAddress, &rpc.Call{Peer: tcp}, "10.0.0.7"},
		{"address, IPv6", ByAddress, &rpc.Call{Peer: &rpc.Peer{Network: "tcp", Address: "[fe80::1]:80"}}, "fe80::1"},
		{"address, odd", ByAddress, &rpc.Call{Peer: &rpc.Peer{Network: "mem", Address: "pipe"}}, "pipe"},
		{"address, no peer", ByAddress, &rpc.Call{}, ""},
		{"client", ByClient, &rpc.Call{ClientID: rpc.ClientID{1, 2}, Peer: tcp}, "\x01\x02" + string(make([]byte, 14))},
		{"client, none", ByClient, &rpc.Call{Peer: tcp}, "10.0.0.7"},
		{"metadata", ByMetadata("tenant"), &rpc.Call{Metadata: m.Encoded(), Peer: tcp}, "tenant=blue"},
		{"metadata, none", ByMetadata("team"), &rpc.Call{Metadata: m.Encoded(), Peer: tcp}, "10.0.0.7"},
	} {
		if got := tt.by(tt.call); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
