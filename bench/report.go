package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// writeReport makes pages and charts of files of results.
func writeReport(args []string) error {
	fs := flag.NewFlagSet("bench report", flag.ContinueOnError)
	in := fs.String("in", "", "`files` of results, as -out writes them, separated by commas")
	out := fs.String("out", "../docs/bench", "`directory` that gets the pages")
	if err := parse(fs, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *in == "" {
		return errors.New("usage: bench report -in files [-out directory]")
	}
	var d report.Data
	for name := range strings.SplitSeq(*in, ",") {
		if err := readResults(&d, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return d.Write(*out)
}

func readResults(d *report.Data, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.Add(f)
}

// whole are the measurements of all, in the order in which they run. Together they take less than half an hour. The
// limits run with 1 KiB only.
func whole(passes int) [][]string {
	n := fmt.Sprint(passes)
	return [][]string{
		{"calls", "-payload", "1k", "-passes", n, "-warmup", "150ms", "-measure", "500ms"},
		{"calls", "-payload", "64B,64k", "-callers", "16,100,1000", "-passes", n, "-warmup", "150ms", "-measure", "500ms",
			"-fw", "kuafu,kuafu-plain,kuafu-binary,kuafu-compact,grpc,grpc-pool,kitex-mux,kitex-pooled,thrift-binary,thrift-compact,drpc,connect,netrpc"},
		{"open", "-passes", n, "-warmup", "150ms", "-measure", "700ms"},
		{"stream", "-passes", n},
		{"beside", "-passes", n},
		{"stuck", "-passes", n},
		{"scale", "-passes", fmt.Sprint(min(passes, 3))},
		{"idle"},
	}
}

// allView runs every view.
func allView(fs *flag.FlagSet) func(context.Context, *recorder) error {
	passes := fs.Int("passes", 5, "how often each cell is measured; of scale, 3 at most")
	return func(ctx context.Context, r *recorder) error {
		if *passes < 1 {
			return errors.New("there must be a pass")
		}
		for _, args := range whole(*passes) {
			measure, err := findView(args)
			if err != nil {
				return err
			}
			if err := measure(ctx, r); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
		}
		return nil
	}
}

// findView returns the measurement that args, a view's name and flags, ask for.
func findView(args []string) (func(context.Context, *recorder) error, error) {
	for _, v := range views() {
		if v.name == args[0] {
			fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
			measure := v.flags(fs)
			return measure, parse(fs, args[1:])
		}
	}
	return nil, fmt.Errorf("nothing to measure is called %q", args[0])
}
