package flow_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
)

func TestSender(t *testing.T) {
	s := flow.NewSender(100)
	if s.Avail() != 100 || s.Take(101) || !s.Take(60) || s.Avail() != 40 || s.Sent() != 60 {
		t.Fatalf("%v", &s)
	}
	for _, tc := range []struct {
		limit  uint64
		raised bool
		err    error
		avail  uint64
	}{
		{100, false, nil, 40}, // again
		{50, false, nil, 40},  // late, below what was sent
		{130, true, nil, 70},
		{120, false, nil, 70}, // overtaken
		{flow.MaxOffset + 1, false, flow.ErrOffset, 70},
		{math.MaxUint64, false, flow.ErrOffset, 70},
		{flow.MaxOffset, true, nil, flow.MaxOffset - 60},
	} {
		if raised, err := s.Raise(tc.limit); raised != tc.raised || err != tc.err || s.Avail() != tc.avail {
			t.Errorf("raise to %d: %v, %v, then %v", tc.limit, raised, err, &s)
		}
	}
	if s.Take(math.MaxUint64) || !s.Take(s.Avail()) || s.Sent() != flow.MaxOffset || s.Take(1) {
		t.Errorf("at the end: %v", &s)
	}
	if s := flow.NewSender(math.MaxUint64); s.Limit() != flow.MaxOffset {
		t.Errorf("limit %d", s.Limit())
	}
}

func TestReceiver(t *testing.T) {
	r := flow.NewReceiver(100, 100)
	if err := r.Receive(101); err != flow.ErrExceeded || r.Received() != 0 {
		t.Fatalf("%v, %v", err, &r)
	}
	if err := r.Receive(60); err != nil || r.Buffered() != 60 || r.Due() {
		t.Fatalf("%v, %v", err, &r)
	}
	if n := r.Consume(24); n != 24 || r.Due() || r.Worth() {
		t.Errorf("a limit is due, or worth a part of a write, after %d of 100", n)
	}
	if r.Consume(1); r.Due() || !r.Worth() {
		t.Errorf("none is worth a part of a write after a quarter: %v", &r)
	}
	if r.Consume(11); r.Due() {
		t.Errorf("a limit is due before three eighths of the window: %v", &r)
	}
	if r.Consume(1); !r.Due() || !r.Worth() || r.Outstanding() != 63 {
		t.Errorf("none is due after three eighths of the window: %v", &r)
	}
	if limit := r.Advertise(); limit != 137 || r.Due() || r.Worth() || r.Outstanding() != 100 {
		t.Errorf("limit %d, %v", limit, &r)
	}
	if n := r.Consume(math.MaxUint64); n != 23 || r.Buffered() != 0 {
		t.Errorf("consumed %d, %v", n, &r)
	}
	r.Resize(200)
	if limit := r.Advertise(); limit != 260 || r.Window() != 200 {
		t.Errorf("limit %d after it grew", limit)
	}
	r.Resize(10) // what is advertised stays
	if limit := r.Advertise(); limit != 260 || r.Outstanding() != 200 || r.Due() {
		t.Errorf("limit %d after it shrank", limit)
	}
	for final, want := range map[uint64]error{59: flow.ErrOffset, 60: nil, 260: nil, 261: flow.ErrExceeded, math.MaxUint64: flow.ErrOffset} {
		missing, err := r.Finish(final)
		if err != want || err == nil && missing != final-60 {
			t.Errorf("final offset %d: %d, %v", final, missing, err)
		}
	}
}

// A window that starts below its size is due at once.
func TestReceiverStartsLow(t *testing.T) {
	r := flow.NewReceiver(64, 256)
	if !r.Due() || r.Advertise() != 256 {
		t.Errorf("%v", &r)
	}
}

// At the highest offset the limit stops and nothing wraps.
func TestReceiverAtTheEnd(t *testing.T) {
	r := flow.NewReceiver(flow.MaxOffset, math.MaxUint64)
	for range 3 {
		if err := r.Receive(flow.MaxOffset / 3); err != nil {
			t.Fatal(err)
		}
		r.Consume(flow.MaxOffset / 3)
		if r.Due() || r.Advertise() != flow.MaxOffset {
			t.Errorf("%v", &r)
		}
	}
	if err := r.Receive(1 << 10); err != flow.ErrExceeded {
		t.Errorf("beyond: %v", err)
	}
}

// A window of any size, however small, keeps going: a sender with nothing left, whose bytes are all consumed, is due a
// limit. And neither end ever passes its bounds, in whatever order things happen.
func TestWindowNeverStalls(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		window := rnd.Uint64N(50) + 1
		s, r := flow.NewSender(window), flow.NewReceiver(window, window)
		var limits []uint64 // on their way
		last := uint64(0)
		for range 300 {
			switch rnd.IntN(4) {
			case 0:
				if n := s.Avail(); n > 0 {
					n = rnd.Uint64N(n) + 1
					if !s.Take(n) {
						t.Fatalf("seed %d: cannot take %d: %v", seed, n, &s)
					}
					if err := r.Receive(n); err != nil {
						t.Fatalf("seed %d: %v: %v", seed, err, &r)
					}
				}
			case 1:
				r.Consume(rnd.Uint64N(10))
			case 2:
				if r.Due() {
					limits = append(limits, r.Advertise())
				}
			case 3:
				if len(limits) > 0 { // any of them: order does not matter
					i := rnd.IntN(len(limits))
					if _, err := s.Raise(limits[i]); err != nil {
						t.Fatal(err)
					}
					if rnd.IntN(2) == 0 {
						limits = append(limits[:i], limits[i+1:]...)
					}
				}
			}
			if r.Limit() < last || s.Limit() > r.Limit() || r.Outstanding() > window || r.Buffered() > r.Outstanding() {
				t.Fatalf("seed %d, window %d: %v; %v", seed, window, &s, &r)
			}
			last = r.Limit()
		}
		s.Take(s.Avail())
		for _, l := range limits {
			s.Raise(l)
		}
		r.Receive(s.Sent() - r.Received())
		r.Consume(r.Buffered())
		if s.Avail() == 0 && !r.Due() {
			t.Fatalf("seed %d: stalled: %v; %v", seed, &s, &r)
		}
	}
}

