package faults

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// TestRestarts kills a server 20 times under load. At-most-once calls, whose outcomes are in the journal together with
// what they did, are executed exactly once each and all succeed; idempotent calls all succeed.
func TestRestarts(t *testing.T) {
	t.Parallel()
	restarts := 20
	if *long {
		restarts = 100
	}
	c := config{Address: home(t), Journal: filepath.Join(t.TempDir(), "journal"), Persist: true}
	p := start(t, c)
	c.Address = p.address

	const callers = 8
	stop := make(chan struct{})
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		called   = make(map[int64]bool)
		ids      atomic.Int64
		once     atomic.Int64 // at-most-once calls that succeeded
		reads    atomic.Int64
		worst    atomic.Int64
		dead     sync.Map // pids
		replayed atomic.Int64
	)
	backoff := client.DefaultBackoff
	backoff.Max = 500 * time.Millisecond // its pauses would grow: no connection lasts for the second that makes it count as sound
	retry := client.DefaultRetry
	retry.Attempts = restarts + 1 // one call may be hit by more kills in a row than anybody should plan for
	each := func(m *rpc.Method, hold time.Duration) {
		conn := dial(t, p.address, client.WithWaitForReady(), client.WithBackoff(backoff), client.WithRetry(retry))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := ids.Add(1)
				ctx, cancel := context.WithTimeout(context.Background(), 4*soon)
				begin := time.Now()
				r, err := call(ctx, conn, m, order{ID: id, Hold: hold})
				cancel()
				for took := int64(time.Since(begin)); ; {
					if old := worst.Load(); took <= old || worst.CompareAndSwap(old, took) {
						break
					}
				}
				if err != nil {
					t.Errorf("call %d of %s: %v", id, m.FullName, err)
				}
				if m == methodRead {
					reads.Add(1)
					continue
				}
				once.Add(1)
				if _, gone := dead.Load(r.PID); gone {
					replayed.Add(1)
				}
				mu.Lock()
				called[id] = err == nil
				mu.Unlock()
			}
		})
	}
	for range callers / 2 {
		each(appendOnce, 25*time.Millisecond) // most of the time between the effect and the reply, for the kill to come there
		each(appendOnce, 0)
		each(methodRead, time.Millisecond)
	}
	for range restarts {
		want := once.Load() + 3*callers
		for late := time.Now().Add(soon); once.Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				close(stop)
				t.Fatal("no call succeeds any more")
			}
		}
		dead.Store(int64(p.cmd.Process.Pid), true)
		p.kill()
		p = start(t, c)
	}
	close(stop)
	wg.Wait()
	got, err := audit(c.Journal, called)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d restarts: at-most-once: %v, %d answered by the journal; idempotent: %d calls; the longest call took %v",
		restarts, got, replayed.Load(), reads.Load(), time.Duration(worst.Load()).Round(time.Millisecond))
	if !got.clean() {
		t.Errorf("%v: lost %v, doubles %v, strays %v", got, got.lost, got.doubles, got.strays)
	}
	if replayed.Load() < int64(restarts)/2 {
		t.Errorf("%d calls were answered by the journal: the test shows little", replayed.Load())
	}
}

// TestAuditFindsDoubles is the same with a retry cache that is lost with the process: calls whose replies it takes along
// are executed once more, and the audit must find every one of them. That is what a server without a RetryStore promises:
// at most once for as long as its process lives.
func TestAuditFindsDoubles(t *testing.T) {
	t.Parallel()
	const callers = 8
	c := config{Address: home(t), Journal: filepath.Join(t.TempDir(), "journal")}
	p := start(t, c)
	c.Address = p.address
	conn := dial(t, p.address, client.WithWaitForReady())
	called := make(map[int64]bool)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for id := range int64(callers) {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			_, err := call(ctx, conn, appendOnce, order{ID: id, Hold: time.Hour})
			if err != nil {
				t.Errorf("call %d: %v", id, err)
			}
			mu.Lock()
			called[id] = err == nil
			mu.Unlock()
		})
	}
	for late := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		lines, err := readJournal(c.Journal)
		if err != nil || time.Now().After(late) {
			t.Fatalf("%d executions, %v", len(lines), err)
		}
		if len(lines) == callers {
			break
		}
	}
	p.kill()
	c.Brief = true
	start(t, c)
	wg.Wait()
	got, err := audit(c.Journal, called)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.doubles) != callers || got.executions != 2*callers || got.clean() {
		t.Errorf("%v; want all %d executed twice", got, callers)
	}
	called[1000] = true // a success without an execution
	delete(called, 0)
	if got, err = audit(c.Journal, called); err != nil || len(got.lost) != 1 || len(got.strays) != 2 {
		t.Errorf("%v, %v; want one lost, and both executions of call 0 by nobody", got, err)
	}
}
