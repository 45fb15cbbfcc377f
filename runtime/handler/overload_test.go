package handler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// from is call for a caller at an address.
func from(address string, id uint64, to rpc.Replier) *rpc.Call {
	e := codec.NewEncoder(codec.Binary, nil)
	(&number{int64(id)}).EncodeThrift(e)
	return &rpc.Call{ID: id, Name: "run", Body: e.Bytes(), Dialect: plain{}, Replier: to, Received: time.Now(),
		Peer: &rpc.Peer{Network: "tcp", Address: address}}
}

// blocked is a Handler with one worker, which is held until release is called.
func blocked(t *testing.T, o Options) (h *Handler, release func()) {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	o.Workers = 1
	h = start(t, register(t, func(_ context.Context, args *number) (codec.Encodable, error) {
		select {
		case held <- struct{}{}:
		default:
		}
		<-hold
		return args, nil
	}), o)
	h.Dispatch([]*rpc.Call{from("blocker:1", 1_000_000, replierFunc(func(*rpc.Call, rpc.Reply) {}))})
	<-held
	return h, sync.OnceFunc(func() { close(hold) })
}

func TestBusyAndFailover(t *testing.T) {
	for _, tt := range []struct {
		failover bool
		code     rpc.Code
		advice   rpc.Advice
	}{{false, rpc.ResourceExhausted, rpc.AdviceRetry}, {true, rpc.Unavailable, rpc.AdviceFailover}} {
		to := newReplies(2)
		h, release := blocked(t, Options{Queue: 1, Overload: Overload{Failover: tt.failover}})
		h.Dispatch([]*rpc.Call{from("a:1", 1, to), from("a:1", 2, to)})
		r := <-to.c
		if r.Err == nil || r.Err.Code != tt.code || r.Err.Advice != tt.advice || r.Err.Execution != rpc.NotExecuted {
			t.Errorf("failover %v: %+v", tt.failover, r)
		}
		release()
		h.Close(context.Background())
		if s := h.Stats(); s.ClientBackoff != 1 || s.Requests != 3 || s.CallSuccesses != 2 {
			t.Errorf("%+v", s)
		}
	}
}

func TestCallsOfOneCallerAreLimited(t *testing.T) {
	to := newReplies(10)
	h, release := blocked(t, Options{Overload: Overload{MaxPerCaller: 2, Identity: ByAddress}})
	h.Dispatch([]*rpc.Call{from("a:1", 1, to), from("a:2", 2, to), from("a:3", 3, to), from("b:1", 4, to)})
	r := <-to.c
	if len(to.by) != 1 || to.by[3].Err == nil || r.Err.Code != rpc.ResourceExhausted || r.Err.Advice != rpc.AdviceRetry {
		t.Errorf("refused: %+v", to.by)
	}
	release()
	for range 3 {
		<-to.c
	}
	h.Dispatch([]*rpc.Call{from("a:1", 5, to), from("a:1", 6, to)}) // its place is free when the reply is there
	for range 2 {
		if r := <-to.c; r.Err != nil {
			t.Errorf("later: %v", r.Err)
		}
	}
	h.Close(context.Background())
	if s := h.Stats(); s.CallerLimit != 1 || s.CallSuccesses != 6 {
		t.Errorf("%+v", s)
	}
	for _, c := range h.Stats().Callers {
		if c.InFlight != 0 {
			t.Errorf("%+v", c)
		}
	}
}

// A full queue of calls that nobody waits for has room.
func TestEndedCallsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []Overload{{}, {Fair: true, MaxPerCaller: 100}} {
			to := newReplies(10)
			h, release := blocked(t, Options{Queue: 4, Overload: o})
			for id := range uint64(4) {
				c := from("a:1", id, to)
				switch id {
				case 0:
					c.Deadline = time.Now().Add(time.Second)
				case 1:
					c.Cancel(context.Canceled)
				}
				h.Dispatch([]*rpc.Call{c})
			}
			time.Sleep(time.Second)
			h.Dispatch([]*rpc.Call{from("a:1", 4, to), from("a:1", 5, to), from("a:1", 6, to)})
			release()
			h.Close(context.Background())
			want := map[uint64]rpc.Code{0: rpc.DeadlineExceeded, 1: rpc.Canceled, 6: rpc.ResourceExhausted}
			for id, r := range to.by {
				code := rpc.Code(0)
				if r.Err != nil {
					code = r.Err.Code
				}
				if code != want[id] {
					t.Errorf("fair %v, call %d: %v", o.Fair, id, code)
				}
				if code == rpc.DeadlineExceeded && r.Err.Stages.ServerQueue != time.Second {
					t.Errorf("stages: %v", r.Err.Stages)
				}
			}
			if s := h.Stats(); s.Expired != 1 || s.Canceled != 1 || s.ClientBackoff != 1 || len(to.by) != 7 {
				t.Errorf("fair %v: %+v", o.Fair, s)
			}
		}
	})
}

func TestDeadlineErrorsSayWhereTheTimeWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, register(t, func(ctx context.Context, args *number) (codec.Encodable, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}), Options{Workers: 1})
		to := newReplies(2)
		for id := range uint64(2) {
			c := from("a:1", id, to)
			c.Deadline = time.Now().Add(time.Duration(1+2*id) * time.Second)
			h.Dispatch([]*rpc.Call{c})
		}
		h.Close(context.Background())
		for id, want := range []rpc.Stages{{Handler: time.Second}, {ServerQueue: time.Second, Handler: 2 * time.Second}} {
			if r := to.by[uint64(id)]; r.Err == nil || r.Err.Code != rpc.DeadlineExceeded || r.Err.Stages != want {
				t.Errorf("call %d: %+v", id, r.Err)
			}
		}
		if s := h.Stats(); s.QueueTime != (Timing{2, time.Second, time.Second}) || s.ProcessingTime != (Timing{2, 3 * time.Second, 2 * time.Second}) {
			t.Errorf("%+v %+v", s.QueueTime, s.ProcessingTime)
		}
	})
}

func TestBackOffByResponseTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, register(t, func(_ context.Context, args *number) (codec.Encodable, error) {
			time.Sleep(time.Duration(args.n) * time.Second)
			return args, nil
		}), Options{Overload: Overload{ResponseTimes: []time.Duration{3 * time.Second}}})
		to := newReplies(3)
		h.Dispatch([]*rpc.Call{from("a:1", 4, to)})
		<-to.c
		time.Sleep(5 * time.Second)
		h.Dispatch([]*rpc.Call{from("b:1", 1, to)})
		if r := <-to.c; r.Err == nil || r.Err.Code != rpc.ResourceExhausted || r.Err.Advice != rpc.AdviceRetry {
			t.Errorf("while calls are slow: %+v", r)
		}
		time.Sleep(5 * time.Second)
		h.Dispatch([]*rpc.Call{from("b:1", 0, to)})
		if r := <-to.c; r.Err != nil {
			t.Errorf("a period later: %v", r.Err)
		}
		h.Close(context.Background())
	})
}

// Settings change under load: no call is lost, none is run twice, and those that were queued go first.
func TestReconfigure(t *testing.T) {
	to := newReplies(100)
	h, release := blocked(t, Options{Queue: 10})
	var want []uint64
	id := uint64(0)
	dispatch := func(n int) {
		for range n {
			h.Dispatch([]*rpc.Call{from(fmt.Sprint("host", id%3, ":1"), id, to)})
			want = append(want, id)
			id++
		}
	}
	dispatch(10)
	for i, o := range []Overload{{Fair: true}, {Fair: true, Levels: 2, MaxPerCaller: 50}, {}} {
		if err := h.Reconfigure(10+i, o); err != nil {
			t.Fatal(err)
		}
		dispatch(4)
	}
	if err := h.Reconfigure(0, Overload{Levels: -1}); err == nil {
		t.Error("bad settings passed")
	}
	if s := h.Stats(); s.Queued != len(want) || s.Levels != nil {
		t.Errorf("%+v", s)
	}
	release()
	var got []uint64
	for range want {
		r := <-to.c
		got = append(got, uint64(r.Result.(*number).n))
	}
	for begin := 10; begin < len(got); begin += 4 { // callers take turns among those of the same settings
		slices.Sort(got[begin : begin+4])
	}
	if !slices.Equal(got, want) {
		t.Errorf("order %v", got)
	}
	h.Close(context.Background())
}

