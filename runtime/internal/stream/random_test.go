package stream

import (
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Windows of a few chunks make everything collide that can. The names say what the settings are after.
var simConfigs = map[string]simConfig{
	"small":      {window: 600, maxWindow: 2400, floor: 300, conn: 900, chunk: 100, maxMessage: 1 << 20, memory: 1 << 20, room: 300, largest: 2000},
	"conn small": {window: 600, maxWindow: 600, floor: 600, conn: 200, chunk: 100, maxMessage: 1 << 20, memory: 1 << 20, room: 1, largest: 1000},
	"no memory":  {window: 600, maxWindow: 2400, floor: 300, conn: 900, chunk: 100, maxMessage: 1 << 20, memory: 2000, room: 300, largest: 2000},
	"messages":   {window: 300, maxWindow: 300, floor: 300, conn: 10000, chunk: 50, maxMessage: 1500, memory: 1 << 20, room: 4000, largest: 2000},
	"proxy":      {window: 600, maxWindow: 1200, floor: 600, conn: 900, chunk: 100, maxMessage: 1 << 20, memory: 1 << 20, room: 300, opaque: true, largest: 2000},
	"tiny":       {window: 65, maxWindow: 65, floor: 65, conn: 65, chunk: 100, maxMessage: 1 << 20, memory: 1 << 20, room: 1, largest: 30},
	"real":       {window: DefaultWindow, maxWindow: DefaultMaxWindow, floor: 64 << 10, conn: 512 << 10, chunk: DefaultChunk, maxMessage: 64 << 20, memory: 16 << 20, room: 256 << 10, largest: 1 << 20},
}

// Whatever the order of events, no bound is ever passed, what is read comes whole and in order, nothing waits for a
// stream that is not read, and everything is given back.
func TestRandomSchedules(t *testing.T) {
	for name, c := range simConfigs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeds, steps := uint64(400), 1500
			if name == "real" {
				seeds, steps = 5, 1000
			}
			if testing.Short() {
				seeds = seeds/10 + 1
			}
			messages := 0
			for seed := range seeds {
				s := newSim(t, seed, c)
				for range steps {
					s.step(false, c)
				}
				for range s.rnd.IntN(100) {
					s.step(true, c)
				}
				s.settle()
				s.complete()
				for _, a := range s.server.streams {
					messages += a.got
				}
				s.clear()
			}
			if messages < int(seeds) {
				t.Errorf("only %d messages arrived in %d runs", messages, seeds)
			}
		})
	}
}

var lost = &rpc.Error{Code: rpc.Unavailable, Message: "connection lost"}

// The connection is lost at any time. Both sides give everything back, and nobody gets stuck.
func TestConnectionLost(t *testing.T) {
	c := simConfigs["small"]
	for seed := range uint64(300) {
		s := newSim(t, seed, c)
		for range s.rnd.IntN(2000) {
			s.step(false, c)
		}
		for _, e := range []*end{s.client, s.server} {
			open := len(e.mux.streams)
			if got := len(e.mux.Fail(lost)); got != open {
				t.Fatalf("seed %d: %d streams of %d", seed, got, open)
			}
			if e.mux.Len() != 0 {
				t.Fatalf("seed %d: %d streams left", seed, e.mux.Len())
			}
			if _, ok := e.mux.Next(); ok {
				t.Errorf("seed %d: a frame for a lost connection", seed)
			}
			if _, err := e.mux.Open(Options{}); rpc.CodeOf(err) != rpc.Unavailable {
				t.Errorf("seed %d: open: %v", seed, err)
			}
			for _, a := range e.streams {
				if a.s.State() != StateReset && a.s.State() != StateClosed {
					t.Fatalf("seed %d: %v", seed, a.s)
				}
				for a.recv() {
				}
				if !a.discard && !a.eof {
					t.Fatalf("seed %d: %v: its reader would wait for ever", seed, a.s)
				}
				a.s.Discard()
			}
			if e.memory.Used() != 0 {
				t.Fatalf("seed %d: %v", seed, e.memory)
			}
		}
	}
}
