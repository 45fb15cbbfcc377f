package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/service/health"
)

func (a *app) healthCommand() *cobra.Command {
	var t target
	watch := false
	cmd := &cobra.Command{
		Use:   "health ADDRESS [SERVICE]",
		Short: "Ask whether a server, or one of its services, takes calls",
		Long: `health asks the server's health service and prints SERVING, NOT_SERVING or UNKNOWN. The exit status is 0 for SERVING only,
so that scripts and container probes can use it.

With --watch it prints the status at once and whenever it changes, until it is interrupted or the server shuts down. The
exit status is then that of the last status; --timeout limits only how long connecting may take.`,
		Example: `  kuafu health localhost:7000
  kuafu health unix:///run/greeter.sock Greeter
  kuafu health localhost:7000 --watch`,
		Args: addressArgs(0, 1, "an address, and a service or none"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.address = args[0]
			ctx, err := t.context(cmd.Context())
			if err != nil {
				return err
			}
			service := ""
			if len(args) == 2 {
				service = args[1]
			}
			if watch {
				return a.watchHealth(ctx, &t, service)
			}
			return a.health(ctx, &t, service)
		},
	}
	t.flags(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, and print each change")
	return cmd
}

// watchHealth prints the status of a service, and each change of it, until ctx or the server ends it.
func (a *app) watchHealth(ctx context.Context, t *target, service string) error {
	if t.thrift != "" {
		return usagef("--watch: stock Thrift servers know no streams")
	}
	conn, err := a.dial(ctx, t, "Health")
	if err != nil {
		return err
	}
	defer conn.Close()
	w, err := health.NewHealthClient(conn).Watch(ctx, service)
	if err != nil {
		return healthError(err)
	}
	defer w.Cancel()
	last := health.StatusUnknown
	for {
		status, err := w.Recv(ctx)
		if ctx.Err() != nil { // that is how watching ends
			return verdict(service, last)
		}
		if err == io.EOF {
			err = w.Finish(ctx)
		}
		if err != nil {
			return healthError(err)
		}
		if err := a.printHealth(service, status, false); err != nil {
			return err
		}
		last = status
	}
}

func (a *app) health(ctx context.Context, t *target, service string) error {
	conn, err := a.dial(ctx, t, "Health")
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	status, err := health.NewHealthClient(conn).Check(ctx, service)
	if err != nil {
		return healthError(err)
	}
	if err := a.printHealth(service, status, true); err != nil {
		return err
	}
	return verdict(service, status)
}

// healthError adds to an error that the server has no health service, or an old one.
func healthError(err error) error {
	if rpc.CodeOf(err) == rpc.Unimplemented {
		return hint(err, "the server has no health service with this method: register health.NewService in it")
	}
	return err
}

// verdict returns an error unless a status is SERVING.
func verdict(service string, status health.Status) error {
	if status == health.StatusServing {
		return nil
	}
	return fmt.Errorf("%s is %s", subject(service), status)
}

// printHealth prints a status on a line of its own, or as JSON, indented or on a line.
func (a *app) printHealth(service string, status health.Status, indented bool) error {
	if a.output != "json" {
		_, err := fmt.Fprintln(a.out, status)
		return err
	}
	v := struct {
		Service string `json:"service"`
		Status  string `json:"status"`
	}{service, status.String()}
	if indented {
		return a.printJSON(a.out, v)
	}
	return json.NewEncoder(a.out).Encode(v)
}

func subject(service string) string {
	if service == "" {
		return "the server"
	}
	return "service " + service
}
