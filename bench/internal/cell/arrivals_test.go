package cell

import (
	"errors"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// TestStallIsPaidFor has one call of several hundred stall. What was due meanwhile must count as late: callers that
// make one call after another would see a single slow one.
func TestStallIsPaidFor(t *testing.T) {
	const stall = 200 * time.Millisecond
	began := make(chan struct{})
	var stalled bool
	call := func(int64) error {
		select {
		case <-began:
			if !stalled {
				stalled = true
				time.Sleep(stall) // a server that stands still
			}
		default:
		}
		return nil
	}
	a := newArrivals([]peer.Call{call}, 1000)
	if err := a.warm(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	a.begin()
	close(began)
	time.Sleep(2 * stall) // the window
	a.end()
	window := time.Since(begin) // longer, on a busy machine
	latency, err := a.stop()
	if err != nil {
		t.Fatal(err)
	}
	// What was due in the first half of the stall waited for a half of it at the least.
	share := stall.Seconds() / 2 / window.Seconds()
	if d := latency.Quantile(1 - share); d < stall/4 {
		t.Errorf("of %d calls, %.0f %% took longer than %v; the stall of %v is hidden", latency.Count(), 100*share, d, stall)
	}
	if latency.Count() < 200 {
		t.Errorf("%d calls of about 400 that were due have been counted", latency.Count())
	}
}

func TestArrivalsFail(t *testing.T) {
	lost := errors.New("lost")
	a := newArrivals([]peer.Call{func(int64) error { return lost }}, 1000)
	if err := a.warm(); !errors.Is(err, lost) {
		t.Errorf("warm: %v", err)
	}
	if _, err := a.stop(); !errors.Is(err, lost) {
		t.Errorf("stop: %v", err)
	}
}
