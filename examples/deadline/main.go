// Command deadline shows how deadlines and cancelation travel: a client calls one server, which calls another one with the
// context of its handler, and both hear of it when the client has waited long enough, or does not want to wait any more.
//
//	go run ./examples/deadline
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// archive is the second server. It looks for a guest until nobody wants to know.
type archive struct {
	greeter.Greeter // the methods that nobody calls here
	begun           chan struct{}
	told            chan bool // whether the call had a deadline, once its context has ended
}

func (a *archive) Count(ctx context.Context, _ string) (int64, error) {
	a.begun <- struct{}{}
	_, limited := ctx.Deadline()
	<-ctx.Done() // by the clock here, or because the first server canceled when its own clock had run out
	a.told <- limited
	return 0, ctx.Err()
}

// desk is the first server. It asks the archive, for as long as its own caller waits.
type desk struct {
	greeter.Greeter
	archive *greeter.GreeterClient
}

func (d *desk) Count(ctx context.Context, name string) (int64, error) {
	return d.archive.Count(ctx, name)
}

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "deadline:", err)
		os.Exit(1)
	}
}

func run(w io.Writer) (err error) {
	a := &archive{begun: make(chan struct{}, 1), told: make(chan bool, 1)}
	inner, stopInner, err := serve(a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopInner()) }()
	outer, stopOuter, err := serve(&desk{archive: inner})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopOuter()) }()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = outer.Count(ctx, "Ada")
	fmt.Fprintf(w, "the client: %v\n", rpc.CodeOf(err))
	<-a.begun
	fmt.Fprintf(w, "the second server gave up too; it had a deadline: %v\n", <-a.told)

	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	call := outer.CountAsync(ctx, "Ada")
	<-a.begun
	cancel()
	fmt.Fprintf(w, "the second server gave up too; it had a deadline: %v\n", <-a.told)
	_, err = call.Wait(context.Background())
	fmt.Fprintf(w, "the client: %v\n", rpc.CodeOf(err))
	return nil
}

// serve runs a server, and returns a client of its own and what ends both.
func serve(impl greeter.Greeter) (c *greeter.GreeterClient, stop func() error, err error) {
	srv := server.New()
	if err := srv.Register(greeter.NewGreeterService(impl)); err != nil {
		return nil, nil, err
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	conn, err := client.Dial(context.Background(), address)
	if err != nil {
		return nil, nil, errors.Join(err, srv.Close())
	}
	return greeter.NewGreeterClient(conn), func() error {
		err := errors.Join(conn.Close(), srv.Shutdown(context.Background()))
		if e := <-served; !errors.Is(e, server.ErrClosed) {
			err = errors.Join(err, e)
		}
		return err
	}, nil
}