func TestReconfigureUnderLoad(t *testing.T) {
	const calls = 5_000
	to := newReplies(calls)
	h := start(t, register(t, square), Options{Workers: 4, Queue: 2 * calls})
	done := make(chan struct{})
	var changes sync.WaitGroup
	changes.Go(func() {
		settings := []Overload{{Fair: true}, {}, {MaxPerCaller: calls}, {Fair: true, Levels: 3, Identity: ByClient}}
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if err := h.Reconfigure(2*calls, settings[i%len(settings)]); err != nil {
				t.Error(err)
			}
			h.Stats()
			runtime.Gosched()
		}
	})
	for id := range uint64(calls) {
		h.Dispatch([]*rpc.Call{from(fmt.Sprint("host", id%7, ":1"), id, to)})
	}
	for range calls {
		if r := <-to.c; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	close(done)
	changes.Wait()
	h.Close(context.Background())
	if s := h.Stats(); s.CallSuccesses != calls || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCostThatPanics(t *testing.T) {
	to := newReplies(1)
	h := start(t, register(t, square), Options{Overload: Overload{Fair: true, Cost: func(*rpc.Method, Usage) int64 { panic("secret") }}})
	h.Dispatch([]*rpc.Call{from("a:1", 3, to)})
	if r := <-to.c; r.Err != nil {
		t.Error(r.Err)
	}
	h.Close(context.Background())
}

// crowd is how long the calls of a caller took that has one in flight: by itself, in the first second beside somebody who
// has come with 512, and in a later one.
type crowd struct{ alone, first, later []time.Duration }

// measureCrowd takes simulated time. Calls take a millisecond.
func measureCrowd(t *testing.T, workers int, o Overload) (c crowd) {
	h := start(t, register(t, func(_ context.Context, args *number) (codec.Encodable, error) {
		time.Sleep(time.Millisecond)
		return args, nil
	}), Options{Workers: workers, Queue: 1024, Overload: o})
	done := make(chan rpc.Reply, 1)
	light := replierFunc(func(_ *rpc.Call, r rpc.Reply) { done <- r })
	run := func(d time.Duration) (all []time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); {
			began := time.Now()
			h.Dispatch([]*rpc.Call{from("light:1", 0, light)})
			if r := <-done; r.Err != nil {
				t.Fatal(r.Err)
			}
			all = append(all, time.Since(began))
		}
		slices.Sort(all)
		return all
	}
	c.alone = run(10 * time.Second)
	time.Sleep(time.Millisecond / 2) // or its calls would find a worker that is free at the same moment
	var stop, refused atomic.Bool
	var greedy rpc.Replier
	greedy = replierFunc(func(c *rpc.Call, r rpc.Reply) {
		if r.Err != nil {
			refused.CompareAndSwap(false, r.Err.Code == rpc.ResourceExhausted) // and not Unavailable, at the end
		} else if !stop.Load() {
			h.Dispatch([]*rpc.Call{from("greedy:1", c.ID, greedy)})
		}
	})
	all := make([]*rpc.Call, 512)
	for id := range all {
		all[id] = from("greedy:1", uint64(id), greedy)
	}
	h.Dispatch(all)
	c.first = run(time.Second)
	run(5 * time.Second) // costs decay once
	c.later = run(time.Second)
	stop.Store(true)
	h.Close(context.Background())
	if refused.Load() {
		t.Error("a call was refused, though there was room")
	}
	return c
}

// One caller with 512 calls in flight beside one with 1, with the default settings and from the first moment on: in time
// that passes only while everybody waits, so that what is measured is the queue's doing.
func TestFairnessSimulated(t *testing.T) {
	p99 := func(all []time.Duration) time.Duration { return all[len(all)*99/100] }
	sizes := []int{2, 8, 32}
	if testing.Short() {
		sizes = sizes[:2]
	}
	for _, workers := range sizes {
		synctest.Test(t, func(t *testing.T) {
			fair, fifo := measureCrowd(t, workers, Overload{Fair: true}), measureCrowd(t, workers, Overload{})
			alone := p99(fair.alone)
			t.Logf("%d workers, p99 alone %v; fair: first second %v, longest %v, later %v; first in first out: %v and %v",
				workers, alone, p99(fair.first), fair.first[len(fair.first)-1], p99(fair.later), p99(fifo.first), p99(fifo.later))
			if p99(fair.first) > 2*alone || p99(fair.later) > 2*alone {
				t.Errorf("p99 of the light caller: %v at first, %v later, alone %v", p99(fair.first), p99(fair.later), alone)
			}
			if min(p99(fifo.first), p99(fifo.later)) < 4*alone {
				t.Errorf("without fairness it is %v and %v: the test shows nothing", p99(fifo.first), p99(fifo.later))
			}
		})
	}
}

// The same in real time. A machine that is busy with other things makes everything slower, so that the bound is against
// the first in first out queue, which lets the light caller wait for 512 calls.
func TestFairnessReal(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two seconds")
	}
	measure := func(o Overload) time.Duration {
		h := start(t, register(t, func(_ context.Context, args *number) (codec.Encodable, error) {
			time.Sleep(time.Millisecond)
			return args, nil
		}), Options{Workers: 8, Queue: 4096, Overload: o})
		var stop atomic.Bool
		var greedy rpc.Replier
		greedy = replierFunc(func(c *rpc.Call, _ rpc.Reply) {
			if !stop.Load() {
				h.Dispatch([]*rpc.Call{from("greedy:1", c.ID, greedy)})
			}
		})
		for id := range uint64(512) {
			h.Dispatch([]*rpc.Call{from("greedy:1", id, greedy)})
		}
		done := make(chan struct{}, 1)
		light := replierFunc(func(*rpc.Call, rpc.Reply) { done <- struct{}{} })
		var all []time.Duration
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			began := time.Now()
			h.Dispatch([]*rpc.Call{from("light:1", 0, light)})
			<-done
			all = append(all, time.Since(began))
		}
		stop.Store(true)
		h.Close(context.Background())
		slices.Sort(all)
		return all[len(all)/2]
	}
	for range 5 { // the machine may be busy during one of the two
		fair, fifo := measure(Overload{Fair: true}), measure(Overload{})
		t.Logf("median of the light caller: fair %v, first in first out %v", fair, fifo)
		if fair*4 <= fifo {
			return
		}
	}
	t.Error("a fair queue does not let the light caller go first")
}

