package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// scaleCell is one point of an axis.
type scaleCell struct {
	peer string
	axis cell.Axis
	at   int
}

func (c scaleCell) String() string { return fmt.Sprintf("%s, %d %s", c.peer, c.at, c.axis) }

// points are where an axis is measured.
func points() map[cell.Axis][]int {
	return map[cell.Axis][]int{
		cell.Callers:     {1, 3, 10, 30, 100, 300, 1000},
		cell.Connections: {1, 10, 100, 1000, 10_000},
		cell.Payload:     {64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20},
		cell.Methods:     {1, 10, 100, 1000},
	}
}

func scaleView(fs *flag.FlagSet) func(context.Context, *recorder) error {
	names := fs.String("fw", "kuafu-plain,grpc-pool", "`frameworks` to measure, separated by commas; of methods, it is always Kuafu")
	axes := fs.String("axis", "callers,connections,payload,methods", "`what` grows")
	passes := fs.Int("passes", 3, "how often each cell is measured")
	timing := timingFlags(fs, 200*time.Millisecond, 500*time.Millisecond)
	return func(ctx context.Context, r *recorder) error {
		peers, err := findPeers(*names, calls)
		if err != nil {
			return err
		}
		if err := checkPasses(*passes, timing); err != nil {
			return err
		}
		for word := range strings.SplitSeq(*axes, ",") {
			axis := cell.Axis(word)
			at := points()[axis]
			if at == nil {
				return fmt.Errorf("-axis: there is no %q", word)
			}
			var cells []scaleCell
			for _, n := range at {
				if axis == cell.Methods {
					cells = append(cells, scaleCell{"kuafu", axis, n})
					continue
				}
				for _, p := range peers {
					if axis != cell.Connections || p.Shares {
						cells = append(cells, scaleCell{p.Name, axis, n})
					}
				}
			}
			results, err := turns(ctx, r, *passes, cells, func(c scaleCell, pass int) (cell.Scale, error) {
				return cell.RunScale(ctx, c.peer, c.axis, c.at, pass, *timing)
			})
			if err != nil {
				return err
			}
			if err := report.Scale(os.Stdout, axis, results); err != nil {
				return err
			}
		}
		return nil
	}
}
