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

// TestDrain ends one of two servers in the orderly way, under load of clients that call synchronously, pipelined, and
// asynchronously. Methods are not marked, so that what may have been executed is not sent again: every call must have been
// answered, or be certain not to have been executed.
func TestDrain(t *testing.T) {
	t.Parallel()
	rounds := 3
	if *long {
		rounds = 30
	}
	c := config{Address: "tcp://127.0.0.1:0", Journal: filepath.Join(t.TempDir(), "journal"), Workers: 16}
	servers := []*process{start(t, c), start(t, c)}
	var (
		mu     sync.Mutex
		called = make(map[int64]bool)
		ids    atomic.Int64
		made   atomic.Int64
		resent atomic.Int64
	)
	note := func(id int64, err error) {
		if err != nil {
			t.Errorf("call %d: %v", id, err)
		}
		mu.Lock()
		called[id] = err == nil
		mu.Unlock()
		made.Add(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*soon)
	defer cancel()
	for range rounds {
		stop := make(chan struct{})
		stopped := func() bool {
			select {
			case <-stop:
				return true
			default:
				return false
			}
		}
		var wg sync.WaitGroup
		for range 3 {
			conn := dial(t, servers[0].address+","+servers[1].address)
			for range 8 {
				wg.Go(func() {
					for !stopped() {
						id := ids.Add(1)
						_, err := call(ctx, conn, appendLine, order{ID: id, Hold: time.Millisecond, Size: 1000})
						note(id, err)
					}
				})
			}
			async := dial(t, servers[0].address+","+servers[1].address)
			wg.Go(func() {
				for !stopped() {
					resent.Add(burst(ctx, async, &ids, note))
				}
			})
		}
		for want := made.Load() + 300; made.Load() < want; {
			time.Sleep(time.Millisecond)
			if ctx.Err() != nil {
				t.Fatal("the calls take too long")
			}
		}
		if r := servers[0].terminate(); r.Shutdown != "" {
			t.Errorf("shutdown: %s", r.Shutdown)
		}
		for want := made.Load() + 100; made.Load() < want && ctx.Err() == nil; { // they go on with the other one
			time.Sleep(time.Millisecond)
		}
		close(stop)
		wg.Wait()
		servers[0], servers[1] = servers[1], start(t, c)
	}
	got, err := audit(c.Journal, called)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d drains: %v; %d asynchronous calls were refused and sent again", rounds, got, resent.Load())
	if !got.clean() || got.executions != got.calls {
		t.Errorf("%v: lost %v, doubles %v, strays %v", got, got.lost, got.doubles, got.strays)
	}
}

// burst makes 16 asynchronous calls at once, and sends those again that were certainly not executed. It returns how many.
func burst(ctx context.Context, c *client.Client, ids *atomic.Int64, note func(int64, error)) (resent int64) {
	type flight struct {
		o       order
		r       receipt
		pending rpc.Pending
	}
	flights := make([]flight, 16)
	for i := range flights {
		f := &flights[i]
		f.o = order{ID: ids.Add(1), Hold: time.Millisecond}
		f.pending = c.Go(ctx, appendLine, &f.o, &f.r)
	}
	for i := range flights {
		f := &flights[i]
		err := f.pending.Wait(ctx)
		if e, ok := err.(*rpc.Error); ok && e.Execution == rpc.NotExecuted {
			resent++
			_, err = call(ctx, c, appendLine, f.o)
		} else if err == nil && f.r.ID != f.o.ID {
			err = rpc.Errorf(rpc.DataLoss, "call %d got the reply of %d", f.o.ID, f.r.ID)
		}
		note(f.o.ID, err)
	}
	return resent
}
