package cell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
	"github.com/kuafu-rpc/kuafu/bench/internal/stats"
)

// The first arguments of child processes.
const (
	ServerArg = "measured-server"
	ClientArg = "measured-client"
)

// repliesFD is the descriptor on which a child answers.
const repliesFD = 3

// Child runs this process as a server or a client if its arguments, without the program's name, say so, and returns
// when the parent has ended it. It reports false at once if they do not.
func Child(args []string) (bool, error) {
	if len(args) != 2 || args[0] != ServerArg && args[0] != ClientArg {
		return false, nil
	}
	out := os.NewFile(repliesFD, "replies")
	if out == nil {
		return true, fmt.Errorf("%s is started by the benchmark, not by hand", args[0])
	}
	replies := json.NewEncoder(out)
	c, ready, err := start(args[0], args[1])
	if err != nil {
		return true, replies.Encode(reply{Error: err.Error()})
	}
	if err := replies.Encode(ready); err != nil {
		return true, err
	}
	requests := json.NewDecoder(os.Stdin)
	for {
		var q request
		if err := requests.Decode(&q); err == io.EOF {
			return true, nil
		} else if err != nil {
			return true, err
		}
		a, err := c.answer(q)
		if err != nil {
			a.Error = err.Error()
		}
		if err := replies.Encode(a); err != nil {
			return true, err
		}
	}
}

// load is what makes a client's calls.
type load interface {
	warm() error // waits until every caller has made a call
	begin()      // starts the window
	end()        // ends it
	stop() (*stats.Histogram, error)
}

// child is what a child process knows.
type child struct {
	role    role
	peer    peer.Peer
	message *payload.Message
	load    load // client only; nil where it makes no calls

	// Of a client of streams.
	conn    *peer.Conn
	file    []byte // what an upload uploads
	bulk    *bulkStream
	endChat context.CancelFunc

	began   time.Time
	before  stats.Usage
	carried int64 // bytes of bulk
	profile *os.File
}

func start(arg, config string) (c *child, ready reply, err error) {
	c = new(child)
	if err := json.Unmarshal([]byte(config), &c.role); err != nil {
		return nil, ready, err
	}
	if c.peer, err = peer.Find(c.role.Spec.Peer); err != nil {
		return nil, ready, err
	}
	if c.message, err = payload.New(c.role.Spec.Payload); err != nil {
		return nil, ready, err
	}
	if arg == ServerArg {
		ready.Addr, err = serve(c.peer)
		return c, ready, err
	}
	if c.role.Spec.Callers > 0 {
		calls, err := c.peer.Dial(c.role.Addr, c.role.Spec.Callers, c.role.Spec.Conns, c.message)
		if err != nil {
			return nil, ready, err
		}
		if c.role.Spec.Rate > 0 {
			c.load = newArrivals(calls, c.role.Spec.Rate)
		} else {
			c.load = newCallers(calls)
		}
	}
	return c, ready, nil
}

func (c *child) answer(q request) (reply, error) {
	switch q.Do {
	case warm:
		return reply{}, c.load.warm()
	case begin:
		return reply{}, c.begin()
	case end:
		w, err := c.end()
		return reply{Window: w}, err
	case file:
		c.file = payload.Piece(q.N)
		return reply{}, nil
	case carry:
		return reply{}, c.carry(q.Transfer)
	case run:
		return reply{}, c.beside(q.Side)
	case stick:
		return reply{}, c.stick(q.N, q.Side.Size)
	case hold:
		return reply{}, c.peer.HoldConns(c.role.Addr, q.N, c.message)
	case memory:
		used, err := stats.Used()
		return reply{Resident: stats.Resident(q.Free), CPU: used.CPU}, err
	}
	return reply{}, fmt.Errorf("a child cannot %q", q.Do)
}

func (c *child) begin() (err error) {
	if c.role.Profile != "" {
		if c.profile, err = os.Create(c.role.Profile); err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(c.profile); err != nil {
			return err
		}
	}
	if c.before, err = stats.Used(); err != nil {
		return err
	}
	if c.bulk != nil {
		c.carried = c.bulk.carried.Load()
	}
	c.began = time.Now()
	if c.load != nil {
		c.load.begin()
	}
	return nil
}

func (c *child) end() (w window, err error) {
	if c.load != nil {
		c.load.end()
	}
	w.Elapsed = time.Since(c.began)
	used, err := stats.Used()
	if err != nil {
		return w, err
	}
	w.Used = used.Sub(c.before)
	if c.profile != nil {
		pprof.StopCPUProfile()
		if err := c.profile.Close(); err != nil {
			return w, err
		}
	}
	if c.bulk != nil {
		w.Carried = c.bulk.carried.Load() - c.carried
	}
	if c.load == nil {
		return w, nil
	}
	latency, err := c.load.stop()
	if a, ok := c.load.(*arrivals); ok {
		w.Late = a.late.Quantile(0.99)
	}
	c.load = nil
	err = errors.Join(err, c.endSide())
	w.Calls = latency.Count()
	w.P50, w.P99, w.P999 = latency.Quantile(0.5), latency.Quantile(0.99), latency.Quantile(0.999)
	return w, err
}
