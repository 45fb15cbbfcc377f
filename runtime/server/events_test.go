package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// await waits for something to become true that nobody tells of.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(soon)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// events collects what a server tells.
type events struct {
	opened chan observe.ConnOpened
	closed chan observe.ConnClosed
	calls  chan observe.CallDone
}

func newEvents() *events {
	return &events{make(chan observe.ConnOpened, 100), make(chan observe.ConnClosed, 100), make(chan observe.CallDone, 10_000)}
}

func (e *events) option() server.Option {
	return server.WithEvents(observe.Events{
		ConnOpened: func(c observe.ConnOpened) { e.opened <- c },
		ConnClosed: func(c observe.ConnClosed) { e.closed <- c },
		CallDone:   func(c observe.CallDone) { e.calls <- c },
	})
}

func next[T any](t testing.TB, ch chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(soon):
		t.Fatalf("no %T was told", *new(T))
		panic("unreachable")
	}
}

func TestEventsOfCalls(t *testing.T) {
	e := newEvents()
	h := start(t, e.option())
	conn := h.dial(h.tcp)
	if o := next(t, e.opened); o.Peer.Network != "tcp" || o.Peer.Address == "" || time.Since(o.Time) > time.Minute {
		t.Errorf("opened: %+v", o)
	}
	c := h.echo()
	next(t, e.opened)
	ctx := rpc.WithTrace(t.Context(), rpc.TraceContext{TraceID: [16]byte{1}, SpanID: [8]byte{2}, Flags: 1})
	name := func(method string) string { return "Echo." + method }
	type told struct {
		Method string
		Code   rpc.Code
		Ran    bool
		Oneway bool
		Reply  bool
	}
	for _, tt := range []struct {
		do   func() error
		want told
	}{
		{func() error { _, err := c.Echo(ctx, message(1)); return err }, told{Method: name("echo"), Ran: true, Reply: true}},
		{func() error { _, err := c.Refuse(ctx, -5); return err }, told{Method: name("refuse"), Code: rpc.NotFound, Ran: true, Reply: true}},
		{func() error { _, err := c.Refuse(ctx, 5); return err }, told{Method: name("refuse"), Ran: true, Reply: true}}, // declared: a result
		{func() error { _, err := c.Explode(ctx, "boom"); return err }, told{Method: name("explode"), Code: rpc.Internal, Ran: true, Reply: true}},
		{func() error { return c.Note(ctx, "hello") }, told{Method: name("note"), Ran: true, Oneway: true}},
		{func() error {
			return conn.Call(ctx, &rpc.Method{FullName: "Echo.gone"}, new(echotest.Msg), new(echotest.Msg))
		}, told{Method: observe.Other, Code: rpc.Unimplemented, Reply: true}},
	} {
		before := time.Now()
		err := tt.do()
		d := next(t, e.calls)
		got := told{d.MethodName(), d.Code(), d.Processing > 0, d.Oneway, d.ReplyBytes > 0}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (%v): -want +got\n%s", tt.want.Method, err, diff)
		}
		if d.Unsent || d.Queue < 0 || d.Response < 0 || d.Took() > time.Since(before)+time.Second || d.RequestBytes <= 0 || d.RequestRawBytes < d.RequestBytes || d.Peer == nil {
			t.Errorf("%s: %+v", tt.want.Method, d)
		}
		if d.Method == nil && d.Name != "Echo.gone" {
			t.Errorf("the unknown method's name is %q", d.Name)
		}
	}
}

