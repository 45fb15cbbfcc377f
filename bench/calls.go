package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/check"
	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// What -quick sets where the command line does not: short windows, no limits of the machine, and the cells that package
// check knows about.
const (
	quickTries   = 3 // the machine may be busy with other things
	quickPasses  = 3
	quickWarmup  = 100 * time.Millisecond
	quickWindow  = 250 * time.Millisecond
	quickPeers   = "kuafu,kuafu-plain,kuafu-binary,kuafu-compact,grpc,grpc-pool,kitex-mux,kitex-pooled,thrift-binary,thrift-compact,drpc,connect,netrpc"
	quickCallers = "1,100"
)

// callCell is one measurement of calls.
type callCell cell.Spec

func (c callCell) String() string {
	return fmt.Sprintf("%s, %s, %d callers", c.Peer, c.Payload, c.Callers)
}

// callsView measures calls and prints a table for each payload and number of callers.
func callsView(fs *flag.FlagSet) func(context.Context, *recorder) error {
	names := fs.String("fw", "", "`frameworks` to measure, separated by commas (default: all that -list does not call optional)")
	payloads := fs.String("payload", strings.Join(payload.Sizes(), ","), "payload `sizes`")
	callers := fs.String("callers", "1,16,100,1000", "`numbers` of concurrent callers")
	conns := fs.String("conns", "1", "`numbers` of connections that callers share, for frameworks that multiplex")
	passes := fs.Int("passes", 5, "how often each cell is measured")
	timing := timingFlags(fs, time.Second, 3*time.Second)
	profiles := profilesFlag(fs)
	quick := fs.Bool("quick", false, "measure briefly, and fail if Kuafu allocates more or has lost more speed than noise takes")
	list := fs.Bool("list", false, "list the frameworks")
	return func(ctx context.Context, r *recorder) error {
		if *list {
			return listPeers(os.Stdout)
		}
		if *quick {
			err := setDefaults(fs, map[string]string{
				"passes": fmt.Sprint(quickPasses), "warmup": quickWarmup.String(), "measure": quickWindow.String(),
				"fw": quickPeers, "callers": quickCallers,
			})
			if err != nil {
				return err
			}
		}
		peers, err := findPeers(*names, calls)
		if err != nil {
			return err
		}
		sizes, err := parsePayloads(*payloads)
		if err != nil {
			return err
		}
		numbers, err := parseNumbers(*callers)
		if err != nil {
			return fmt.Errorf("-callers: %w", err)
		}
		shared, err := parseNumbers(*conns)
		if err != nil {
			return fmt.Errorf("-conns: %w", err)
		}
		if err := checkPasses(*passes, timing); err != nil {
			return err
		}
		if err := makeDir(*profiles); err != nil {
			return err
		}
		measure := func() (all []cell.Result, err error) {
			for _, size := range sizes {
				for _, n := range numbers {
					if *quick && !check.Knows(size, n) {
						continue
					}
					results, err := turns(ctx, r, *passes, callCells(peers, size, n, shared),
						func(c callCell, pass int) (cell.Result, error) {
							c.Pass = pass
							return cell.Run(ctx, cell.Spec(c), *timing, *profiles)
						})
					if err != nil {
						return nil, err
					}
					if err := report.Calls(os.Stdout, size, n, results); err != nil {
						return nil, err
					}
					all = append(all, results...)
				}
			}
			return all, nil
		}
		for try := 1; ; try++ {
			all, err := measure()
			if err != nil || !*quick {
				return err
			}
			err = quickResult(all)
			if err == nil || len(all) == 0 || try == quickTries {
				return err
			}
			fmt.Fprintf(os.Stderr, "%v\nonce more, in case the machine was busy:\n", err)
		}
	}
}

func quickResult(results []cell.Result) error {
	if len(results) == 0 {
		return errors.New("there is nothing to check in these cells")
	}
	if failures := check.Failures(results); len(failures) > 0 {
		return fmt.Errorf("worse than it was:\n%s", strings.Join(failures, "\n"))
	}
	return nil
}

// callCells lists what one pass measures. Where callers share connections, there are at most as many as callers.
func callCells(peers []peer.Peer, size string, callers int, shared []int) (cells []callCell) {
	for _, p := range peers {
		if !p.Shares {
			cells = append(cells, callCell{Peer: p.Name, Payload: size, Callers: callers, Conns: callers})
			continue
		}
		for i, conns := range shared {
			if conns > callers && i > 0 {
				continue
			}
			cells = append(cells, callCell{Peer: p.Name, Payload: size, Callers: callers, Conns: min(conns, callers)})
		}
	}
	return cells
}
