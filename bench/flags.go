package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

func timingFlags(fs *flag.FlagSet, warmup, measure time.Duration) *cell.Timing {
	t := new(cell.Timing)
	fs.DurationVar(&t.Warmup, "warmup", warmup, "time before each measurement")
	fs.DurationVar(&t.Measure, "measure", measure, "time of each measurement")
	return t
}

func checkPasses(passes int, t *cell.Timing) error {
	if passes < 1 || t.Measure <= 0 || t.Warmup < 0 {
		return errors.New("there must be a pass, and time to measure")
	}
	return nil
}

// setDefaults sets the flags that the command line has not set.
func setDefaults(fs *flag.FlagSet, values map[string]string) error {
	fs.Visit(func(f *flag.Flag) { delete(values, f.Name) })
	for name, value := range values {
		if err := fs.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func profilesFlag(fs *flag.FlagSet) *string {
	return fs.String("cpuprofile", "", "`directory` that gets a processor profile of every client and server")
}

// makeDir makes a directory, if there is a name.
func makeDir(name string) error {
	if name == "" {
		return nil
	}
	return os.MkdirAll(name, 0o755)
}

// What a peer has to have to be measured.
func calls(p peer.Peer) bool   { return p.Dial != nil }
func streams(p peer.Peer) bool { return p.Connect != nil }

// findPeers finds peers by name, all of which must be able. No name stands for all that are able and not optional.
func findPeers(names string, able func(peer.Peer) bool) (peers []peer.Peer, err error) {
	if names == "" {
		for _, p := range peer.All() {
			if able(p) && !p.Optional {
				peers = append(peers, p)
			}
		}
		return peers, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		p, err := peer.Find(name)
		if err != nil {
			return nil, err
		}
		if !able(p) {
			return nil, fmt.Errorf("%s has nothing of the kind that is measured", name)
		}
		peers = append(peers, p)
	}
	return peers, nil
}

func parsePayloads(names string) ([]string, error) {
	sizes := strings.Split(names, ",")
	for _, size := range sizes {
		if _, err := payload.New(size); err != nil {
			return nil, err
		}
	}
	return sizes, nil
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
		if p.Dial == nil {
			optional = " (streams only)"
		}
		if _, err := fmt.Fprintf(w, "%-16s %-10s %s%s\n", p.Name, p.Kind, p.Title, optional); err != nil {
			return err
		}
	}
	return nil
}
