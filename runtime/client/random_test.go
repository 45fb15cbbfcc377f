package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// chaos is a server that answers in any order and at any time, refuses, goes away, and breaks off anywhere, also inside
// a frame. It knows which calls it has taken.
type chaos struct {
	t     testing.TB
	rng   *rand.Rand // guarded by mu
	mu    sync.Mutex
	taken map[string]int // by text
	calm  atomic.Bool    // from now on it is a good server
	wg    sync.WaitGroup
}

// happens reports whether something bad is to happen that has a chance of one in n.
func (x *chaos) happens(n int) bool { return x.random(n) == 0 && !x.calm.Load() }

func (x *chaos) random(n int) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rng.IntN(n)
}

// serve runs one connection.
func (x *chaos) serve(s *peer) {
	defer s.nc.Close()
	b := make([]byte, wire.PreambleSize)
	if x.happens(10) {
		return // before anything
	}
	if _, err := s.nc.Read(b); err != nil {
		return
	}
	var writing sync.Mutex
	send := func(b []byte) {
		writing.Lock()
		defer writing.Unlock()
		s.nc.SetWriteDeadline(time.Now().Add(time.Second))
		if x.happens(100) {
			s.nc.Write(b[:x.random(len(b))])
			s.nc.Close()
			return
		}
		s.nc.Write(b)
	}
	var answers sync.WaitGroup
	defer answers.Wait()
	send(wire.AppendPreamble(nil, wire.Preamble{})) // before any answer
	last := ^uint64(0)                              // calls above are not taken
	for {
		h, payload, err := s.next()
		if err != nil {
			return
		}
		if h.Kind != wire.KindCall || h.Stream > last {
			continue
		}
		g, err := parseCall(h, payload)
		if err != nil {
			x.t.Error(err)
			return
		}
		what := x.random(100)
		if x.calm.Load() {
			what = 100
		}
		if what < 3 { // refused
			answers.Go(func() {
				send(wire.AppendError(nil, g.id, &rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted}))
			})
			continue
		}
		x.mu.Lock()
		x.taken[g.text]++
		x.mu.Unlock()
		switch {
		case what < 6:
			return
		case what < 9 && last > g.id:
			last = g.id
			answers.Go(func() { send(wire.AppendGoAway(nil, wire.GoAway{Last: g.id})) })
		case what < 12:
			continue // never answered
		}
		wait := time.Duration(x.random(20)) * time.Millisecond
		answers.Go(func() {
			time.Sleep(wait)
			send(appendReply(nil, g.id, "re: "+g.text))
		})
	}
}

// Whatever happens: every call ends once, with its own reply or an error; no call is taken twice; and what is said not
// to have been executed was not taken by any server.
func TestRandomSchedules(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if good := randomSchedule(t, newPipes(t), seed); good == 0 && seed%5 != 0 {
					t.Error("nothing succeeded in the storm: the test tests nothing")
				}
			})
		})
	}
}

// The same over sockets, where callers write themselves and writes are cut by the kernel.
func TestRandomSchedulesTCP(t *testing.T) {
	noLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for seed := range uint64(6) {
		p := newPipes(t)
		p.tcp = ln
		randomSchedule(t, p, seed) // in the storm every call may be late, on a busy machine; not in the calm after it
	}
}

// randomSchedule returns how many of its 200 calls succeeded. After them the server is a good one, and a client that has not
// been closed has to find that out.
func randomSchedule(t *testing.T, p *pipes, seed uint64) (good int) {
	x := &chaos{t: t, rng: rand.New(rand.NewPCG(seed, 0)), taken: make(map[string]int)}
	opts := []Option{WithConnections(1 + int(seed%3)), WithLazyDial(), WithKeepalive(time.Second, time.Second)}
	if seed%2 == 0 {
		opts = append(opts, WithWaitForReady())
	}
	if seed%4 == 0 {
		opts = append(opts, WithMaxQueue(2000))
	}
	c := p.client(opts...)
	quit := make(chan struct{})
	x.wg.Go(func() {
		for {
			select {
			case s := <-p.peers:
				x.wg.Go(func() { x.serve(s) })
			case <-quit:
				return
			}
		}
	})

	var callers sync.WaitGroup
	var succeeded, failed sync.Map
	for caller := range 20 {
		callers.Go(func() {
			for i := range 10 {
				name := fmt.Sprintf("%d/%d %s", caller, i, strings.Repeat("x", x.random(300)))
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+x.random(200))*time.Millisecond)
				var r text
				var err error
				if x.random(2) == 0 {
					err = c.Call(ctx, echo, &text{name}, &r)
				} else {
					err = c.Go(ctx, echo, &text{name}, &r).Wait(context.Background())
				}
				cancel()
				if err != nil {
					failed.Store(name, err)
					// Not to spend all calls on one pause between attempts to connect, where they fail at once.
					time.Sleep(time.Duration(x.random(20)) * time.Millisecond)
				} else if succeeded.Store(name, true); r.s != "re: "+name {
					t.Errorf("%.10s got %.15q", name, r.s)
				}
			}
		})
	}
	if seed%5 == 0 {
		time.Sleep(30 * time.Millisecond)
		c.Close()
	}
	callers.Wait()
	x.calm.Store(true)
	if seed%5 != 0 {
		afterTheStorm(t, c)
	}
	c.Close()
	close(quit)
	x.wg.Wait()

	for name, n := range x.taken {
		if n > 1 {
			t.Errorf("%.10s was taken %d times", name, n)
		}
		if err, ok := failed.Load(name); ok && err.(*rpc.Error).Execution == rpc.NotExecuted {
			t.Errorf("%.10s was taken, but failed with %v", name, err)
		}
	}
	bad := 0
	succeeded.Range(func(name, _ any) bool {
		good++
		if x.taken[name.(string)] != 1 {
			t.Errorf("%.10s succeeded and was not taken", name)
		}
		return true
	})
	failed.Range(func(any, any) bool { bad++; return true })
	if good+bad != 200 {
		t.Errorf("%d calls ended, want 200", good+bad)
	}
	return good
}

// afterTheStorm checks that c can call again. Connections from before may still break, but only so many.
func afterTheStorm(t *testing.T, c *Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for tries := 0; ; tries++ {
		k := &call{method: echo, bounds: patience{ctx: ctx}}
		if _, err := c.pick(k, true); err != nil {
			t.Fatalf("no connection in the calm: %v", err)
		}
		var r text
		name := fmt.Sprint("calm ", tries)
		err := c.Call(ctx, echo, &text{name}, &r)
		if err == nil && r.s == "re: "+name {
			return
		}
		if err == nil || tries == 10 || rpc.CodeOf(err) != rpc.Unavailable {
			t.Fatalf("a call in the calm: %q, %v", r.s, err)
		}
	}
}
