package handler

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// TestWait: when an idle worker looks, and what becomes of its window.
func TestWait(t *testing.T) {
	before := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(before)
	idle := func(lone int, window busypoll.Window) *worker {
		return &worker{wake: make(chan struct{}, 1), lone: lone, window: window}
	}

	w := idle(loneliness, busypoll.Window{Most: time.Hour, Now: time.Minute})
	time.AfterFunc(10*time.Millisecond, w.signal)
	w.wait()
	if w.window.Now != time.Minute {
		t.Errorf("woken while it looked: a window of %v", w.window.Now)
	}

	w = idle(loneliness, busypoll.Window{Most: time.Hour})
	w.signal()
	w.wait()
	if w.window.Now == 0 {
		t.Error("a call came soon, and the window is still closed")
	}

	w = idle(loneliness, busypoll.Window{Most: time.Nanosecond, Now: time.Nanosecond})
	time.AfterFunc(time.Millisecond, w.signal)
	w.wait()
	if w.window.Now != 0 {
		t.Errorf("a call came late: a window of %v", w.window.Now)
	}

	busypoll.Start() // as if somebody else were looking
	w = idle(loneliness, busypoll.Window{Most: time.Hour, Now: time.Minute})
	time.AfterFunc(time.Millisecond, w.signal)
	w.wait()
	busypoll.Done()

	for name, w := range map[string]*worker{
		"not alone":  idle(loneliness-1, busypoll.Window{Most: time.Hour}),
		"turned off": idle(loneliness, busypoll.Window{}),
	} {
		w.signal()
		w.wait()
		if w.window.Now != 0 {
			t.Errorf("%s: a window of %v", name, w.window.Now)
		}
	}
}

// TestLookingEnds where the clock stands still while a goroutine runs.
func TestLookingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &worker{wake: make(chan struct{}, 1)}
		w.window = busypoll.Window{Most: MaxBusyPoll, Now: MaxBusyPoll}
		if w.look(time.Now()) {
			t.Error("woken by nobody")
		}
	})
}

// TestLoneCalls counts what tells a worker that its calls come one by one.
func TestLoneCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r := register(t, func(_ context.Context, args *number) (codec.Encodable, error) {
			if args.n > 0 {
				<-hold
			}
			return args, nil
		})
		h := start(t, r, Options{})
		defer h.Close(context.Background())
		got := newReplies(100)
		id := uint64(0)
		send := func(n int64) {
			id++
			h.Dispatch([]*rpc.Call{call(id, n, got)})
			synctest.Wait()
		}
		for range 2 * loneliness {
			send(0)
		}
		if w := h.idle[0]; len(h.idle) != 1 || w.lone != 2*loneliness || w.window.Most != DefaultBusyPoll {
			t.Fatalf("%d workers; lone %d, window %+v", len(h.idle), w.lone, w.window)
		}
		send(1)
		send(0) // while the other runs
		close(hold)
		synctest.Wait()
		lone := map[int]int{}
		for _, w := range h.idle {
			lone[w.lone]++
		}
		if len(h.idle) != 2 || lone[0] != 1 || lone[2*loneliness+1] != 1 {
			t.Errorf("of %d workers: %v", len(h.idle), lone)
		}

		h = start(t, r, Options{Workers: 1})
		defer h.Close(context.Background())
		for range loneliness {
			send(0)
		}
		h.mu.Lock()
		h.streams++ // as if one ran, which may need the processor
		h.mu.Unlock()
		send(0)
		if w := h.idle[0]; w.lone != 0 {
			t.Errorf("lone %d beside a stream", w.lone)
		}
		h.mu.Lock()
		h.streams--
		h.mu.Unlock()
		for range loneliness {
			send(0)
		}
		h.Dispatch([]*rpc.Call{call(1001, 0, got), call(1002, 0, got)})
		synctest.Wait()
		if w := h.idle[0]; w.lone != 0 {
			t.Errorf("lone %d after a batch", w.lone)
		}
	})
}
