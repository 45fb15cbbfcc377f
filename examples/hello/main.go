// Command hello is the smallest complete use of Kuafu: an IDL file, a server, and a client.
//
//	go run ./examples/hello                                 both in one process, over TCP and over a Unix socket
//	go run ./examples/hello serve tcp://127.0.0.1:7000      the server alone, until it is interrupted
//	go run ./examples/hello visit tcp://127.0.0.1:7000      the client alone
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/service/health"
	"github.com/kuafu-rpc/kuafu/service/reflection"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, args []string) error {
	switch {
	case len(args) == 0:
		return both(ctx, w)
	case len(args) >= 2 && args[0] == "serve":
		return serve(ctx, args[1:]...)
	case len(args) == 2 && args[0] == "visit":
		return visit(ctx, w, args[1])
	}
	return errors.New("usage: hello [serve address... | visit address]")
}

// serve runs the server until ctx is done, and then lets the calls that it has taken finish.
func serve(ctx context.Context, addresses ...string) error {
	srv := server.New()
	status := new(health.Reporter)
	status.Set("Greeter", health.StatusServing)
	// The last two are for the kuafu command, and for whoever else looks after servers.
	err := srv.Register(greeter.NewGreeterService(newConcierge()), health.NewService(status), reflection.NewService(srv))
	if err != nil {
		return err
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- srv.Shutdown(patience)
	}()
	if err := srv.ListenAndServe(addresses...); !errors.Is(err, server.ErrClosed) {
		return err
	}
	return <-stopped
}

// both is the demonstration: one server on two addresses, one visit to each.
func both(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "hello")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	srv := server.New()
	if err := srv.Register(greeter.NewGreeterService(newConcierge())); err != nil {
		return err
	}
	var bound []string
	for _, address := range []string{"tcp://127.0.0.1:0", "unix://" + filepath.Join(dir, "hello.sock")} {
		b, err := srv.Listen(address)
		if err != nil {
			return err
		}
		bound = append(bound, b)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	for i, address := range bound {
		fmt.Fprintf(w, "-- over %s\n", []string{"TCP", "a Unix socket"}[i])
		if err := visit(ctx, w, address); err != nil {
			return errors.Join(err, srv.Close())
		}
	}
	if err := srv.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-served; !errors.Is(err, server.ErrClosed) {
		return err
	}
	return nil
}
