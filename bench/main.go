// Command bench measures Kuafu and other RPC frameworks side by side. README.md tells how, and what the figures mean.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
)

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen -o internal/stubs idl/echo.idl

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if is, err := cell.Child(args); is {
		return err
	}
	if len(args) > 0 && args[0] == "idle" {
		return runIdle(ctx, args[1:])
	}
	return runCalls(ctx, args)
}
