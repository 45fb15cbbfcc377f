package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// home returns an address for a server that is restarted: one that nobody takes in the meantime. On Linux every process
// that connects without a choice of its own does so from 127.0.0.1, so ports of other loopback addresses stay free.
func home(t testing.TB) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		return "unix://" + t.TempDir() + "/s"
	}
	return fmt.Sprintf("tcp://127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(250), 2+rand.IntN(250))
}

// TestKillMidCall: callers of a server that is killed learn it at once and are told the truth, and go on when it is back.
func TestKillMidCall(t *testing.T) {
	t.Parallel()
	const callers = 16
	p := start(t, config{Address: home(t)})
	c := dial(t, p.address, client.WithWaitForReady())
	ended := make(chan time.Time, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			_, err := call(t.Context(), c, appendLine, order{ID: int64(i), Hold: time.Hour})
			ended <- time.Now()
			if err == nil {
				t.Error("the call of a killed server succeeded")
			} else if e := failure(t, err); e.Code != rpc.Unavailable || e.Execution != rpc.MaybeExecuted {
				t.Errorf("got %v, want unavailable, maybe executed", e)
			}
		})
	}
	p.await(callers)
	killed := time.Now()
	p.kill()
	wg.Wait()
	close(ended)
	worst := time.Duration(0)
	for at := range ended {
		worst = max(worst, at.Sub(killed))
	}
	if worst > promptly {
		t.Errorf("a caller learned of the server's death after %v", worst)
	}
	start(t, config{Address: p.address})
	restarted := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if _, err := call(ctx, c, appendLine, order{ID: 100}); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	t.Logf("callers learned of the death within %v; the first call after the restart took %v", worst, time.Since(restarted))
}

// TestStop freezes a server for three seconds at the least. Deadlines do not wait for it to go on, keepalive notices, and it
// is of use again when it does.
func TestStop(t *testing.T) {
	t.Parallel()
	const (
		frozen   = 3 * time.Second
		deadline = 300 * time.Millisecond
		idle     = 500 * time.Millisecond
	)
	p := start(t, config{Address: home(t)})
	patient := dial(t, p.address)                                    // does not notice
	watchful := dial(t, p.address, client.WithKeepalive(idle, idle)) // does
	for i, c := range []*client.Client{patient, watchful} {
		if _, err := call(t.Context(), c, methodRead, order{ID: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	p.signal(syscall.SIGSTOP)
	stopped := time.Now()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { // a deadline
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			_, err := call(ctx, patient, appendLine, order{ID: int64(10 + i)})
			took := time.Since(begin)
			if e := failure(t, err); e.Code != rpc.DeadlineExceeded || took < deadline || took > deadline+promptly {
				t.Errorf("a call with a deadline of %v ended after %v: %v", deadline, took, err)
			}
		})
		wg.Go(func() { // no deadline, but keepalive
			begin := time.Now()
			_, err := call(t.Context(), watchful, appendLine, order{ID: int64(20 + i)})
			took := time.Since(begin)
			if e := failure(t, err); e.Code != rpc.Unavailable || e.Execution != rpc.MaybeExecuted || took > 2*idle+promptly {
				t.Errorf("keepalive ended a call after %v: %v", took, err)
			}
		})
	}
	wg.Wait()
	time.Sleep(time.Until(stopped.Add(frozen)))
	p.signal(syscall.SIGCONT)
	resumed := time.Now()
	for i, c := range []*client.Client{patient, watchful} {
		var err error
		for late := time.Now().Add(soon); time.Now().Before(late); {
			if _, err = call(t.Context(), c, methodRead, order{ID: int64(30 + i)}); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond) // fail fast between attempts to connect: the next one is on its way
		}
		if err != nil {
			t.Errorf("client %d, after the server went on: %v", i, err)
		}
	}
	t.Logf("both clients were at work %v after the server went on; %d handlers in all", time.Since(resumed), p.report().Begun)
}
