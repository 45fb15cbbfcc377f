package cell

import (
	"encoding/json"
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

// child is what a child process knows.
type child struct {
	role    role
	peer    peer.Peer
	message *payload.Message
	callers *callers   // client of calls only
	conn    *peer.Conn // client of streams only
	file    []byte     // likewise: what an upload uploads

	began   time.Time
	before  stats.Usage
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
		c.callers, err = startCallers(c.peer, c.role, c.message)
	}
	return c, ready, err
}

func (c *child) answer(q request) (reply, error) {
	switch q.Do {
	case warm:
		return reply{}, c.callers.warm()
	case begin:
		return reply{}, c.begin()
	case end:
		w, err := c.end()
		return reply{Window: w}, err
	case load:
		c.file = payload.Piece(q.N)
		return reply{}, nil
	case carry:
		return reply{}, c.carry(q.Transfer)
	case hold:
		return reply{}, c.peer.HoldConns(c.role.Addr, q.N, c.message)
	case memory:
		return reply{Resident: stats.Resident(q.Free)}, nil
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
	c.began = time.Now()
	if c.callers != nil {
		c.callers.measuring.Store(true)
	}
	return nil
}

func (c *child) end() (w window, err error) {
	if c.callers != nil {
		c.callers.measuring.Store(false)
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
	if c.callers == nil {
		return w, nil
	}
	latency, err := c.callers.stop()
	w.Calls = latency.Count()
	w.P50, w.P99, w.P999 = latency.Quantile(0.5), latency.Quantile(0.99), latency.Quantile(0.999)
	return w, err
}
