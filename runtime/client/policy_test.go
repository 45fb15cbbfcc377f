package client

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// TestJudgeTable checks, for every kind of failure and every kind of method, whether there is another attempt.
func TestJudgeTable(t *testing.T) {
	unset, never, idem, once := rpc.RetryUnset, rpc.RetryNever, rpc.RetryIdempotent, rpc.RetryAtMostOnce
	all, marked, safe, none := []rpc.Retry{unset, idem, once}, []rpc.Retry{idem, once}, []rpc.Retry{unset, idem, once}, []rpc.Retry(nil)
	for _, tt := range []struct {
		name string
		f    failure
		want []rpc.Retry // the methods that are tried again
	}{
		{"never sent", failure{code: rpc.Unavailable, execution: rpc.NotExecuted}, all},
		{"connection lost", failure{code: rpc.Unavailable, execution: rpc.MaybeExecuted}, marked},
		{"busy", failure{code: rpc.ResourceExhausted, execution: rpc.NotExecuted, remote: true, advice: rpc.AdviceRetry}, safe},
		{"standby", failure{code: rpc.Unavailable, execution: rpc.NotExecuted, remote: true, advice: rpc.AdviceFailover}, safe},
		{"shutting down", failure{code: rpc.Unavailable, execution: rpc.NotExecuted, remote: true}, safe},
		{"advice after execution", failure{code: rpc.Aborted, execution: rpc.Executed, remote: true, advice: rpc.AdviceRetry}, marked},
		{"advice, maybe executed", failure{code: rpc.Aborted, execution: rpc.MaybeExecuted, remote: true, advice: rpc.AdviceRetry}, marked},
		{"handler unavailable", failure{code: rpc.Unavailable, execution: rpc.Executed, remote: true}, none},
		{"handler failed", failure{code: rpc.Unknown, execution: rpc.Executed, remote: true}, none},
		{"no such method", failure{code: rpc.Unimplemented, execution: rpc.NotExecuted, remote: true}, none},
		{"too large, here", failure{code: rpc.ResourceExhausted, execution: rpc.NotExecuted}, none},
		{"too large, there", failure{code: rpc.ResourceExhausted, execution: rpc.NotExecuted, remote: true}, none},
		{"bad arguments", failure{code: rpc.InvalidArgument, execution: rpc.NotExecuted}, none},
		{"garbled reply", failure{code: rpc.Internal, execution: rpc.Executed}, none},
		{"deadline here", failure{code: rpc.DeadlineExceeded, execution: rpc.MaybeExecuted}, none},
		{"deadline there", failure{code: rpc.DeadlineExceeded, execution: rpc.NotExecuted, remote: true}, none},
		{"canceled", failure{code: rpc.Canceled, execution: rpc.NotExecuted}, none},
		{"no connection", failure{code: rpc.Unavailable, execution: rpc.NotExecuted, unconnected: true}, none},
	} {
		r := rules{DefaultRetry, DefaultFailover}
		for _, m := range []rpc.Retry{unset, never, idem, once} {
			f := tt.f
			f.retry = m
			var a attempts
			if got, want := r.judge(&a, f, 0.5).again, slices.Contains(tt.want, m); got != want {
				t.Errorf("%s, retry %d: again %v, want %v", tt.name, m, got, want)
			}
		}
	}
}

// TestJudgeNeverExecutesTwice tries random histories: whatever the servers say, a call of a method that is not marked is
// never sent again once it may have been executed.
func TestJudgeNeverExecutesTwice(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	r := rules{DefaultRetry, DefaultFailover}
	for range 20000 {
		var a attempts
		m := rpc.Retry(rnd.IntN(2)) // unset or never
		for {
			f := failure{
				code: rpc.Code(1 + rnd.IntN(16)), execution: rpc.Execution(rnd.IntN(3)), remote: rnd.IntN(2) == 0,
				advice: rpc.Advice(rnd.IntN(3)), unconnected: rnd.IntN(4) == 0, retry: m, standby: rnd.IntN(2) == 0,
			}
			v := r.judge(&a, f, rnd.Float64())
			if !v.again {
				break
			}
			if m == rpc.RetryNever || f.execution != rpc.NotExecuted {
				t.Fatalf("%+v was sent again", f)
			}
		}
		if a.retries >= r.retry.Attempts || a.failovers > r.failover.Max || a.failed > r.retry.Attempts+r.failover.Max {
			t.Fatalf("too often: %+v", a)
		}
	}
}

