package server_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// A peer that cancels every call as soon as it has sent it is told to go, and the operator hears of it. Its neighbor, with
// a call at a time, notices nothing.
func TestCancelFlood(t *testing.T) {
	closed := make(chan observe.ConnClosed, 100)
	h := abused(t, 64<<20, server.WithEvents(observe.Events{ConnClosed: func(c observe.ConnClosed) { closed <- c }}))
	nc := h.raw()
	begin := time.Now()
	b := preamble()
	for id := uint64(1); ; id++ {
		b = wire.AppendCancel(nativeCall(t, id, "slow", text("flood"), b), id)
		if id%10 != 0 {
			continue
		}
		if _, err := nc.Write(b); err != nil {
			break
		}
		b = b[:0]
		if time.Since(begin) > soon {
			t.Fatal("it may go on for ever")
		}
		time.Sleep(2 * time.Millisecond) // the pace of the flood
	}
	if took := time.Since(begin); took < time.Second/2 {
		t.Errorf("it was cut off after %v, as a burst would have been", took)
	}
	h.ended(nc, "too many calls canceled as soon as they are sent: over 200 in 10s")
	for {
		if c := next(t, closed); c.Peer.Address == nc.LocalAddr().String() {
			if c.End != observe.EndCancels {
				t.Errorf("it is counted as %q", c.End)
			}
			break
		}
	}
}

// The GoAway of such an end says what was wrong and which calls were taken.
func TestCancelFloodIsTold(t *testing.T) {
	h := start(t, server.WithMaxCancels(1))
	nc := h.raw()
	if _, err := nc.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	greeted(t, nc)
	b := nativeCall(t, 1, "slow", text("a"), nil)
	b = wire.AppendCancel(nativeCall(t, 2, "slow", text("a"), b), 2)
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond) // the next one is no part of the same burst
	if _, err := nc.Write(wire.AppendCancel(nativeCall(t, 3, "slow", text("a"), nil), 3)); err != nil {
		t.Fatal(err)
	}
	g := farewell(t, append(wire.AppendPreamble(nil, wire.Preamble{}), drained(t, nc)...))
	if g.Code != rpc.ResourceExhausted || g.Last != 3 || !strings.HasPrefix(g.Message, "too many calls canceled") {
		t.Errorf("told %+v", g)
	}
}

// A client with a thousand callers who give up together, or whose deadlines end together, keeps its connection.
func TestCallersWhoGiveUpTogether(t *testing.T) {
	h := start(t, server.WithQueue(5000))
	c := h.dial(h.tcp)
	e := echotest.NewEchoClient(c)
	check(t, e, 0)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		late, stop := context.WithTimeout(t.Context(), 30*time.Millisecond)
		var calls []*echotest.EchoSlowCall
		for range 500 {
			calls = append(calls, e.SlowAsync(ctx, "together"), e.SlowAsync(late, "together"))
		}
		cancel()
		for _, k := range calls {
			_, err := k.Wait(t.Context())
			switch rpc.CodeOf(err) {
			case rpc.Canceled, rpc.DeadlineExceeded, rpc.ResourceExhausted: // the last where a call would have been too late
			default:
				t.Errorf("got %v", err)
			}
		}
		stop()
		check(t, e, 1)
	}
	if s := h.srv.Snapshot(10); s.Conns.Accepted != 1 {
		t.Errorf("it took %d connections", s.Conns.Accepted)
	}
}

// Hedging, however eager, is no flood: neither where this server never answers first, nor where it is asked in vain.
func TestHedgesAreNoFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var seen, lasted atomic.Int64 // calls of the slow server, and those that it ran for a millisecond and longer
	slow := start(t, server.WithEvents(observe.Events{CallDone: func(observe.CallDone) { seen.Add(1) }}),
		server.WithInterceptors(func(next rpc.ServerHandler) rpc.ServerHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
				begin := time.Now()
				result, err := next(ctx, m, args)
				if time.Since(begin) >= time.Millisecond {
					lasted.Add(1)
				}
				return result, err
			}
		}))
	quick := server.New(server.WithLogger(slog.New(slow.log)))
	impl := newEcho()
	close(impl.gate("hedged"))
	if err := quick.Register(echotest.NewEchoService(impl)); err != nil {
		t.Fatal(err)
	}
	address, err := quick.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- quick.Serve() }()
	t.Cleanup(func() {
		if err := quick.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	m := *method("slow")
	m.Retry = rpc.RetryIdempotent
	eager := client.DefaultRetry
	eager.Ratio, eager.Floor = 1, 100_000
	c := slow.dial(slow.tcp+","+address, client.WithBalancer(client.RoundRobin),
		client.WithHedging(client.Hedging{Delay: 1, Extra: 1}), client.WithRetry(eager))
	// Until the quick server is connected, too, both attempts of a call ask the slow one, and it has no end.
	connected := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return c.Call(ctx, &m, text("hedged"), new(ignored)) == nil
	}
	for began := time.Now(); !connected(); {
		if time.Since(began) > soon {
			t.Fatal("the quick server answers no call")
		}
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() { // so that there is always room for the next one
		for {
			select {
			case <-slow.impl.arrived:
			case <-stop:
				return
			}
		}
	}()
	const limit = 200 // of early cancels, in a while
	for began, before := time.Now(), int64(0); ; {
		hedge(t, c, &m, &seen)
		cut := int64(slow.srv.Snapshot(0).Conns.Accepted+quick.Snapshot(0).Conns.Accepted) - 2
		brief := seen.Load() - lasted.Load()
		t.Logf("the slow server has got %d calls, of which %d were brief; %d connections were cut off", seen.Load(), brief, cut)
		switch {
		case t.Failed() || cut == before:
			return
		case brief <= limit*cut:
			t.Fatal("not that many were canceled early")
		case time.Since(began) > soon: // a machine so busy that it reads calls together with the cancels that came 2 ms later
			return
		}
		before = cut
	}
}

// hedge makes calls for three seconds, and goes on until so many have been seen that their cancels, if they were early ones,
// would be too many.
func hedge(t *testing.T, c *client.Client, m *rpc.Method, seen *atomic.Int64) {
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	end, enough := time.Now().Add(3*time.Second), seen.Load()+500
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for time.Now().Before(end) || seen.Load() < enough {
				if err := c.Call(ctx, m, text("hedged"), new(ignored)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
