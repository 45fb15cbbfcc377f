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

// runCalls measures calls and prints a table for each payload and number of callers. A cell that fails is named on
// standard error and left out; the others go on, and the error comes at the end.
func runCalls(ctx context.Context, args []string) (err error) {
	p, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.list {
		return listPeers(os.Stdout)
	}
	if p.profiles != "" {
		if err := os.MkdirAll(p.profiles, 0o755); err != nil {
			return err
		}
	}
	out, err := createOut(p.out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	lines := json.NewEncoder(out)

	environment := report.Here()
	if err := errors.Join(lines.Encode(environment), environment.Write(os.Stdout)); err != nil {
		return err
	}
	failed := 0
	for _, size := range p.payloads {
		for _, callers := range p.callers {
			results, failures, err := p.measure(ctx, size, callers, lines)
			if err != nil {
				return err
			}
			failed += failures
			if err := report.Calls(os.Stdout, size, callers, results); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d cells failed", failed)
	}
	return nil
}

// measure runs every peer once, then every peer again, so that what changes on the machine meets all alike.
func (p *plan) measure(ctx context.Context, size string, callers int, lines *json.Encoder) (results []cell.Result, failed int, err error) {
	cells := p.cells(size, callers)
	for pass := range p.passes {
		for _, s := range cells {
			s.Pass = pass
			r, err := cell.Run(ctx, s, p.timing, p.profiles)
			if ctx.Err() != nil {
				return results, failed, ctx.Err()
			}
			if err != nil {
				failed++
				fmt.Fprintf(os.Stderr, "bench: %s, %s, %d callers: %v\n", s.Peer, size, callers, err)
				continue
			}
			results = append(results, r)
			if err := lines.Encode(r); err != nil {
				return results, failed, err
			}
		}
	}
	return results, failed, nil
}

// cells lists what one pass measures. Where callers share connections, there are at most as many as callers.
func (p *plan) cells(size string, callers int) (specs []cell.Spec) {
	for _, fw := range p.peers {
		if !fw.Shares {
			specs = append(specs, cell.Spec{Peer: fw.Name, Payload: size, Callers: callers, Conns: callers})
			continue
		}
		for i, conns := range p.conns {
			if conns > callers && i > 0 {
				continue
			}
			specs = append(specs, cell.Spec{Peer: fw.Name, Payload: size, Callers: callers, Conns: min(conns, callers)})
		}
	}
	return specs
}