func TestJudgePauses(t *testing.T) {
	r := rules{
		RetryPolicy{Attempts: 4, Backoff: Backoff{Base: 10, Factor: 2, Max: 25}, Ratio: 1, Floor: 1},
		FailoverPolicy{Max: 5, Backoff: Backoff{Base: 500, Factor: 2, Max: 1500}},
	}
	pauses := func(fs ...failure) (list []string) {
		var a attempts
		for _, f := range fs {
			f.retry = rpc.RetryIdempotent
			v := r.judge(&a, f, 0.5)
			s := fmt.Sprint(int64(v.pause))
			if v.move {
				s += " move"
			}
			if v.charged {
				s += " charged"
			}
			if !v.again {
				s += " end"
			}
			list = append(list, s)
		}
		return list
	}
	unsent := failure{code: rpc.Unavailable, execution: rpc.NotExecuted}
	lost := failure{code: rpc.Unavailable, execution: rpc.MaybeExecuted}
	down := failure{code: rpc.Unavailable, execution: rpc.NotExecuted, unconnected: true}
	standby := failure{code: rpc.Unavailable, execution: rpc.NotExecuted, remote: true, advice: rpc.AdviceFailover, standby: true}
	cutOff := lost
	cutOff.standby = true
	busy := failure{code: rpc.ResourceExhausted, execution: rpc.NotExecuted, remote: true, advice: rpc.AdviceRetry, standby: true}
	for _, tt := range []struct {
		name string
		fs   []failure
		want []string
	}{
		{"never sent", []failure{unsent, unsent, unsent, unsent}, []string{"0", "0", "0", "0 end"}},
		{"lost", []failure{lost, lost, lost, lost}, []string{"10 charged", "20 charged", "25 charged", "0 end"}},
		{"down from the start", []failure{down}, []string{"0 end"}},
		{"down later", []failure{lost, down, down, down}, []string{"10 charged", "20", "25", "0 end"}},
		{"standby", []failure{standby, standby, standby, standby, standby, standby},
			[]string{"0 move", "500 move charged", "1000 move charged", "1500 move charged", "1500 move charged", "0 move end"}},
		{"lost with a standby", []failure{cutOff, standby}, []string{"0 move", "500 move charged"}},
		{"busy with a standby", []failure{busy, standby, busy}, []string{"10 charged", "0 move", "20 charged"}},
	} {
		if diff := cmp.Diff(tt.want, pauses(tt.fs...)); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
}

func TestAttemptsTellTheWorst(t *testing.T) {
	not, maybe, did := rpc.NotExecuted, rpc.MaybeExecuted, rpc.Executed
	for _, tt := range []struct {
		seen []rpc.Execution
		want rpc.Execution
	}{
		{[]rpc.Execution{not}, not}, {[]rpc.Execution{not, not}, not}, {[]rpc.Execution{maybe, not}, maybe},
		{[]rpc.Execution{not, maybe, not}, maybe}, {[]rpc.Execution{did, maybe}, did}, {[]rpc.Execution{maybe, did, not}, did},
	} {
		var a attempts
		for _, x := range tt.seen {
			a.fail(x)
		}
		err := a.outcome(&rpc.Error{Code: rpc.Unavailable, Execution: tt.seen[len(tt.seen)-1]})
		if err.Execution != tt.want {
			t.Errorf("%v: %v, want %v", tt.seen, err.Execution, tt.want)
		}
	}
}

// TestBudgetAgainstLedger compares the budget with a ledger of everything that happened: over no stretch of time does it
// allow more than the share, the floor and one full purse.
func TestBudgetAgainstLedger(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b := budget{ratio: 0.2, floor: 10}
		now := time.Unix(1000, 0)
		type event struct {
			at             time.Time
			calls, repeats float64
		}
		var ledger []event
		var total uint64
		for range 400 {
			now = now.Add(time.Duration(rnd.IntN(300)) * time.Millisecond)
			calls := uint64(rnd.IntN(100))
			total += calls
			e := event{at: now, calls: float64(calls)}
			for range rnd.IntN(60) {
				if b.take(now, total) {
					e.repeats++
				}
			}
			ledger = append(ledger, e)
		}
		for i := range ledger {
			var calls, repeats float64
			for _, e := range ledger[i:] {
				calls, repeats = calls+e.calls, repeats+e.repeats
				span := e.at.Sub(ledger[i].at).Seconds()
				// The purse at the start: the floor's and what earlier calls, 100 each 150 ms at most, have put in.
				purse := 10*10 + 0.2*100/0.15*10
				if repeats > 0.2*calls+10*span+purse {
					t.Fatalf("seed %d: %v repetitions in %v s with %v calls", seed, repeats, span, calls)
				}
			}
		}
	}
}

func TestBudgetLevels(t *testing.T) {
	spend := func(b *budget, now time.Time, total uint64) (n int) {
		for b.take(now, total) {
			n++
			if n > 1e6 {
				t.Fatal("without end")
			}
		}
		return n
	}
	start := time.Unix(1, 0)
	b := budget{ratio: 0.2, floor: 10}
	if n := spend(&b, start, 0); n != 100 {
		t.Errorf("an idle client may repeat %d times, want 100", n)
	}
	if n := spend(&b, start, 1000); n != 200 {
		t.Errorf("1000 calls allow %d repetitions, want 200", n)
	}
	if n := spend(&b, start.Add(100*time.Second), 1000); n != 99 && n != 100 {
		t.Errorf("after a rest %d repetitions, want 100", n)
	}
	b = budget{ratio: 0.2, floor: 10} // in the steady state: 1000 calls/s, and every chance taken
	n := 0
	for i := range 600 {
		n = spend(&b, start.Add(time.Duration(i)*100*time.Millisecond), uint64(100*i))
	}
	if n < 20 || n > 22 {
		t.Errorf("%d repetitions in 100 ms at 1000 calls/s, want 21", n)
	}
	b = budget{}
	if b.take(start, 1e9) {
		t.Error("a budget of nothing allows something")
	}
}

// TestRotationModel compares with a model that keeps the whole history.
func TestRotationModel(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		r := rotation[string]{}
		r.replace([]string{"a", "b", "c"})
		current, moves, renewals := "a", 0, 0
		history := []uint64{r.generation}
		for range 200 {
			switch rnd.IntN(6) {
			case 0:
				r.renew()
				renewals++
			case 1:
				list := []string{"a", "b", "c", "d"}
				rnd.Shuffle(4, func(i, j int) { list[i], list[j] = list[j], list[i] })
				list = list[:1+rnd.IntN(4)]
				r.replace(list)
				if !slices.Contains(list, current) {
					current = list[0]
				}
			default:
				g := history[rnd.IntN(len(history))]
				fresh := g == r.generation
				next := r.list[(slices.Index(r.list, current)+1)%len(r.list)]
				moved := r.fail(g)
				if moved != (fresh && len(r.list) > 1) {
					t.Fatalf("generation %d of %d: moved %v", g, r.generation, moved)
				}
				if moved {
					current = next
					moves++
				}
			}
			if r.current() != current {
				t.Fatalf("at %s, want %s", r.current(), current)
			}
			history = append(history, r.generation)
		}
		if moves == 0 || renewals == 0 {
			t.Fatal("the schedule tests nothing")
		}
	}
}

func TestEjection(t *testing.T) {
	e := Ejection{Local: 3, Remote: 2, Base: time.Second, Max: 4 * time.Second, Share: 0.5, Panic: 0.5}
	now := time.Unix(1, 0)
	var r record
	fail := func(b blame, ejected, n int) bool { return e.fail(&r, b, now, ejected, n) }
	if fail(blameLocal, 0, 4) || fail(blameRemote, 0, 4) || fail(blameLocal, 0, 4) {
		t.Error("ejected too early: the two kinds were added up")
	}
	r.succeed()
	for range 2 {
		if fail(blameLocal, 0, 4) {
			t.Error("a success does not count")
		}
	}
	for i, want := range []time.Duration{1, 2, 4, 4, 4} { // doubling up to Max
		for !fail(blameRemote, 0, 4) {
		}
		if d := r.until.Sub(now); d != want*time.Second {
			t.Errorf("ejection %d lasts %v, want %v s", i+1, d, want)
		}
		for range 2 {
			if fail(blameRemote, 0, 4) {
				t.Error("ejected while it is out")
			}
		}
		now = r.until.Add(-1)
		if r.back(now) {
			t.Error("back too early")
		}
		now = r.until
		if !r.back(now) || r.back(now) {
			t.Error("not back, or twice")
		}
		r.succeed()
	}
	now = now.Add(3 * time.Second) // of doing well: three of five are forgotten
	for !fail(blameRemote, 0, 4) {
	}
	if d := r.until.Sub(now); d != 4*time.Second {
		t.Errorf("after 3 s: %v", d)
	}
	r = record{}
	for range 10 {
		if fail(blameLocal, 2, 4) || fail(blameLocal, 0, 1) || fail(blameLocal, 1, 3) {
			t.Fatal("more than the share")
		}
	}
	if !fail(blameLocal, 1, 4) {
		t.Error("not ejected though the share allows it")
	}
	e.Remote, r = 0, record{}
	for range 10 {
		if fail(blameRemote, 0, 4) {
			t.Fatal("ejected for what is turned off")
		}
	}
}

