package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Client sends calls to one address. All its methods may be called concurrently.
type Client struct {
	// Immutable.
	address string // as given to Dial
	network string
	target  string
	config  *config
	lanes   []*lane
	cancel  context.CancelFunc // ends the lanes' goroutines
	wg      sync.WaitGroup     // of all goroutines

	calls sync.Pool // *call

	mu      sync.Mutex
	closed  bool
	changed chan struct{}      // closed and replaced when a lane's phase changes
	conns   map[*conn]struct{} // all that have not failed
}

var _ rpc.Caller = (*Client)(nil)

// resends is how often a call that provably was not sent is sent once more, on another connection.
const resends = 3

// Dial returns a client for the server at address, tcp://host:port or unix:///path. It connects before it returns, and
// fails if it cannot within ctx; WithLazyDial changes that. What the server says first is not waited for, so whether it
// speaks the right protocol shows with the first call. ctx matters to Dial only, not to the client.
//
// The client reconnects in the background whenever a connection is lost, at once the first time, then with pauses that
// WithBackoff sets. Errors of Dial are *rpc.Error, save those about its parameters.
func Dial(ctx context.Context, address string, opts ...Option) (*Client, error) {
	config, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	network, target, err := rpc.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.Background())
	c := &Client{
		address: address,
		network: network,
		target:  target,
		config:  config,
		cancel:  cancel,
		changed: make(chan struct{}),
		conns:   make(map[*conn]struct{}),
	}
	c.calls.New = func() any { return &call{ended: make(chan struct{}, 1)} }
	for range config.connections {
		c.lanes = append(c.lanes, &lane{client: c, wanted: make(chan struct{})})
	}
	for _, l := range c.lanes {
		c.wg.Go(func() { l.run(life) })
	}
	if config.lazy {
		return c, nil
	}
	if err := c.await(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// await starts the lanes and waits for the first connection, or for the first attempt to fail.
func (c *Client) await(ctx context.Context) error {
	p := &patience{ctx: ctx}
	p.deadline, _ = ctx.Deadline()
	if _, err := c.pick(p, &rpc.Method{}, false); err != nil {
		return err
	}
	return nil
}

// Close fails the calls that are under way, closes the connections and waits for the client's goroutines to end. Calls
// that have been handed to a connection, oneway ones above all, get up to a second to be written. It returns nil.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	conns := make([]*conn, 0, len(c.conns))
	for cn := range c.conns {
		conns = append(conns, cn)
	}
	c.mu.Unlock()
	c.cancel()
	var shuts sync.WaitGroup
	for _, cn := range conns {
		shuts.Go(func() { cn.shut(errClosed) })
	}
	shuts.Wait()
	c.wg.Wait()
	return nil
}

var errClosed = &rpc.Error{Code: rpc.Canceled, Message: "the client was closed"}

// connect makes a connection.
func (c *Client) connect(ctx context.Context) (*conn, *rpc.Error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.dialTimeout)
	defer cancel()
	nc, err := c.config.dial(ctx, c.network, c.target)
	if err != nil {
		return nil, &rpc.Error{Code: rpc.Unavailable, Message: "connecting to " + c.address + ": " + err.Error(), Execution: rpc.NotExecuted, Cause: err}
	}
	var cn *conn
	if c.config.thrift != nil {
		cn = newConn(nc, c.address, c.config.maxQueue, newThrift(c.config))
	} else {
		n := newNative(c.config)
		cn = newConn(nc, c.address, c.config.maxQueue, n)
		n.open(cn)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		nc.Close()
		return nil, errClosed
	}
	c.conns[cn] = struct{}{}
	c.wg.Go(cn.writeLoop)
	c.wg.Go(func() {
		cn.fail(cn.proto.receive(cn))
		c.mu.Lock()
		delete(c.conns, cn)
		c.mu.Unlock()
	})
	return cn, nil
}

// ready returns the usable connection with the fewest calls, nil if there is none.
func (c *Client) ready() *conn {
	best := c.lanes[0].usable()
	for _, l := range c.lanes[1:] {
		if cn := l.usable(); cn != nil && (best == nil || cn.pending.Load() < best.pending.Load()) {
			best = cn
		}
	}
	return best
}

// pick returns a connection for a call of m. It waits for one while an attempt is under way, and with patient set also
// between attempts, within p.
func (c *Client) pick(p *patience, m *rpc.Method, patient bool) (*conn, *rpc.Error) {
	for {
		if cn := c.ready(); cn != nil {
			return cn, nil
		}
		c.mu.Lock()
		changed := c.changed
		cn := c.ready() // once more: it may have come just before changed was read
		err := c.failureLocked()
		closed := c.closed
		c.mu.Unlock()
		if cn != nil {
			return cn, nil
		}
		if err != nil && (closed || !patient) {
			return nil, notSent(err, m)
		}
		select {
		case <-changed:
		case <-p.ctx.Done():
			return nil, p.over(m, rpc.NotExecuted, "a connection to "+c.address)
		case <-p.expired:
			return nil, p.over(m, rpc.NotExecuted, "a connection to "+c.address)
		}
	}
}

