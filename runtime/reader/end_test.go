package reader

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// A native peer is told why a timeout ends its connection, and which calls were taken: others may be sent again.
func TestFarewellAfterATimeout(t *testing.T) {
	b := newBench(t, nil)
	b.feed(slices.Concat(preamble(), nativeCall(t, 3, "", nil)))
	b.answer(b.calls[0])
	if err := b.check(time.Hour); !errors.Is(err, ErrIdle) {
		t.Fatal(err)
	}
	if g := b.goAways(); len(g) != 1 || g[0].Last != 3 || g[0].Code != 0 || !strings.Contains(g[0].Message, "idle") {
		t.Errorf("told %+v", g)
	}

	b = newBench(t, nil)
	b.feed(slices.Concat(preamble(), nativeCall(t, 1, "abc", nil)[:20]))
	if err := b.check(time.Minute); !errors.Is(err, ErrFrameTimeout) {
		t.Fatal(err)
	}
	if g := b.goAways(); len(g) != 1 || g[0].Last != 0 || g[0].Code != rpc.DeadlineExceeded || !strings.Contains(g[0].Message, ErrFrameTimeout.Error()) {
		t.Errorf("told %+v", g)
	}

	b = newBench(t, nil)
	b.feed(preamble()[:20]) // what it is told still begins with a preamble
	if err := b.check(time.Minute); !errors.Is(err, ErrFirstFrameTimeout) {
		t.Fatal(err)
	}
	if g := b.goAways(); len(g) != 1 || g[0].Code != rpc.DeadlineExceeded {
		t.Errorf("told %+v", g)
	}

	b = newBench(t, nil)
	b.feed(thriftCall(t, dialects[0], 1, "echo", "abc")[:20])
	if err := b.check(time.Minute); !errors.Is(err, ErrFirstFrameTimeout) || len(b.sent) > 0 {
		t.Errorf("%v, sent % x", err, b.sent)
	}
}

func TestPartial(t *testing.T) {
	streams := [][]byte{slices.Concat(preamble(), nativeCall(t, 1, "one", nil))}
	for _, d := range dialects {
		streams = append(streams, thriftCall(t, d, 1, "echo", "one"))
	}
	for i, s := range streams {
		for n := range len(s) + 1 {
			b := newBench(t, nil)
			b.feed(s[:n])
			whole := n == 0 || n == len(s) || i == 0 && n == wire.PreambleSize
			if b.session.Partial() == whole {
				t.Errorf("stream %d, %d of %d bytes: partial %v", i, n, len(s), !whole)
			}
		}
	}
}

func TestCancelEndsOnewayCallsToo(t *testing.T) {
	oneway, err := new(wire.Dialect).AppendCall(nil, 2, notify, &word{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, nil)
	b.feed(slices.Concat(preamble(), nativeCall(t, 1, "", nil), oneway))
	b.session.Cancel()
	for i, c := range b.calls {
		if c.Context().Err() == nil {
			t.Errorf("call %d goes on", i)
		}
	}
}

// Whoever drains wants to know of connections that may have sent calls which nobody has read yet.
func TestDrainWhileUndecided(t *testing.T) {
	for name, first := range map[string][]byte{"native": preamble(), "Thrift": thriftCall(t, dialects[0], 1, "echo", "one")} {
		t.Run(name, func(t *testing.T) {
			answered := 0
			b := newBench(t, func(c *Config) { c.Answered = func() { answered++ } })
			b.session.Drain()
			if !b.session.Undecided() || answered != 0 {
				t.Fatalf("undecided %v, told %d times", b.session.Undecided(), answered)
			}
			b.feed(first)
			if b.session.Undecided() || answered == 0 {
				t.Errorf("undecided %v, told %d times", b.session.Undecided(), answered)
			}
			for _, r := range b.replies {
				if r.Err == nil || r.Err.Code != rpc.Unavailable || r.Err.Execution != rpc.NotExecuted {
					t.Errorf("answered %+v", r)
				}
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := newBench(t, nil).config
	for part, change := range map[string]func(*Config){
		"needs a":           func(c *Config) { c.Registry = nil },
		"65536 to":          func(c *Config) { c.MaxFrame = wire.MinMaxFrame - 1 },
		"2147483647":        func(c *Config) { c.MaxFrame = math.MaxInt32 + 1 },
		"MaxMessage":        func(c *Config) { c.MaxMessage = -1 },
		"MaxCalls":          func(c *Config) { c.MaxCalls = -1 },
		"MaxCallBytes":      func(c *Config) { c.MaxCallBytes = -1 },
		"MinRate":           func(c *Config) { c.MinRate = -1 },
		"FirstFrameTimeout": func(c *Config) { c.FirstFrameTimeout = -1 },
		" FrameTimeout":     func(c *Config) { c.FrameTimeout = -1 },
	} {
		c := good
		change(&c)
		if err := c.ApplyDefaultsAndValidate(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v", part, err)
		}
	}
	if err := good.ApplyDefaultsAndValidate(); err != nil {
		t.Error(err)
	}
}

// A GoAway that says why the connection ends is the last one, whatever else ends it. Calls that were read before are still
// dispatched: they count as taken.
func TestNothingBehindAFarewell(t *testing.T) {
	b := newBench(t, nil)
	err := b.session.Feed(slices.Concat(preamble(), nativeCall(t, 1, "", nil), nativeCall(t, 1, "", nil)))
	var broken *wire.ConnError
	if !errors.As(err, &broken) {
		t.Fatal(err)
	}
	b.session.Drain()
	b.session.Drain()
	if g := b.goAways(); len(g) != 1 || g[0].Code != rpc.InvalidArgument || g[0].Last != 1 {
		t.Errorf("told %+v", g)
	}
	if len(b.calls) != 1 {
		t.Fatalf("%d calls were dispatched", len(b.calls))
	}
	b.answer(b.calls[0])
	if len(b.replies) != 1 || b.session.Outstanding() != 0 {
		t.Errorf("%d replies, %d calls outstanding", len(b.replies), b.session.Outstanding())
	}
}
