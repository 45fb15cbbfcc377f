package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Client sends calls to one or more servers of a service. All its methods may be called concurrently.
type Client struct {
	// Immutable.
	config *config
	rules  rules
	handle rpc.ClientHandler       // the interceptors around send; nil if there are none
	opens  rpc.StreamClientHandler // open, with the interceptors of streams around it
	life   context.Context         // ends when the client is closed
	cancel context.CancelFunc      // ends life, and with it the goroutines
	wg     sync.WaitGroup          // of all goroutines

	calls   sync.Pool     // *call
	made    atomic.Uint64 // calls, for the budget and for taking turns
	numbers atomic.Uint64 // the last number of an at-most-once call

	latencies sync.Map // *rpc.Method -> *latency, for hedging

	// Snapshots of what mu guards, for the way of a call.
	fleet   atomic.Pointer[fleet]
	turn    atomic.Pointer[turn]
	returns atomic.Int64 // when the next ejected server is due back, as a time since born; 0 if none
	born    time.Time

	mu       sync.Mutex
	closed   bool
	woken    bool               // servers are connected to without waiting for a call
	changed  chan struct{}      // closed and replaced when a lane's phase or the list of servers changes
	conns    map[*conn]struct{} // all that have not failed
	servers  []*server          // in order of preference
	rotation rotation[*server]  // which server is in use, with FailoverOrder
	budget   budget
}

// turn is the server in use with FailoverOrder.
type turn struct {
	server     *server
	generation uint64
}

var _ rpc.Caller = (*Client)(nil)

// Dial returns a client for the servers at addresses: one tcp://host:port, tls://host:port or unix:///path, or several
// separated by commas. It connects to one before it returns, and fails if within ctx it cannot; WithLazyDial changes
// that. What a server says first is not waited for, so whether it speaks the right protocol shows with the first call.
// ctx matters to Dial only, not to the client.
//
// The client reconnects in the background whenever a connection is lost, at once the first time, then with pauses that
// WithBackoff sets. WithBalancer says which of several servers a call goes to. Errors of Dial are *rpc.Error, save those
// about its parameters.
func Dial(ctx context.Context, addresses string, opts ...Option) (*Client, error) {
	return DialResolver(ctx, static(splitAddresses(addresses)), opts...)
}

// DialResolver is Dial for servers that r finds, and whose list may change any time. Calls under way to a server that
// leaves the list are finished; none fails for it. WithLazyDial does not keep it from resolving.
func DialResolver(ctx context.Context, r Resolver, opts ...Option) (*Client, error) {
	config, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	list, err := r.Resolve(ctx)
	if err != nil {
		return nil, resolveError(err)
	}
	if list, err = checkAddresses(list); err != nil {
		return nil, err
	}
	c := &Client{
		config:  config,
		rules:   rules{config.retry, config.failover},
		changed: make(chan struct{}),
		conns:   make(map[*conn]struct{}),
		budget:  budget{ratio: config.retry.Ratio, floor: config.retry.Floor},
		born:    time.Now(),
		woken:   !config.lazy,
	}
	if config.hasID {
		// Where the id outlives this client, its numbers must not come again.
		c.numbers.Store(uint64(c.born.UnixNano()))
	}
	c.life, c.cancel = context.WithCancel(context.Background())
	c.calls.New = func() any { return &call{ended: make(chan struct{}, 1)} }
	if len(config.interceptors) > 0 {
		c.handle = rpc.ChainClient(c.call, config.interceptors...)
	}
	c.opens = rpc.ChainStreamClient(c.open, config.streams.interceptors...)
	c.update(list)
	if _, fixed := r.(static); !fixed {
		c.wg.Go(func() { c.watch(r) })
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

func resolveError(err error) *rpc.Error {
	var e *rpc.Error
	if errors.As(err, &e) {
		return e
	}
	code := rpc.Unavailable
	if c := rpc.CodeOf(err); c != rpc.Unknown {
		code = c
	}
	return &rpc.Error{Code: code, Message: "finding the servers: " + err.Error(), Execution: rpc.NotExecuted, Cause: err}
}

// await waits for the first connection, or until attempts to connect to every server have failed.
func (c *Client) await(ctx context.Context) error {
	k := &call{method: new(rpc.Method), bounds: patience{ctx: ctx}}
	k.bounds.deadline, _ = ctx.Deadline()
	for tries := 1; ; tries++ {
		_, err := c.pick(k, false)
		if err == nil {
			return nil
		}
		if err.Code != rpc.Unavailable || !c.standby() || tries >= len(c.fleet.Load().all) {
			return err
		}
		c.moveOn(k)
	}
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

// patience returns the bounds of a call of m. If it sets a timeout, the caller has to arrange for expired.
func (c *Client) patience(ctx context.Context, m *rpc.Method) patience {
	p := patience{ctx: ctx}
	if d, ok := ctx.Deadline(); ok {
		p.deadline, p.started = d, time.Now()
		return p
	}
	p.timeout = m.Timeout
	if p.timeout == 0 {
		p.timeout = c.config.timeout
	}
	if p.timeout > 0 {
		p.started = time.Now()
		p.deadline = p.started.Add(p.timeout)
	}
	return p
}

// Call implements rpc.Caller.
//
// A deadline comes from ctx, else from the method, else from WithTimeout. RetryPolicy tells which calls are sent again.
// An error's Execution speaks of all attempts.
func (c *Client) Call(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
	if c.handle != nil {
		return c.handle(ctx, m, args, result)
	}
	return c.call(ctx, m, args, result)
}

// call is Call inside the interceptors.
func (c *Client) call(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
	k := c.calls.Get().(*call)
	k.bounds = c.patience(ctx, m)
	if err := c.prepare(k, m); err != nil {
		c.release(k)
		return err
	}
	report := c.reportOf(ctx)
	if report != nil && k.bounds.started.IsZero() {
		k.bounds.started = time.Now()
	}
	timeout := k.bounds.timeout
	if timeout > 0 {
		if k.timer == nil {
			k.timer = time.NewTimer(timeout)
		} else {
			k.timer.Reset(timeout)
		}
		k.bounds.expired = k.timer.C
	}
	var err *rpc.Error
	if a := c.asyncFrom(ctx); a != nil {
		err = c.once(k, a, args, result)
	} else {
		err = c.do(k, args, result)
	}
	if timeout > 0 {
		k.timer.Stop() // and nothing is left in the channel
	}
	if report != nil {
		report.add(k)
	}
	c.release(k)
	if err != nil {
		return err
	}
	return nil
}

// prepare fills in what all attempts of a call of m have in common. k.bounds is set.
func (c *Client) prepare(k *call, m *rpc.Method) error {
	k.method = m
	k.retry = m.Retry
	k.ticket = c.made.Add(1)
	if m.Retry == rpc.RetryAtMostOnce {
		if c.config.thrift == nil && !m.Oneway {
			k.native.Number = c.numbers.Add(1)
		} else {
			k.retry = rpc.RetryUnset // no server could tell a repetition
		}
	}
	o, err := rpc.OutgoingFrom(k.bounds.ctx)
	if err != nil {
		e := *callError(err, m)
		e.Method = m.FullName
		return &e
	}
	if o != nil {
		k.native.Metadata, k.sink = o.Metadata, o.Reply
		if k.sink != nil {
			*k.sink = rpc.Metadata{}
		}
	}
	if t, ok := rpc.TraceFrom(k.bounds.ctx); ok {
		k.native.Trace = rpc.AppendTraceContext(k.trace[:0], t)
	}
	return nil
}

func (c *Client) release(k *call) {
	k.forget()
	c.calls.Put(k)
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