// TestEjectionShare: whatever happens, no more than the share is out.
func TestEjectionShare(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 3, 7, 10} {
		for _, share := range []float64{0, 0.1, 0.5, 1} {
			e := Ejection{Local: 1 + rnd.IntN(3), Remote: 1 + rnd.IntN(3), Base: time.Second, Max: time.Minute, Share: share}
			list := make([]record, n)
			now := time.Unix(1, 0)
			most := 0
			for range 3000 {
				now = now.Add(time.Duration(rnd.IntN(100)) * time.Millisecond)
				out := 0
				for i := range list {
					list[i].back(now)
					if list[i].out {
						out++
					}
				}
				most = max(most, out)
				r := &list[rnd.IntN(n)]
				if rnd.IntN(5) == 0 {
					r.succeed()
				} else {
					e.fail(r, blame(1+rnd.IntN(2)), now, out, n)
				}
			}
			if want := int(share * float64(n)); most != want {
				t.Errorf("up to %d of %d were out with a share of %v, want %d", most, n, share, want)
			}
		}
	}
}

func TestBlame(t *testing.T) {
	for _, tt := range []struct {
		e    rpc.Error
		want blame
	}{
		{rpc.Error{Code: rpc.Unavailable, Execution: rpc.MaybeExecuted}, blameLocal},
		{rpc.Error{Code: rpc.DeadlineExceeded, Execution: rpc.MaybeExecuted}, blameLocal},
		{rpc.Error{Code: rpc.DeadlineExceeded, Execution: rpc.NotExecuted}, blameNobody}, // it never got there
		{rpc.Error{Code: rpc.Unavailable, Execution: rpc.NotExecuted}, blameNobody},      // nor this one
		{rpc.Error{Code: rpc.Canceled, Execution: rpc.MaybeExecuted}, blameNobody},
		{rpc.Error{Code: rpc.InvalidArgument}, blameNobody},
		{rpc.Error{Code: rpc.Unavailable, Remote: true}, blameRemote},
		{rpc.Error{Code: rpc.Internal, Remote: true}, blameRemote},
		{rpc.Error{Code: rpc.ResourceExhausted, Remote: true}, blameRemote},
		{rpc.Error{Code: rpc.Unknown, Remote: true}, blameNobody},
		{rpc.Error{Code: rpc.NotFound, Remote: true}, blameNobody},
		{rpc.Error{Code: rpc.DeadlineExceeded, Remote: true}, blameNobody},
	} {
		if got := blameFor(&tt.e); got != tt.want {
			t.Errorf("%v (%v): %d, want %d", &tt.e, tt.e.Execution, got, tt.want)
		}
	}
}

func TestTwoChoices(t *testing.T) {
	list := make([]*server, 5)
	for i := range list {
		cn := &conn{}
		cn.pending.Store(int64(10 * i))
		l := &lane{}
		l.conn.Store(cn)
		list[i] = &server{lanes: []*lane{l}}
	}
	for i := range 5 {
		seen := map[int]bool{}
		for j := range 4 {
			got := twoChoices(list, i, j)
			other := j
			if j >= i {
				other++
			}
			if got != min(i, other) { // the one with less to do
				t.Errorf("%d or %d: chose %d", i, other, got)
			}
			seen[other] = true
		}
		if len(seen) != 4 || seen[i] {
			t.Errorf("against %d ran %v", i, seen)
		}
	}
	if twoChoices(list[:1], 0, 0) != 0 {
		t.Error("one server")
	}
}