// Calls in a full queue are told of as refused, and the times of a call that waited say where.
func TestEventsOfWaitingCalls(t *testing.T) {
	e := newEvents()
	h := start(t, e.option(), server.WithWorkers(1), server.WithQueue(1))
	once := client.DefaultRetry
	once.Attempts = 1
	c := h.echo(client.WithRetry(once))
	running := c.SlowAsync(t.Context(), "a")
	h.awaitArrival()
	waiting := c.SlowAsync(t.Context(), "b")
	await(t, "a queued call", func() bool { return h.srv.Snapshot(0).Calls.Queued == 1 })
	queued := time.Now()
	if _, err := c.Slow(t.Context(), "c"); rpc.CodeOf(err) != rpc.ResourceExhausted {
		t.Fatalf("the third call: %v", err)
	}
	if d := next(t, e.calls); d.Code() != rpc.ResourceExhausted || d.Err.Execution != rpc.NotExecuted || d.Processing != 0 || d.MethodName() != "Echo.slow" {
		t.Errorf("refused: %+v", d)
	}
	waited := time.Since(queued) // at the least
	close(h.impl.gate("a"))
	if _, err := running.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := next(t, e.calls)
	close(h.impl.gate("b"))
	if _, err := waiting.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := next(t, e.calls)
	if waited <= 0 || first.Processing < waited || second.Queue < waited {
		t.Errorf("the first call ran for %v, the one behind it waited for %v, want %v and more", first.Processing, second.Queue, waited)
	}
}

func TestEventsOfConnections(t *testing.T) {
	e := newEvents()
	h := start(t, e.option(), server.WithFrameTimeouts(time.Second, 0))
	for _, tt := range []struct {
		name string
		do   func(nc net.Conn)
		want observe.End
	}{
		{"closed", func(nc net.Conn) { nc.Close() }, observe.EndPeer},
		{"silent", func(net.Conn) {}, observe.EndTimeout},
		{"noise", func(nc net.Conn) { nc.Write([]byte("\xff\xff\xff\xff\xff\xff\xff\xff what is this?")) }, observe.EndProtocol},
		{"cut off", func(nc net.Conn) { nc.Write([]byte("KUAF")); nc.Close() }, observe.EndProtocol},
	} {
		nc := h.raw()
		next(t, e.opened)
		tt.do(nc)
		c := next(t, e.closed)
		if c.End != tt.want || c.Reason == nil || c.Age <= 0 || c.Age > time.Minute || c.Peer.Address != nc.LocalAddr().String() {
			t.Errorf("%s: %+v, want %q", tt.name, c, tt.want)
		}
	}
	conn := h.raw() // a client would connect again
	if _, err := conn.Write(wire.AppendPreamble(nil, wire.Preamble{})); err != nil {
		t.Fatal(err)
	}
	next(t, e.opened)
	if err := h.srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := next(t, e.closed); c.End != observe.EndServer && !(c.End == observe.EndPeer && errors.Is(c.Reason, io.EOF)) {
		t.Errorf("shut down: %+v", c)
	}
	conn.Close()
	if len(e.opened) != 0 || len(e.closed) != 0 {
		t.Error("a connection was told of twice")
	}
}

// Every call is told of once, also those whose connections end, and from many goroutines.
func TestEveryCallIsToldOf(t *testing.T) {
	e := newEvents()
	h := start(t, e.option())
	var wg sync.WaitGroup
	const clients, calls = 8, 50
	for range clients {
		c := h.echo()
		wg.Go(func() {
			for i := range calls {
				check(t, c, int64(i))
			}
		})
	}
	wg.Wait()
	lonely, err := client.Dial(t.Context(), h.tcp)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	slow := echotest.NewEchoClient(lonely).SlowAsync(ctx, "lonely")
	h.awaitArrival()
	lonely.Close()
	if _, err := slow.Wait(ctx); err == nil {
		t.Error("a call outlived its client")
	}
	var ok, unsent int
	for range clients*calls + 1 {
		if d := next(t, e.calls); d.Unsent {
			unsent++
		} else if d.Err == nil {
			ok++
		}
	}
	if ok != clients*calls || unsent != 1 || len(e.calls) != 0 {
		t.Errorf("%d calls were fine and %d unsent, want %d and 1; %d more were told of", ok, unsent, clients*calls, len(e.calls))
	}
}
