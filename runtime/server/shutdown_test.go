package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Clients call in loops while the server shuts down. Every call succeeds, or provably was not executed.
func TestShutdownUnderLoad(t *testing.T) {
	for round := range 5 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			h := start(t)
			var wg sync.WaitGroup
			var succeeded atomic.Int64
			warm := make(chan struct{}, 1000)
			for i := range 4 {
				e := h.echo(client.WithConnections(1 + i%2))
				for j := range 16 {
					wg.Go(func() {
						for n := int64(0); ; n++ {
							m := message(n)
							if j == 0 {
								m.Text = strings.Repeat("incompressible? ", 10_000)
							}
							got, err := e.Echo(t.Context(), m)
							if err == nil {
								if got.ID != n || got.Text != m.Text {
									t.Errorf("call %d got the reply of call %d", n, got.ID)
								}
								if succeeded.Add(1); n == 10 {
									warm <- struct{}{}
								}
								continue
							}
							var failure *rpc.Error
							if !errors.As(err, &failure) || failure.Code != rpc.Unavailable || failure.Execution != rpc.NotExecuted {
								t.Errorf("call %d: %v", n, err)
							}
							return
						}
					})
				}
			}
			for range 64 {
				<-warm
			}
			if err := h.srv.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			wg.Wait()
			t.Logf("%d calls", succeeded.Load())
		})
	}
}

// A connection whose first call is on its way when Shutdown begins is told, too, that the call was not taken.
func TestShutdownWithACallOnItsWay(t *testing.T) {
	server.SetHelloGrace(t, soon)
	h := start(t)
	nc := h.raw()
	check(t, h.echo(), 1) // connections are accepted in turn, so nc was
	shut := make(chan error, 1)
	go func() { shut <- h.srv.Shutdown(t.Context()) }()
	for { // until nobody listens any more: Shutdown has begun
		probe, err := net.Dial("tcp", strings.TrimPrefix(h.tcp, "tcp://"))
		if err != nil {
			break
		}
		probe.Close()
	}
	time.Sleep(20 * time.Millisecond) // the way is as long as that
	_, err := nc.Write(nativeCall(t, 7, "echo", message(1), wire.AppendPreamble(nil, wire.Preamble{})))
	if err != nil {
		t.Fatal(err)
	}
	frames := frames(t, drained(t, nc))
	var away, refused bool
	for _, f := range frames {
		switch f.header.Kind {
		case wire.KindGoAway:
			g, err := wire.ParseGoAway(f.payload)
			away = err == nil && g.Last == 0 && g.Code == 0
		case wire.KindError:
			e := wire.ParseError(f.payload)
			refused = f.header.Stream == 7 && e.Code == rpc.Unavailable && e.Execution == rpc.NotExecuted
		}
	}
	if !away || !refused {
		t.Errorf("goaway %v, refused %v, frames %v", away, refused, frames)
	}
	if err := <-shut; err != nil {
		t.Error(err)
	}
}

