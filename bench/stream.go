package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// streamPeers are measured by default.
const streamPeers = "kuafu,kuafu-struct,grpc,grpc-pool,kitex-stream,drpc,tcp"

// streamCell is one measurement of streams.
type streamCell struct {
	peer      peer.Peer
	direction cell.Direction
}

func (c streamCell) String() string { return fmt.Sprintf("%s, stream %s", c.peer.Name, c.direction) }

func streamView(fs *flag.FlagSet) func(context.Context, *recorder) error {
	names := fs.String("fw", streamPeers, "`frameworks` to measure, separated by commas")
	size := fs.Int("size", 64<<10, "`bytes` of each message")
	passes := fs.Int("passes", 5, "how often each cell is measured")
	measure := fs.Duration("measure", 500*time.Millisecond, "time of each measurement, about; an upload takes as long as it takes")
	profiles := profilesFlag(fs)
	return func(ctx context.Context, r *recorder) error {
		peers, err := findPeers(*names, streams)
		if err != nil {
			return err
		}
		if *size < 1 || *size > cell.MaxMessage || *passes < 1 || *measure <= 0 {
			return fmt.Errorf("there must be a pass, time to measure, and messages of 1 to %d bytes", cell.MaxMessage)
		}
		if err := makeDir(*profiles); err != nil {
			return err
		}
		for _, d := range cell.Directions() {
			cells := make([]streamCell, len(peers))
			for i, p := range peers {
				cells[i] = streamCell{p, d}
			}
			results, err := turns(ctx, r, *passes, cells, func(c streamCell, pass int) (cell.Transfer, error) {
				return cell.RunTransfer(ctx, c.peer.Name, c.direction, *size, pass, *measure, *profiles)
			})
			if err != nil {
				return err
			}
			if err := report.Transfers(os.Stdout, d, *size, results); err != nil {
				return err
			}
		}
		return nil
	}
}
