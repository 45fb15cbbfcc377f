package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// target is the server that a command speaks to, and how.
type target struct {
	address     string
	timeout     time.Duration
	thrift      string
	connections int
	metadata    []string
	security    security

	hasTimeout bool // the user has set one
}

// flags adds the flags of the commands that may speak to any server.
func (t *target) flags(cmd *cobra.Command) {
	t.nativeFlags(cmd)
	cmd.Flags().StringVar(&t.thrift, "thrift", "", `speak to a stock Thrift server in this `+"`dialect`"+`: words of framed, unframed or header; binary or
compact; nonstrict; multiplexed. Those left out are framed and binary`)
	completeFlag(cmd, "thrift", "framed", "unframed", "header", "binary", "compact", "nonstrict", "multiplexed")
}

// nativeFlags adds those of every command that connects.
func (t *target) nativeFlags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&t.timeout, "timeout", 10*time.Second, "how long connecting, and then each call, may take")
	cmd.Flags().StringArrayVarP(&t.metadata, "metadata", "m", nil, "send a `key=value` pair with each call; repeatable. Stock Thrift servers never see it")
	t.security.flags(cmd)
	t.connections = 1
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		defer t.security.close()
		t.hasTimeout = cmd.Flags().Changed("timeout")
		return t.explain(run(cmd, args))
	}
}

// context returns ctx with what is to travel with each call.
func (t *target) context(ctx context.Context) (context.Context, error) {
	for _, pair := range t.metadata {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usagef("--metadata %q: want key=value", pair)
		}
		ctx = rpc.WithMetadata(ctx, key, value)
	}
	if _, err := rpc.OutgoingFrom(ctx); err != nil {
		return nil, usageError{fmt.Errorf("--metadata: %w", err)}
	}
	return ctx, nil
}

// dial connects. service is the one that will be called, which multiplexed Thrift servers want to know.
func (a *app) dial(ctx context.Context, t *target, service string) (*client.Client, error) {
	address, err := t.security.address(t.address)
	if err != nil {
		return nil, err
	}
	opts := []client.Option{client.WithConnections(t.connections), client.WithDialTimeout(t.timeout)}
	if t.thrift != "" {
		dialect, err := parseDialect(t.thrift, service)
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.WithThrift(*dialect))
	}
	secured, err := t.security.options(ctx, a, address, t.thrift)
	if err != nil {
		return nil, err
	}
	opts = append(opts, secured...)
	dialing, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	conn, err := client.Dial(dialing, address, opts...)
	if err != nil {
		if ctx.Err() != nil {
			return nil, errInterrupted
		}
		var failure *rpc.Error
		if errors.As(err, &failure) {
			return nil, connectionError{failure}
		}
		return nil, usageError{err} // of the address or the options
	}
	return conn, nil
}

// parseDialect reads the value of --thrift.
func parseDialect(words, service string) (*client.Thrift, error) {
	t := new(client.Thrift)
	for word := range strings.SplitSeq(words, ",") {
		switch word {
		case "framed":
			t.Transport = client.Framed
		case "unframed":
			t.Transport = client.Unframed
		case "header":
			t.Transport = client.Header
		case "binary":
			t.Encoding = codec.Binary
		case "compact":
			t.Encoding = codec.Compact
		case "nonstrict":
			t.NonStrict = true
		case "multiplexed":
			t.Service = service
		default:
			return nil, usagef("--thrift: unknown word %q: want framed, unframed, header, binary, compact, nonstrict or multiplexed", word)
		}
	}
	if t.NonStrict && t.Encoding != codec.Binary {
		return nil, usageError{errors.New("--thrift: only binary can be nonstrict")}
	}
	return t, nil
}