// Calls that run when Shutdown begins are finished, however long they take, oneway ones included; later ones are refused.
func TestShutdownWaitsForCalls(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts []client.Option
	}{{"native", nil}, {"Thrift", []client.Option{client.WithThrift(client.Thrift{})}}} {
		t.Run(tc.name, func(t *testing.T) {
			h := start(t)
			e := h.echo(tc.opts...)
			call := e.SlowAsync(t.Context(), "last")
			h.awaitArrival()
			shut := make(chan error, 1)
			go func() { shut <- h.srv.Shutdown(t.Context()) }()
			if tc.name == "native" { // the client hears of it at once
				for _, err := e.Refuse(t.Context(), 0); err == nil; _, err = e.Refuse(t.Context(), 0) {
				}
				_, err := e.Refuse(t.Context(), 0)
				wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "")
			}
			select {
			case err := <-shut:
				t.Fatalf("Shutdown did not wait: %v", err)
			case <-call.Done():
				_, err := call.Wait(t.Context())
				t.Fatalf("the call ended: %v", err)
			case <-time.After(300 * time.Millisecond):
			}
			close(h.impl.gate("last"))
			if s, err := call.Wait(t.Context()); s != "woken last" || err != nil {
				t.Errorf("got %q, %v", s, err)
			}
			if err := <-shut; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

// A reply larger than all buffers is sent to its end to a peer that takes its time.
func TestShutdownSendsWhatIsPending(t *testing.T) {
	h := start(t)
	nc := h.raw()
	const size = 12 << 20
	if _, err := nc.Write(nativeCall(t, 1, "big", size32(size), wire.AppendPreamble(nil, wire.Preamble{}))); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1000)
	if _, err := io.ReadFull(nc, first); err != nil { // the reply has begun
		t.Fatal(err)
	}
	shut := make(chan error, 1)
	go func() { shut <- h.srv.Shutdown(t.Context()) }()
	select {
	case err := <-shut:
		t.Fatalf("Shutdown did not wait: %v", err)
	case <-time.After(2 * time.Second): // more than the listener's grace for closing connections
	}
	found := false
	for _, f := range frames(t, append(first, drained(t, nc)...)) {
		found = found || f.header.Kind == wire.KindReply && len(f.payload) > size
	}
	if !found {
		t.Error("the reply was lost")
	}
	if err := <-shut; err != nil {
		t.Error(err)
	}
}

func TestShutdownCutsOff(t *testing.T) {
	h := start(t)
	e := h.echo()
	var calls []*echotest.EchoSlowCall
	for _, name := range []string{"stuck", "stuck", "heeds its context"} {
		calls = append(calls, e.SlowAsync(t.Context(), name))
	}
	var contexts []context.Context
	for range calls {
		contexts = append(contexts, h.awaitArrival().ctx)
	}
	reader := h.raw() // reads nothing of its reply
	if _, err := reader.Write(nativeCall(t, 1, "big", size32(12<<20), wire.AppendPreamble(nil, wire.Preamble{}))); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(reader, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := h.srv.Shutdown(ctx)
	var cut *server.CutError
	if !errors.As(err, &cut) || cut.Calls != 3 || cut.Running != 2 || cut.Unsent != 1 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v", err)
	}
	for _, ctx := range contexts {
		awaitEnd(t, ctx, context.Canceled)
	}
	for _, c := range calls {
		_, err := c.Wait(t.Context())
		wantError(t, err, rpc.Unavailable, rpc.MaybeExecuted, "")
	}
	if err := h.srv.Shutdown(t.Context()); err != nil {
		t.Errorf("a second Shutdown: %v", err)
	}
	if err := h.srv.Close(); err != nil {
		t.Errorf("Close after Shutdown: %v", err)
	}
}

// A caller that has gone is not waited for, if its handler heeds its context.
func TestShutdownWhileACallerLeaves(t *testing.T) {
	h := start(t)
	c := h.dial(h.tcp)
	echotest.NewEchoClient(c).SlowAsync(t.Context(), "left behind")
	h.awaitArrival()
	shut := make(chan error, 1)
	go func() { shut <- h.srv.Shutdown(t.Context()) }()
	c.Close()
	select {
	case err := <-shut:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(soon):
		t.Error("Shutdown waits for nobody")
	}
}

// If it does not, that keeps Shutdown from ending, but not from closing the other connections.
func TestShutdownWhileACallerLeavesAStuckHandler(t *testing.T) {
	h := start(t)
	other := h.raw()
	if _, err := other.Write(preamble()); err != nil {
		t.Fatal(err)
	}
	greeted(t, other)
	c := h.dial(h.tcp)
	echotest.NewEchoClient(c).SlowAsync(t.Context(), "stuck behind")
	h.awaitArrival()
	shut := make(chan error, 1)
	go func() { shut <- h.srv.Shutdown(t.Context()) }()
	if _, err := io.ReadFull(other, make([]byte, wire.FrameHeaderSize)); err != nil { // of a GoAway: Shutdown has begun
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // until Shutdown has nothing to wait for but the call
	c.Close()
	drained(t, other)
	select {
	case err := <-shut:
		t.Errorf("Shutdown did not wait for the handler: %v", err)
	default:
	}
	close(h.impl.gate("stuck behind"))
	if err := <-shut; err != nil {
		t.Error(err)
	}
}

func TestCloseCutsOff(t *testing.T) {
	h := start(t)
	call := h.echo().SlowAsync(t.Context(), "cut")
	a := h.awaitArrival()
	if err := h.srv.Close(); err != nil {
		t.Error(err)
	}
	awaitEnd(t, a.ctx, context.Canceled)
	_, err := call.Wait(t.Context())
	wantError(t, err, rpc.Unavailable, rpc.MaybeExecuted, "")
}

func TestShutdownsAtOnce(t *testing.T) {
	h := start(t)
	check(t, h.echo(), 1)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			f := h.srv.Close
			if i%2 == 0 {
				f = func() error { return h.srv.Shutdown(t.Context()) }
			}
			if err := f(); err != nil {
				t.Error(err)
			}
			if err := h.srv.Serve(); !errors.Is(err, server.ErrClosed) {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	wg.Wait()
}

// Idle connections, silent ones and half-open ones do not keep Shutdown.
func TestShutdownOfIdleConnections(t *testing.T) {
	h := start(t)
	check(t, h.echo(), 1)
	check(t, h.echo(client.WithThrift(client.Thrift{})), 1)
	silent, half := h.raw(), h.raw()
	if _, err := half.Write([]byte("KUAF")); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := h.srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	drained(t, silent)
	drained(t, half)
}
