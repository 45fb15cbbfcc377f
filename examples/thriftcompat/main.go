// Command thriftcompat shows that one port serves our own clients and stock Apache Thrift ones, and that our client calls
// stock Apache Thrift servers.
//
//	go run ./examples/thriftcompat                                            a server, and our client in every dialect
//	go run ./examples/thriftcompat serve tcp://127.0.0.1:9090                 the server alone, until it is interrupted
//	go run ./examples/thriftcompat check tcp://127.0.0.1:9090 framed-compact  our client alone, against any server
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/suite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "thriftcompat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, args []string) error {
	switch {
	case len(args) == 0:
		return everything(ctx, w)
	case len(args) == 2 && args[0] == "serve":
		return serve(ctx, w, args[1])
	case len(args) == 3 && args[0] == "check":
		d, err := suite.Find(args[2])
		if err != nil {
			return err
		}
		return check(ctx, w, args[1], false, d)
	}
	return errors.New("usage: thriftcompat [serve address | check address dialect]")
}

func serve(ctx context.Context, w io.Writer, address string) error {
	bound, stop, err := start(address)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "serving on", bound)
	<-ctx.Done()
	return stop()
}

func everything(ctx context.Context, w io.Writer) error {
	address, stop, err := start("tcp://127.0.0.1:0")
	if err != nil {
		return err
	}
	err = check(ctx, w, address, true, suite.Dialects()...)
	return errors.Join(err, stop())
}

// check runs the suite in each dialect and prints a table.
func check(ctx context.Context, w io.Writer, address string, identities bool, dialects ...suite.Dialect) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "dialect\tcalls\ttime\toutcome")
	var failed error
	for _, d := range dialects {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		begin := time.Now()
		calls, err := d.Run(ctx, address, identities)
		cancel()
		outcome := "ok"
		if err != nil {
			outcome = "FAILED"
			failed = errors.Join(failed, fmt.Errorf("%s: %w", d.Name, err))
		}
		fmt.Fprintf(table, "%s\t%d\t%v\t%s\n", d.Name, calls, time.Since(begin).Round(time.Millisecond), outcome)
	}
	return errors.Join(failed, table.Flush())
}