// failureLocked returns why there will be no connection soon, nil if there may be one. It starts lanes that are idle.
func (c *Client) failureLocked() *rpc.Error {
	if c.closed {
		return errClosed
	}
	pausing := true
	var first *lane // the next to try again
	for _, l := range c.lanes {
		switch l.phase {
		case phaseIdle:
			select {
			case <-l.wanted:
			default:
				close(l.wanted)
			}
			pausing = false
		case phasePausing:
			if first == nil || l.again.Before(first.again) {
				first = l
			}
		default:
			pausing = false
		}
	}
	if !pausing {
		return nil
	}
	e := *first.err
	e.Message += fmt.Sprintf(" (next attempt in %v)", max(0, time.Until(first.again)).Round(time.Millisecond))
	return &e
}

// patience returns the bounds of a call of m. If it sets a timeout, the caller has to arrange for expired.
func (c *Client) patience(ctx context.Context, m *rpc.Method) patience {
	p := patience{ctx: ctx}
	if d, ok := ctx.Deadline(); ok {
		p.deadline = d
		return p
	}
	p.timeout = m.Timeout
	if p.timeout == 0 {
		p.timeout = c.config.timeout
	}
	if p.timeout > 0 {
		p.deadline = time.Now().Add(p.timeout)
	}
	return p
}

// Call implements rpc.Caller.
//
// A deadline comes from ctx, else from the method, else from WithTimeout. A call that provably was not sent, because its
// connection was closing, is sent again on the next one unless its method has retry = "never".
func (c *Client) Call(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
	k := c.calls.Get().(*call)
	k.method, k.bounds = m, c.patience(ctx, m)
	timeout := k.bounds.timeout
	if timeout > 0 {
		if k.timer == nil {
			k.timer = time.NewTimer(timeout)
		} else {
			k.timer.Reset(timeout)
		}
		k.bounds.expired = k.timer.C
	}
	err := c.do(k, args, result)
	if timeout > 0 {
		k.timer.Stop() // and nothing is left in the channel
	}
	k.forget()
	c.calls.Put(k)
	if err != nil {
		return err
	}
	return nil
}

// do sends k and waits for its end.
func (c *Client) do(k *call, args codec.Encodable, result codec.Decodable) *rpc.Error {
	for tries := 0; ; tries++ {
		cn, err := c.begin(k, args)
		if err != nil || k.method.Oneway {
			return err
		}
		err = cn.wait(k)
		if err == nil {
			if err := cn.proto.decode(k.method, &k.reply, result); err != nil {
				return callError(err, k.method)
			}
			return nil
		}
		if tries == resends || !resendable(cn, k.method, err) {
			return err
		}
		k.err = nil
	}
}

// begin sends k on some connection.
func (c *Client) begin(k *call, args codec.Encodable) (*conn, *rpc.Error) {
	p := &k.bounds
	for tries := 0; ; tries++ {
		if p.ctx.Err() != nil {
			return nil, p.over(k.method, rpc.NotExecuted, "a connection")
		}
		cn, err := c.pick(p, k.method, c.config.waitForReady)
		if err != nil {
			return nil, err
		}
		if err = cn.proto.send(cn, k, args); err == nil {
			return cn, nil
		}
		if tries == resends || !resendable(cn, k.method, err) {
			return nil, err
		}
	}
}

// resendable reports whether a call that failed with err on cn may be sent again.
func resendable(cn *conn, m *rpc.Method, err *rpc.Error) bool {
	return err.Code == rpc.Unavailable && err.Execution == rpc.NotExecuted && !err.Remote && cn.gone.Load() && m.Retry != rpc.RetryNever
}

// wait waits until k, which has been sent, has ended. On an error there is no reply.
func (cn *conn) wait(k *call) *rpc.Error {
	p := &k.bounds
	if p.endless() {
		<-k.ended
		return k.err
	}
	select {
	case <-k.ended:
		return k.err
	case <-p.ctx.Done():
	case <-p.expired:
	}
	if cn.abandon(k) {
		return p.over(k.method, rpc.MaybeExecuted, "the reply")
	}
	<-k.ended // somebody is about to end it: the reply has won
	return k.err
}

// callError makes an *rpc.Error of err, which as a rule it is already.
func callError(err error, m *rpc.Method) *rpc.Error {
	var e *rpc.Error
	if !errors.As(err, &e) {
		e = &rpc.Error{Code: rpc.Internal, Message: err.Error(), Cause: err}
	}
	if e.Method == "" {
		e.Method = m.FullName
	}
	return e
}
