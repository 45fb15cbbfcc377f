package reader

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// canceler is a native client that makes calls and cancels them.
type canceler struct {
	*bench
	id    uint64
	err   error  // of Feed
	kept  []byte // what is sent with the next frames
	later []*rpc.Call
}

func newCanceler(t *testing.T, change func(*Config)) *canceler {
	k := &canceler{bench: newBench(t, change)}
	k.feed(preamble())
	return k
}

// call sends a call, with o.
func (k *canceler) call(o *wire.CallOptions) uint64 {
	k.id++
	k.kept = append(k.kept, nativeCall(k.t, k.id, "", o)...)
	return k.id
}

func (k *canceler) cancel(id uint64) { k.kept = wire.AppendCancel(k.kept, id) }

// flush has the session read what was sent, in one piece, and then answers the calls that were canceled. It reports
// whether the connection goes on.
func (k *canceler) flush() bool {
	if k.err == nil {
		k.err = k.session.Feed(k.kept)
	}
	k.kept = k.kept[:0]
	for _, c := range k.calls {
		if c.Ended(time.Time{}) != nil {
			k.answer(c)
		} else {
			k.later = append(k.later, c)
		}
	}
	k.calls = nil
	return k.err == nil
}

// finish answers what has been called and not canceled.
func (k *canceler) finish() {
	for _, c := range k.later {
		k.answer(c)
	}
	k.later = nil
}

func (k *canceler) pass(d time.Duration) { k.clock = k.clock.Add(d) }

// Whoever does nothing but cancel what it has just sent is told to go, in the second in which it began.
func TestCancelFlood(t *testing.T) {
	for name, every := range map[string]time.Duration{"10,000 a second": 100 * time.Microsecond, "200 a second": 5 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			k := newCanceler(t, nil)
			begin := k.clock
			for k.cancel(k.call(nil)); k.flush(); k.cancel(k.call(nil)) {
				k.pass(every)
				if k.id == 100_000 {
					t.Fatal("it may go on for ever")
				}
			}
			if took := k.clock.Sub(begin); took < time.Second-every || took > 1100*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			var broken *wire.ConnError
			if !errors.Is(k.err, ErrCancels) || !errors.As(k.err, &broken) {
				t.Fatalf("got %v", k.err)
			}
			g := k.goAways()
			if len(g) != 1 || g[0].Code != rpc.ResourceExhausted || g[0].Last != k.id || !strings.Contains(g[0].Message, "over 200 in 10s") {
				t.Errorf("told %+v", g)
			}
		})
	}
	t.Run("split in two", func(t *testing.T) { // each Cancel is read after its call
		k := newCanceler(t, nil)
		for n := 0; ; n++ {
			id := k.call(nil)
			k.flush()
			k.pass(500 * time.Microsecond)
			if k.cancel(id); !k.flush() {
				break
			}
			k.pass(time.Millisecond)
			if n == 100_000 {
				t.Fatal("it may go on for ever")
			}
		}
	})
	t.Run("beside answered calls", func(t *testing.T) { // fewer of them
		k := newCanceler(t, nil)
		for n := 0; ; n++ {
			if n%10 == 0 {
				k.call(nil)
			}
			if k.cancel(k.call(nil)); !k.flush() {
				break
			}
			k.finish()
			k.pass(time.Millisecond)
			if n == 100_000 {
				t.Fatal("it may go on for ever")
			}
		}
	})
	t.Run("no bound", func(t *testing.T) {
		k := newCanceler(t, func(c *Config) { c.MaxCancels = -1 })
		for range 10_000 {
			if k.cancel(k.call(nil)); !k.flush() {
				t.Fatal(k.err)
			}
			k.pass(time.Millisecond)
		}
	})
}

// What clients do who mean no harm. Each goes on for longer than a window.
func TestHonestCancels(t *testing.T) {
	const long = cancelWindow * 3 / 2
	for name, client := range map[string]func(k *canceler, rng *rand.Rand) bool{
		// The callers of a client give up together, because what they work for has failed: after a moment, or at once.
		"1,000 callers who give up together": func(k *canceler, rng *rand.Rand) bool {
			var ids []uint64
			for range 1000 {
				ids = append(ids, k.call(nil))
			}
			if rng.IntN(2) == 0 {
				k.flush()
				k.pass(time.Duration(rng.IntN(1000)) * time.Microsecond)
			}
			for _, id := range ids {
				k.cancel(id)
			}
			ok := k.flush()
			k.pass(time.Second)
			return ok
		},
		// The deadlines of all callers end together, again and again, and nothing is ever answered. Calls come late, so
		// that their cancels seem to be early.
		"1,000 callers whose deadlines end together": func(k *canceler, rng *rand.Rand) bool {
			timeout := time.Duration(400+rng.IntN(5000)) * time.Microsecond
			var ids []uint64
			for range 1000 {
				ids = append(ids, k.call(&wire.CallOptions{Timeout: timeout}))
			}
			k.flush()
			k.pass(timeout * 3 / 5)
			for _, id := range ids {
				k.cancel(id)
			}
			ok := k.flush()
			k.pass(100 * time.Millisecond)
			return ok
		},
		// The network stands still for a while, and then everything arrives at once.
		"pauses of the network": func(k *canceler, rng *rand.Rand) bool {
			for range 3000 {
				k.cancel(k.call(&wire.CallOptions{Timeout: 50 * time.Millisecond}))
			}
			ok := k.flush()
			k.pass(2 * time.Second)
			return ok
		},
		// Another server is always faster than this one, so all calls are canceled a millisecond or more after they came.
		"hedges that this server loses": func(k *canceler, rng *rand.Rand) bool {
			id := k.call(nil)
			k.flush()
			k.pass(time.Millisecond + time.Duration(rng.IntN(1000))*time.Microsecond)
			k.cancel(id)
			return k.flush()
		},
		// This server gets the second attempts, and most of the time the first one has just been answered elsewhere.
		"hedges in vain": func(k *canceler, rng *rand.Rand) bool {
			for range 5 {
				k.call(nil)
			}
			id := k.call(nil)
			k.flush()
			k.finish()
			k.cancel(id)
			ok := k.flush()
			k.pass(time.Millisecond)
			return ok
		},
		// The same call is canceled again and again, and calls that have been answered.
		"useless cancels": func(k *canceler, rng *rand.Rand) bool {
			id := k.call(nil)
			k.flush()
			k.finish()
			for range 100 {
				k.cancel(id)
			}
			ok := k.flush()
			k.pass(10 * time.Millisecond)
			return ok
		},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			k := newCanceler(t, nil)
			for begin := k.clock; k.clock.Sub(begin) < long; {
				if !client(k, rng) {
					t.Fatalf("cut off after %v and %d calls: %v", k.clock.Sub(begin), k.id, k.err)
				}
				k.replies = k.replies[:0]
				k.sent = slices.Clip(k.sent[:wire.PreambleSize])
			}
		})
	}
}
