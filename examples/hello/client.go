package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// visit calls the greeter at an address in every way there is, and writes what it hears to w.
func visit(ctx context.Context, w io.Writer, address string) error {
	conn, err := client.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := greeter.NewGreeterClient(conn)

	// A plain call: its deadline travels with it.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	hello, err := c.Greet(ctx, &greeter.Guest{Name: "Ada"})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, hello.Text)

	// Two calls at once on the same connection, without goroutines.
	first := c.GreetAsync(ctx, &greeter.Guest{Name: "Grace", Titles: []string{"Rear", "Admiral"}, Manner: greeter.MannerFormal})
	second := c.GreetAsync(ctx, &greeter.Guest{Name: "Ada"})
	for _, call := range []*greeter.GreeterGreetCall{first, second} {
		hello, err := call.Wait(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s (greeting %d)\n", hello.Text, hello.Count)
	}

	// A declared exception is a Go error of its own type.
	_, err = c.Greet(ctx, &greeter.Guest{Name: "Mallory"})
	var unwelcome *greeter.Unwelcome
	if !errors.As(err, &unwelcome) {
		return fmt.Errorf("the greeter let Mallory in: %v", err)
	}
	fmt.Fprintln(w, "Mallory is told:", unwelcome.Reason)

	// Every other failure has a code, and says whether the server has done anything.
	_, err = c.Count(ctx, "Nobody")
	var failure *rpc.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("counting nobody: %v", err)
	}
	fmt.Fprintf(w, "%v; %v\n", failure.Code, failure.Execution)

	if err := c.Forget(ctx); err != nil {
		return err
	}
	// A oneway call is done when it is on its way.
	return c.Farewell(ctx, "Grace")
}
