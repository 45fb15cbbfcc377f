package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// openPeers are measured by default. gnet-mux shows what waking up costs.
const openPeers = "kuafu,grpc,grpc-pool,kitex-mux,kitex-pooled,thrift-binary,drpc,connect,netrpc,gnet-mux"

// openCell is a peer with a rate of calls.
type openCell struct {
	cell.Spec
	capacity float64
	own      bool
}

func (c openCell) String() string { return fmt.Sprintf("%s, %.0f calls/s", c.Peer, c.Rate) }

// openView measures what each peer can do with callers that make one call after another, and then the latency at a
// share of that, and at one rate for all.
func openView(fs *flag.FlagSet) func(context.Context, *recorder) error {
	names := fs.String("fw", openPeers, "`frameworks` to measure, separated by commas")
	size := fs.String("payload", "1k", "payload `size`")
	callers := fs.Int("callers", 100, "`number` of concurrent callers")
	share := fs.Float64("share", 0.7, "`part` of the capacity that is offered")
	rate := fs.Float64("rate", 0, "`calls` per second that all are offered (default: the share of the slowest)")
	passes := fs.Int("passes", 5, "how often each cell is measured")
	timing := timingFlags(fs, 300*time.Millisecond, time.Second)
	return func(ctx context.Context, r *recorder) error {
		peers, err := findPeers(*names, calls)
		if err != nil {
			return err
		}
		if err := checkPasses(*passes, timing); err != nil {
			return err
		}
		if *callers < 1 || *share <= 0 || *rate < 0 {
			return errors.New("there must be a caller, and something offered")
		}
		capacities, err := turns(ctx, r, *passes, callCells(peers, *size, *callers, []int{1}),
			func(c callCell, pass int) (cell.Result, error) {
				c.Pass = pass
				return cell.Run(ctx, cell.Spec(c), *timing, "")
			})
		if err != nil {
			return err
		}
		own := openCells(capacities, *share)
		if len(own) == 0 {
			return errors.New("no framework has run")
		}
		common := slices.Clone(own)
		slowest := slices.MinFunc(own, func(a, b openCell) int { return int(a.Rate - b.Rate) })
		for i := range common {
			common[i].Rate, common[i].own = slowest.Rate, false
			if *rate > 0 {
				common[i].Rate = *rate
			}
		}
		for _, cells := range [][]openCell{own, common} {
			results, err := turns(ctx, r, *passes, cells, func(c openCell, pass int) (cell.Open, error) {
				c.Pass = pass
				o, err := cell.RunOpen(ctx, c.Spec, *timing)
				o.Capacity, o.Own = c.capacity, c.own
				return o, err
			})
			if err != nil {
				return err
			}
			if err := report.Open(os.Stdout, results); err != nil {
				return err
			}
		}
		return nil
	}
}

// openCells offers each peer a share of the median of its capacities.
func openCells(capacities []cell.Result, share float64) (cells []openCell) {
	for _, r := range report.Summarize(capacities) {
		cells = append(cells, openCell{
			Spec:     cell.Spec{Peer: r.Peer, Payload: r.Payload, Callers: r.Callers, Conns: r.Conns, Rate: share * r.Rate},
			capacity: r.Rate, own: true,
		})
	}
	return cells
}
