package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/service/health"
)

func (a *app) healthCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "health ADDRESS [SERVICE]",
		Short: "Ask whether a server, or one of its services, takes calls",
		Long: `health asks the server's health service and prints SERVING, NOT_SERVING or UNKNOWN. The exit status is 0 for SERVING only,
so that scripts and container probes can use it.`,
		Example: "  kuafu health localhost:7000\n  kuafu health unix:///run/greeter.sock Greeter",
		Args:    addressArgs(0, 1, "an address, and a service or none"),
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
			return a.health(ctx, &t, service)
		},
	}
	t.flags(cmd)
	return cmd
}

func (a *app) health(ctx context.Context, t *target, service string) error {
	conn, err := t.dial(ctx, "Health")
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	status, err := health.NewHealthClient(conn).Check(ctx, service)
	if err != nil {
		if rpc.CodeOf(err) == rpc.Unimplemented {
			return hint(err, "the server has no health service: register health.NewService in it")
		}
		return err
	}
	if a.output == "json" {
		err = a.printJSON(a.out, struct {
			Service string `json:"service"`
			Status  string `json:"status"`
		}{service, status.String()})
	} else {
		_, err = fmt.Fprintln(a.out, status)
	}
	if err == nil && status != health.StatusServing {
		err = fmt.Errorf("%s is %s", subject(service), status)
	}
	return err
}

func subject(service string) string {
	if service == "" {
		return "the server"
	}
	return "service " + service
}
