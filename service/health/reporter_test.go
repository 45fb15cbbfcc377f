package health_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/service/health"
)

// TestReporter: the status follows Set, Drain goes before everything known, and what is unknown stays so.
func TestReporter(t *testing.T) {
	r := new(health.Reporter)
	expect := func(when string, server, echo health.Status) {
		t.Helper()
		for name, want := range map[string]health.Status{"": server, "Echo": echo, "Nobody": health.StatusUnknown} {
			if got, err := r.Check(t.Context(), name); got != want || err != nil {
				t.Errorf("%s: %q is %v, %v, want %v", when, name, got, err, want)
			}
		}
		err := r.Ping(t.Context())
		if (err == nil) != (server == health.StatusServing) || err != nil && rpc.CodeOf(err) != rpc.Unavailable {
			t.Errorf("%s: ping: %v", when, err)
		}
	}
	expect("zero", health.StatusServing, health.StatusUnknown)
	r.Set("Echo", health.StatusServing)
	expect("set", health.StatusServing, health.StatusServing)
	r.Drain()
	expect("draining", health.StatusNotServing, health.StatusNotServing)
	r.Set("Echo", health.StatusServing)
	expect("set while draining", health.StatusNotServing, health.StatusNotServing)
	r.Resume()
	expect("resumed", health.StatusServing, health.StatusServing)
	r.Set("", health.StatusNotServing)
	r.Set("Echo", health.StatusUnknown)
	expect("forgotten", health.StatusNotServing, health.StatusUnknown)
	r.Set("", health.StatusUnknown)
	expect("the server forgotten", health.StatusServing, health.StatusUnknown)
}

func Example() {
	status := new(health.Reporter)
	srv := server.New()
	if err := srv.Register(health.NewService(status)); err != nil { // and your own services
		fmt.Println(err)
		return
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()

	ctx := context.Background()
	conn, err := client.Dial(ctx, address)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := health.NewHealthClient(conn)
	fmt.Println(c.Check(ctx, ""))
	fmt.Println(c.Check(ctx, "Greeter"))

	status.Set("Greeter", health.StatusServing)
	fmt.Println(c.Check(ctx, "Greeter"))

	status.Drain() // some time before the end, so that load balancers notice
	fmt.Println(c.Check(ctx, "Greeter"))
	fmt.Println(c.Ping(ctx))

	conn.Close()
	srv.Shutdown(ctx)
	fmt.Println(errors.Is(<-served, server.ErrClosed))
	// Output:
	// SERVING <nil>
	// UNKNOWN <nil>
	// SERVING <nil>
	// NOT_SERVING <nil>
	// Health.ping: unavailable: the server is not serving (executed)
	// true
}
