package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// idlePeers are measured by default: of servers that differ in nothing but the client or the encoding, one.
const idlePeers = "kuafu,kuafu-binary,grpc,kitex-pooled,thrift-binary,drpc,connect,netrpc,gnet,net"

// runIdle measures the memory that idle connections cost a server, and prints a table.
func runIdle(ctx context.Context, args []string) (err error) {
	fs := flag.NewFlagSet("bench idle", flag.ContinueOnError)
	names := fs.String("fw", idlePeers, "`frameworks` to measure, separated by commas")
	conns := fs.Int("conns", 10_000, "`number` of connections")
	file := fs.String("out", "", "`file` that gets every result as a line of JSON")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if fs.NArg() > 0 || *conns < 1 {
		return errors.New("usage: bench idle [-fw frameworks] [-conns number] [-out file]")
	}
	peers, err := parsePeers(*names)
	if err != nil {
		return err
	}
	out, err := createOut(*file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	lines := json.NewEncoder(out)

	environment := report.Here()
	if err := errors.Join(lines.Encode(environment), environment.Write(os.Stdout)); err != nil {
		return err
	}
	var results []cell.Idle
	failed := 0
	for _, p := range peers {
		r, err := cell.RunIdle(ctx, p.Name, *conns)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed++
			fmt.Fprintf(os.Stderr, "bench: %s, idle: %v\n", p.Name, err)
			continue
		}
		results = append(results, r)
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	if err := report.Idle(os.Stdout, *conns, results); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d servers failed", failed)
	}
	return nil
}