// flood sends calls at rate per second for a while, each with a deadline of its own, to 10 workers whose calls take 10 ms,
// and returns how many a second are answered in time.
func flood(t *testing.T, o Overload, rate int, s *Stats) (goodput float64) {
	const length, allowance = 6 * time.Second, 500 * time.Millisecond
	reg := register(t, func(_ context.Context, args *number) (codec.Encodable, error) {
		time.Sleep(10 * time.Millisecond)
		return args, nil
	})
	target, err := reg.LookupThrift("run")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, reg, Options{Workers: 10, Queue: 2000, Overload: o})
	var good atomic.Int64
	to := replierFunc(func(c *rpc.Call, r rpc.Reply) {
		const wayBack = 5 * time.Millisecond
		if r.Err == nil && time.Now().Add(wayBack).Before(c.Deadline) {
			good.Add(1)
		}
	})
	r := rand.New(rand.NewPCG(1, 1))
	began := time.Now()
	most := 0
	for id := uint64(0); time.Since(began) < length; id++ {
		time.Sleep(time.Duration(r.ExpFloat64() * float64(time.Second) / float64(rate)))
		c := from(fmt.Sprint("host", id%50, ":1"), id, to)
		c.Handler, c.Deadline = target, time.Now().Add(allowance)
		h.Dispatch([]*rpc.Call{c})
		if id%100 == 0 {
			most = max(most, h.Stats().Queued)
		}
	}
	goodput = float64(good.Load()) / time.Since(began).Seconds()
	h.Close(context.Background())
	*s = h.Stats()
	if most > 2000 {
		t.Errorf("%d calls were queued", most)
	}
	return goodput
}

// At four times the capacity, the server does as much useful work as at its peak, and none for calls that are too late.
func TestFloodSimulated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = 1000
		for name, o := range map[string]Overload{"first in first out": {}, "fair": {Fair: true}} {
			var s Stats
			peak := flood(t, o, capacity, &s)
			flooded := flood(t, o, 4*capacity, &s)
			o.KeepLate = true
			var kept Stats
			naive := flood(t, o, 4*capacity, &kept)
			t.Logf("%s: answered in time: %.0f/s at the peak, %.0f/s at four times that, %.0f/s if late calls are kept (shed %d, expired %d, refused %d)",
				name, peak, flooded, naive, s.Shed, s.Expired, s.ClientBackoff)
			if flooded < 0.9*capacity || flooded < 0.9*peak {
				t.Errorf("%s: %.0f/s are answered in time, %.0f/s at the peak", name, flooded, peak)
			}
			if total := s.CallSuccesses + s.CallFailures + s.Shed + s.Expired + s.Canceled + s.ClientBackoff; total != s.Requests {
				t.Errorf("%s: %d calls of %d are accounted for: %+v", name, total, s.Requests, s)
			}
			if got := s.ProcessingTime.Count; got != s.CallSuccesses {
				t.Errorf("%s: workers were busy with %d calls, %d succeeded", name, got, s.CallSuccesses)
			}
		}
	})
}

// A flood that never ends must not make the heap grow: what is refused leaves nothing behind.
func TestFloodKeepsMemoryFlat(t *testing.T) {
	h, release := blocked(t, Options{Queue: 100, Overload: Overload{Fair: true, Identity: ByClient, MaxCallers: 100}})
	var refused atomic.Int64
	to := replierFunc(func(_ *rpc.Call, r rpc.Reply) {
		if r.Err != nil {
			refused.Add(1)
		}
	})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	r := rand.New(rand.NewPCG(9, 9))
	send := func(n int) {
		for range n {
			c := from("a:1", r.Uint64(), to)
			for i := range c.ClientID { // a new one each time
				c.ClientID[i] = byte(r.Uint32())
			}
			h.Dispatch([]*rpc.Call{c})
		}
	}
	send(1000)
	before := heap()
	send(50_000)
	if grown := int64(heap()) - int64(before); grown > 256<<10 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if refused.Load() < 50_000 {
		t.Errorf("%d calls were refused", refused.Load())
	}
	release()
	h.Close(context.Background())
}
