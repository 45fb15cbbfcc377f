package main

import (
	"context"
	"errors"
	"flag"
	"os"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// idlePeers are measured by default: of servers that differ in nothing but the client or the encoding, one.
const idlePeers = "kuafu,kuafu-binary,grpc,kitex-pooled,thrift-binary,drpc,connect,netrpc,gnet,net"

// idleCell is one measurement of idle connections.
type idleCell struct{ peer.Peer }

func (c idleCell) String() string { return c.Name + ", idle" }

// idleView measures the memory that idle connections cost a server, and prints a table.
func idleView(fs *flag.FlagSet) func(context.Context, *recorder) error {
	names := fs.String("fw", idlePeers, "`frameworks` to measure, separated by commas")
	conns := fs.Int("conns", 10_000, "`number` of connections")
	return func(ctx context.Context, r *recorder) error {
		peers, err := findPeers(*names, calls)
		if err != nil {
			return err
		}
		if *conns < 1 {
			return errors.New("-conns: there must be a connection")
		}
		cells := make([]idleCell, len(peers))
		for i, p := range peers {
			cells[i] = idleCell{p}
		}
		results, err := turns(ctx, r, 1, cells, func(c idleCell, _ int) (cell.Idle, error) {
			return cell.RunIdle(ctx, c.Name, *conns)
		})
		if err != nil {
			return err
		}
		return report.Idle(os.Stdout, *conns, results)
	}
}