func TestBudget(t *testing.T) {
	server := flow.NewBudget(nil, 100)
	a, b := flow.NewBudget(server, 80), flow.NewBudget(server, 80)
	if !a.Reserve(80) || a.Reserve(1) {
		t.Errorf("%v", a)
	}
	if b.Reserve(21) || b.Used() != 0 || server.Used() != 80 {
		t.Errorf("what the parent refused is held: %v, %v", b, server)
	}
	if !b.Reserve(20) || server.Used() != 100 {
		t.Errorf("%v, %v", b, server)
	}
	a.Release(80)
	b.Release(20)
	if a.Used()+b.Used()+server.Used() != 0 {
		t.Errorf("%v, %v, %v", a, b, server)
	}
	if a.Reserve(math.MaxUint64) {
		t.Error("an impossible amount is reserved")
	}
	var none *flow.Budget
	if !none.Reserve(1<<40) || none.Used() != 0 || none.Limit() != flow.MaxOffset {
		t.Error("nil is not without bound")
	}
	none.Release(1 << 40)
}

func TestReservation(t *testing.T) {
	b := flow.NewBudget(nil, 100)
	r := flow.NewReservation(b)
	if !r.Grow(70) || r.Grow(31) || r.Grow(math.MaxUint64) || !r.Grow(30) || r.Held() != 100 {
		t.Errorf("%d, %v", r.Held(), b)
	}
	r.ShrinkTo(200)
	if r.ShrinkTo(40); r.Held() != 40 || b.Used() != 40 {
		t.Errorf("%d, %v", r.Held(), b)
	}
	r.ShrinkTo(0)
	if r.ShrinkTo(0); b.Used() != 0 {
		t.Errorf("%v", b)
	}
}

func TestBudgetConcurrently(t *testing.T) {
	server := flow.NewBudget(nil, 1000)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			conn := flow.NewBudget(server, 600)
			r := flow.NewReservation(conn)
			rnd := rand.New(rand.NewPCG(uint64(i), 2))
			for range 10_000 {
				if !r.Grow(rnd.Uint64N(200)) {
					r.ShrinkTo(r.Held() / 2)
				}
				if conn.Used() != r.Held() || server.Used() > 1000 {
					t.Errorf("%v, held %d; %v", conn, r.Held(), server)
					return
				}
			}
			r.ShrinkTo(0)
		})
	}
	wg.Wait()
	if server.Used() != 0 {
		t.Errorf("%v", server)
	}
}

func FuzzWindow(f *testing.F) {
	f.Add(uint64(100), uint64(100), uint64(1), uint64(2), uint64(math.MaxUint64))
	f.Add(uint64(math.MaxUint64), uint64(flow.MaxOffset), uint64(flow.MaxOffset), uint64(1), uint64(0))
	f.Fuzz(func(t *testing.T, limit, window, receive, consume, final uint64) {
		r := flow.NewReceiver(limit, window)
		for range 3 {
			before := r.Limit()
			err := r.Receive(receive)
			if err != nil && !errors.Is(err, flow.ErrExceeded) {
				t.Fatal(err)
			}
			r.Consume(consume)
			if r.Due() && r.Advertise() <= before || r.Limit() < before || r.Limit() > flow.MaxOffset || r.Received() > r.Limit() || r.Buffered() > r.Outstanding() {
				t.Fatalf("%v, before %d", &r, before)
			}
			if missing, err := r.Finish(final); err == nil && r.Received()+missing != final {
				t.Fatalf("%v: %d missing to %d", &r, missing, final)
			}
		}
	})
}

func BenchmarkWindow(b *testing.B) {
	s, r := flow.NewSender(256<<10), flow.NewReceiver(256<<10, 256<<10)
	b.ReportAllocs()
	for b.Loop() {
		if !s.Take(1000) || r.Receive(1000) != nil {
			b.Fatal(&s, &r)
		}
		r.Consume(1000)
		if r.Due() {
			s.Raise(r.Advertise())
		}
		if s.Avail() < 1000 || s.Sent() > flow.MaxOffset/2 {
			b.Fatal(&s, &r)
		}
	}
}

func BenchmarkBudget(b *testing.B) {
	r := flow.NewReservation(flow.NewBudget(flow.NewBudget(nil, 1<<30), 1<<20))
	b.ReportAllocs()
	for b.Loop() {
		if !r.Grow(1000) {
			b.Fatal("refused")
		}
		r.ShrinkTo(0)
	}
}
