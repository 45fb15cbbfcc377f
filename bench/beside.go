package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// besideCell is one measurement of a peer that has calls and streams on one connection.
type besideCell struct {
	peer peer.Peer
	what string
}

func (c besideCell) String() string { return c.peer.Name + ", " + c.what }

func besideCells(names, what string) ([]besideCell, error) {
	peers, err := findPeers(names, streams)
	cells := make([]besideCell, len(peers))
	for i, p := range peers {
		cells[i] = besideCell{p, what}
	}
	return cells, err
}

// bulkSize is how long the messages are beside which calls are measured.
const bulkSize = 64 << 10

func besideView(fs *flag.FlagSet) func(context.Context, *recorder) error {
	names := fs.String("fw", "kuafu,grpc,grpc-pool", "`frameworks` to measure, separated by commas")
	passes := fs.Int("passes", 5, "how often each cell is measured")
	timing := timingFlags(fs, 300*time.Millisecond, 700*time.Millisecond)
	return func(ctx context.Context, r *recorder) error {
		cells, err := besideCells(*names, "calls beside a stream")
		if err != nil {
			return err
		}
		if err := checkPasses(*passes, timing); err != nil {
			return err
		}
		results, err := turns(ctx, r, *passes, cells, func(c besideCell, pass int) (cell.Beside, error) {
			return cell.RunBeside(ctx, c.peer.Name, bulkSize, pass, *timing)
		})
		if err != nil {
			return err
		}
		return report.Beside(os.Stdout, results)
	}
}

func stuckView(fs *flag.FlagSet) func(context.Context, *recorder) error {
	names := fs.String("fw", "kuafu,grpc", "`frameworks` to measure, separated by commas")
	streams := fs.Int("streams", 1000, "`number` of streams that nobody reads")
	passes := fs.Int("passes", 5, "how often each cell is measured")
	timing := timingFlags(fs, 200*time.Millisecond, 500*time.Millisecond)
	return func(ctx context.Context, r *recorder) error {
		cells, err := besideCells(*names, fmt.Sprintf("%d stuck streams", *streams))
		if err != nil {
			return err
		}
		if err := checkPasses(*passes, timing); err != nil {
			return err
		}
		if *streams < 1 {
			return errors.New("-streams: there must be a stream")
		}
		results, err := turns(ctx, r, *passes, cells, func(c besideCell, pass int) (cell.Stuck, error) {
			return cell.RunStuck(ctx, c.peer.Name, *streams, bulkSize, pass, *timing)
		})
		if err != nil {
			return err
		}
		return report.Stuck(os.Stdout, *streams, results)
	}
}