func TestLatencyBuckets(t *testing.T) {
	end := time.Duration(0)
	for i := range latencyBuckets {
		next := bucketEnd(i)
		if next <= end {
			t.Fatalf("bucket %d ends at %v, after %v", i, next, end)
		}
		if i < latencyBuckets-1 && (bucket(next-time.Microsecond) != i || bucket(next) != i+1) {
			t.Fatalf("the bucket of %v is %d and of %v %d, want %d and %d", next-time.Microsecond, bucket(next-time.Microsecond), next, bucket(next), i, i+1)
		}
		end = next
	}
	if bucket(-1) != 0 || bucket(math.MaxInt64) != latencyBuckets-1 {
		t.Error("extremes")
	}
}

func TestLatencyQuantile(t *testing.T) {
	var l latency
	rnd := rand.New(rand.NewPCG(7, 8))
	if _, ok := l.quantile(0.5); ok {
		t.Error("knows without having seen anything")
	}
	var all []time.Duration
	for range 3000 {
		d := time.Duration(math.Exp(rnd.NormFloat64()*2) * float64(time.Millisecond))
		l.observe(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
		exact := all[int(math.Ceil(q*3000))-1]
		got, ok := l.quantile(q)
		if !ok || got < exact || float64(got) > float64(exact)*1.126+float64(2*time.Microsecond) {
			t.Errorf("quantile %v is %v, exactly %v", q, got, exact)
		}
	}
	for range 5 * fadeAt {
		l.observe(time.Second)
	}
	if d, _ := l.quantile(0.5); d < time.Second {
		t.Errorf("has not forgotten: %v", d)
	}
}

func TestSplitAddresses(t *testing.T) {
	for s, want := range map[string][]string{
		"tcp://a:1":                        {"tcp://a:1"},
		"tcp://a:1,tcp://b:2":              {"tcp://a:1", "tcp://b:2"},
		"tcp://a:1, tls://b:2":             {"tcp://a:1", "tls://b:2"},
		"unix:///a,b":                      {"unix:///a,b"},
		"unix:///a,b,tcp://c:1":            {"unix:///a,b", "tcp://c:1"},
		"unix:///odd,x/y://z":              {"unix:///odd,x/y://z"},
		"tcp://[::1]:1,unix://rel,tcp://h": {"tcp://[::1]:1", "unix://rel", "tcp://h"},
		"":                                 {""},
		",":                                {","},
	} {
		if diff := cmp.Diff(want, splitAddresses(s)); diff != "" {
			t.Errorf("%q: -want +got\n%s", s, diff)
		}
	}
}

func TestCheckAddresses(t *testing.T) {
	got, err := checkAddresses([]string{"tcp://a:1", "tcp://b:1", "tcp://a:1"})
	if err != nil || !slices.Equal(got, []string{"tcp://a:1", "tcp://b:1"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range [][]string{nil, {"a:1"}, {"tcp://a:1", ""}, make([]string, maxServers+1)} {
		if _, err := checkAddresses(bad); err == nil {
			t.Errorf("%.50v was accepted", bad)
		}
	}
}

func TestPolicyOptions(t *testing.T) {
	nan := math.NaN()
	for name, o := range map[string]Option{
		"balancer":           WithBalancer(7),
		"no attempts":        WithRetry(RetryPolicy{Backoff: DefaultBackoff}),
		"ratio":              WithRetry(RetryPolicy{Attempts: 1, Ratio: nan, Backoff: DefaultBackoff}),
		"floor":              WithRetry(RetryPolicy{Attempts: 1, Floor: -1, Backoff: DefaultBackoff}),
		"retry without base": WithRetry(RetryPolicy{Attempts: 1}),
		"failovers":          WithFailover(FailoverPolicy{Max: -1, Backoff: DefaultBackoff}),
		"failover pauses":    WithFailover(FailoverPolicy{Max: 1}),
		"share":              WithEjection(Ejection{Base: 1, Max: 1, Share: 1.1}),
		"panic":              WithEjection(Ejection{Base: 1, Max: 1, Panic: nan}),
		"base":               WithEjection(Ejection{Local: 1}),
		"hedge without time": WithHedging(Hedging{Extra: 1}),
		"hedge of nothing":   WithHedging(Hedging{Delay: 1}),
		"hedge of all":       WithHedging(Hedging{Percentile: 1, Extra: 1}),
		"nil interceptor":    WithInterceptors(nil),
	} {
		if _, err := newConfig([]Option{o}); err == nil {
			t.Errorf("%s: accepted", name)
		} else if e := new(rpc.Error); errors.As(err, &e) {
			t.Errorf("%s: %v is not about a parameter", name, err)
		}
	}
}
