package handler

import (
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestStandingQueue(t *testing.T) {
	const ms = time.Millisecond
	type look struct {
		at, wait time.Duration
		standing bool
	}
	for name, looks := range map[string][]look{
		"every call waits":      {{0, 10 * ms, false}, {50 * ms, 20 * ms, false}, {100 * ms, 20 * ms, true}, {199 * ms, 20 * ms, true}, {200 * ms, 20 * ms, true}},
		"one does not":          {{0, 10 * ms, false}, {50 * ms, 4 * ms, false}, {100 * ms, 20 * ms, false}},
		"no more":               {{0, 10 * ms, false}, {100 * ms, 10 * ms, true}, {150 * ms, 0, true}, {200 * ms, 10 * ms, false}},
		"a burst after a pause": {{0, 10 * ms, false}, {100 * ms, 10 * ms, true}, {time.Minute, 10 * ms, false}},
	} {
		var s shedder
		s.observe(0, t0.Add(-time.Minute))
		for i, l := range looks {
			if s.observe(l.wait, t0.Add(l.at)); s.standing != l.standing {
				t.Errorf("%s, look %d: standing %v", name, i, s.standing)
			}
		}
	}
}

func TestHopeless(t *testing.T) {
	m := &rpc.Method{}
	s := shedder{standing: true}
	for range 100 {
		s.learn(m, 10*time.Millisecond)
	}
	// The method takes 10 ms, and an eighth of the second that the caller gave is for the way back.
	for _, tt := range []struct {
		left time.Duration
		want bool
	}{{134 * time.Millisecond, true}, {136 * time.Millisecond, false}} {
		c := &rpc.Call{Handler: &rpc.Handler{Method: m}, Received: t0, Deadline: t0.Add(time.Second)}
		if got := s.hopeless(c, c.Deadline.Add(-tt.left)); got != tt.want {
			t.Errorf("%v left: %v", tt.left, got)
		}
		s.standing = false
		if s.hopeless(c, c.Deadline.Add(-tt.left)) {
			t.Errorf("%v left, without a queue", tt.left)
		}
		s.standing = true
		c.Deadline = time.Time{}
		if s.hopeless(c, t0.Add(time.Hour)) {
			t.Error("a call without a deadline")
		}
	}
}

func TestEstimateFollows(t *testing.T) {
	var s shedder
	m := &rpc.Method{}
	for i := range 200 {
		took := 10 * time.Millisecond
		if i >= 100 {
			took = time.Millisecond
		}
		s.learn(m, took)
		if up := s.methods[m].upper(); i%100 == 99 && (up < took || up > took*11/10) {
			t.Errorf("after %d calls: %v, they take %v", i+1, up, took)
		}
	}
}
