package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// What -quick sets: it shows that everything works, and nothing else.
const (
	quickPasses = 1
	quickWindow = 300 * time.Millisecond
)

// plan is what to measure.
type plan struct {
	peers    []peer.Peer
	payloads []string
	callers  []int
	conns    []int
	passes   int
	timing   cell.Timing
	out      string // file for JSON lines, "" for none
	profiles string // directory for processor profiles, "" for none
	list     bool
}

func parseFlags(args []string) (*plan, error) {
	p := new(plan)
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: bench [flags]\n       bench idle [flags]\n\nflags:\n")
		fs.PrintDefaults()
	}
	names := fs.String("fw", "", "`frameworks` to measure, separated by commas (default: all that -list does not call optional)")
	payloads := fs.String("payload", strings.Join(payload.Sizes(), ","), "payload `sizes`")
	callers := fs.String("callers", "1,16,100,1000", "`numbers` of concurrent callers")
	conns := fs.String("conns", "1", "`numbers` of connections that callers share, for frameworks that multiplex")
	fs.IntVar(&p.passes, "passes", 5, "how often each cell is measured")
	fs.DurationVar(&p.timing.Warmup, "warmup", time.Second, "time before each measurement")
	fs.DurationVar(&p.timing.Measure, "measure", 3*time.Second, "time of each measurement")
	quick := fs.Bool("quick", false, fmt.Sprintf("%d pass with a warm-up and a measurement of %v: a check that all works", quickPasses, quickWindow))
	fs.StringVar(&p.out, "out", "", "`file` that gets every single result as a line of JSON")
	fs.StringVar(&p.profiles, "cpuprofile", "", "`directory` that gets a processor profile of every client and server")
	fs.BoolVar(&p.list, "list", false, "list the frameworks")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", fs.Arg(0))
	}
	if *quick {
		p.passes, p.timing = quickPasses, cell.Timing{Warmup: quickWindow, Measure: quickWindow}
	}
	var err error
	if p.peers, err = parsePeers(*names); err != nil {
		return nil, err
	}
	p.payloads = strings.Split(*payloads, ",")
	for _, size := range p.payloads {
		if _, err := payload.New(size); err != nil {
			return nil, err
		}
	}
	if p.callers, err = parseNumbers(*callers); err != nil {
		return nil, fmt.Errorf("-callers: %w", err)
	}
	if p.conns, err = parseNumbers(*conns); err != nil {
		return nil, fmt.Errorf("-conns: %w", err)
	}
	if p.passes < 1 || p.timing.Measure <= 0 || p.timing.Warmup < 0 {
		return nil, errors.New("there must be a pass, and time to measure")
	}
	return p, nil
}

// parsePeers finds peers by name; no name stands for all but the optional ones.
func parsePeers(names string) ([]peer.Peer, error) {
	if names == "" {
		return slices.DeleteFunc(peer.All(), func(p peer.Peer) bool { return p.Optional }), nil
	}
	var peers []peer.Peer
	for name := range strings.SplitSeq(names, ",") {
		p, err := peer.Find(name)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

func parseNumbers(s string) ([]int, error) {
	var numbers []int
	for word := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no positive number", word)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func listPeers(w io.Writer) error {
	for _, p := range peer.All() {
		optional := ""
		if p.Optional {
			optional = " (optional)"
		}
		if _, err := fmt.Fprintf(w, "%-16s %-10s %s%s\n", p.Name, p.Kind, p.Title, optional); err != nil {
			return err
		}
	}
	return nil
}

// createOut opens the file for JSON lines; without a name they go nowhere.
func createOut(name string) (io.WriteCloser, error) {
	if name == "" {
		return discard{io.Discard}, nil
	}
	return os.Create(name)
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }
