package server_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// A server on a free port, one call, and a shutdown that loses nothing.
func Example() {
	srv := server.New(server.WithWorkers(16), server.WithIdleTimeout(time.Minute))
	if err := srv.Register(echotest.NewClockService(clock{})); err != nil {
		log.Fatal(err)
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := client.Dial(ctx, address)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	ticks, err := echotest.NewClockClient(conn).Ticks(ctx, 24)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ticks)

	if err := srv.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(<-served, server.ErrClosed))
	// Output:
	// 1024
	// true
}
