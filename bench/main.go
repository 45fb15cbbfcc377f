// Command bench measures Kuafu and other RPC frameworks side by side. README.md tells how, and what the figures mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
)

//go:generate go run github.com/kuafu-rpc/kuafu/cmd/rpcgen -o internal/stubs idl/echo.idl idl/bulk.idl

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// view is one thing to measure, under the name by which it is called.
type view struct {
	name    string
	summary string
	flags   func(*flag.FlagSet) func(context.Context, *recorder) error // adds the view's flags, and returns what runs it
}

func views() []view {
	return []view{
		{"calls", "calls, as fast as a number of callers can make them", callsView},
		{"open", "latency of calls that are due at a rate", openView},
		{"stream", "bulk data on one stream", streamView},
		{"beside", "calls beside a bulk stream on the same connection", besideView},
		{"stuck", "calls and a healthy stream beside many streams that nobody reads", stuckView},
		{"scale", "cost of calls as callers, connections, payload and methods grow", scaleView},
		{"idle", "server memory of idle connections", idleView},
		{"all", "all of these", allView},
	}
}

func run(ctx context.Context, args []string) error {
	if is, err := cell.Child(args); is {
		return err
	}
	name := "calls"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if name == "report" {
		return writeReport(args)
	}
	for _, v := range views() {
		if v.name == name {
			return v.run(ctx, args)
		}
	}
	usage()
	return fmt.Errorf("nothing to measure is called %q", name)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: bench [what] [flags]; -h shows its flags. What there is:")
	for _, v := range views() {
		fmt.Fprintf(os.Stderr, "  %-8s %s\n", v.name, v.summary)
	}
	fmt.Fprintln(os.Stderr, "  report   makes pages and charts of results")
}

// run measures v as its arguments say.
func (v view) run(ctx context.Context, args []string) (err error) {
	fs := flag.NewFlagSet("bench "+v.name, flag.ContinueOnError)
	file := fs.String("out", "", "`file` that gets every result as a line of JSON")
	measure := v.flags(fs)
	if err := parse(fs, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	r, err := newRecorder(*file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	return measure(ctx, r)
}

// parse is fs.Parse without arguments that are no flags.
func parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", fs.Arg(0))
	}
	return nil
}
