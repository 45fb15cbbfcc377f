package main

import (
	"context"
	"errors"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/suite"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// start serves both services on address, and returns where, and what ends that. The same port takes every dialect: the
// server finds out from a connection's first bytes which it is.
func start(address string) (bound string, stop func() error, err error) {
	srv := server.New()
	if err := srv.Register(suite.NewHandler().Services()...); err != nil {
		return "", nil, err
	}
	if bound, err = srv.Listen(address); err != nil {
		return "", nil, err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	stop = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := srv.Shutdown(ctx)
		if end := <-served; !errors.Is(end, server.ErrClosed) {
			err = errors.Join(err, end)
		}
		return err
	}
	return bound, stop, nil
}
