package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Option changes how a Client works. Dial checks them all before it does anything.
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

// WithConnections sets how many connections the client keeps to each server that it uses, 1 to 64. Each call takes the one with the
// fewest calls in flight. Default 1, which is the fastest on most machines.
func WithConnections(n int) Option { return option(func(c *config) { c.connections = n }) }

// WithBusyPoll sets for how long, at most, a caller that waits alone on a connection looks for its reply before it sleeps: being
// woken may take longer than the call itself. It looks as long as replies take lately; not at all if that is longer than
// most, while half of the processors are looking already, and on connections with TLS. Meanwhile it leaves the processor to any
// other thread that wants it, but a context that ends is noticed up to most later. From 0, which turns it off, to MaxBusyPoll.
// Default: DefaultBusyPoll for servers on the same host, 0 for others.
func WithBusyPoll(most time.Duration) Option {
	return option(func(c *config) {
		c.busyPoll = most
		if most < 0 {
			c.err = fmt.Errorf("polling for %v", most)
		}
	})
}

// WithTimeout limits calls whose context has no deadline and whose method has no timeout. Default 0: no limit.
func WithTimeout(d time.Duration) Option { return option(func(c *config) { c.timeout = d }) }

// WithDialTimeout limits one attempt to connect. Default 10 s.
func WithDialTimeout(d time.Duration) Option { return option(func(c *config) { c.dialTimeout = d }) }

// WithLazyDial makes Dial return at once; the first call connects. By default Dial connects, and fails if it cannot.
func WithLazyDial() Option { return option(func(c *config) { c.lazy = true }) }

// WithWaitForReady makes calls wait, within their deadline, for a connection to come up. By default they wait for an
// attempt that is under way, and fail at once (Unavailable, NotExecuted) between attempts. It does not matter where a call
// can fail over to another server: see FailoverPolicy.
func WithWaitForReady() Option { return option(func(c *config) { c.waitForReady = true }) }

// WithBackoff sets the pauses between failed attempts to connect. Default DefaultBackoff.
func WithBackoff(b Backoff) Option { return option(func(c *config) { c.backoff = b }) }

// WithBalancer says which of several servers a call goes to. Default FailoverOrder.
func WithBalancer(b Balancer) Option { return option(func(c *config) { c.balancer = b }) }

// WithFailover sets how calls move on from one server to the next. Default DefaultFailover.
func WithFailover(p FailoverPolicy) Option { return option(func(c *config) { c.failover = p }) }

// WithEjection sets when servers that fail are left alone for a while. Default DefaultEjection.
func WithEjection(e Ejection) Option { return option(func(c *config) { c.ejection = e }) }

// WithRetry sets how calls that failed are sent again. Default DefaultRetry.
func WithRetry(p RetryPolicy) Option { return option(func(c *config) { c.retry = p }) }

// WithHedging makes calls of idempotent methods that wait long for their reply race against copies of themselves. By
// default they do not.
func WithHedging(h Hedging) Option { return option(func(c *config) { c.hedging = &h }) }

// WithInterceptors puts interceptors around calls, the first outermost. The option may be given several times.
func WithInterceptors(i ...rpc.ClientInterceptor) Option {
	return option(func(c *config) { c.interceptors = append(c.interceptors, i...) })
}

// WithTLS sets how connections to tls:// addresses are secured. current is called before each, so it may follow files, as
// the ClientConfig of auth.Certificates does. Where ServerName is empty, the server's certificate has to be for the host
// in the address; a MinVersion of 0 stands for TLS 1.3. Default: the certificate authorities of the machine. With this
// option tcp:// addresses are refused.
func WithTLS(current func() *tls.Config) Option {
	return option(func(c *config) {
		c.tls = current
		if current == nil {
			c.err = errors.New("a nil TLS configuration")
		}
	})
}

// WithSecret makes the client log in on each connection before it is used; see server.WithSecrets. The secret is not sent,
// and the server has to prove that it knows what belongs to it.
func WithSecret(user, secret string) Option {
	return option(func(c *config) {
		var err error
		if c.credentials, err = auth.NewCredentials(user, secret); err != nil {
			c.err = err
		}
	})
}

// WithKeepalive makes the client ping a connection from which nothing has come for idle, and close it if still nothing
// comes for timeout. An idle of 0 turns pings off; else it is at least 20 ms, because servers take more than 1,000 pings in
// 10 s for a flood. Default 30 s and 10 s. Thrift servers are never pinged.
func WithKeepalive(idle, timeout time.Duration) Option {
	return option(func(c *config) { c.pingIdle, c.pingTimeout = idle, timeout })
}

const minPingIdle = 20 * time.Millisecond

// WithMaxQueue bounds the bytes that wait to be sent on one connection. A call that finds no room waits, within its
// deadline; a single call larger than the bound is sent once the queue is empty. Default 64 MiB.
func WithMaxQueue(bytes int) Option { return option(func(c *config) { c.maxQueue = bytes }) }

// WithMaxFrame sets the longest frame, in bytes, that is accepted from the server, at least wire.MinMaxFrame. Default
// wire.DefaultMaxFrame.
func WithMaxFrame(bytes int) Option { return option(func(c *config) { c.maxFrame = bytes }) }

// WithMaxMessage sets the longest message, in bytes before compression, in both directions. Default
// wire.DefaultMaxMessage.
func WithMaxMessage(bytes int) Option { return option(func(c *config) { c.maxMessage = bytes }) }

// WithAllocFactor sets how many bytes decoding a reply or a message of a stream may allocate for each byte of it, 64 KiB
// apart. Default codec.AllocFactor, 16, at most codec.MaxAllocFactor, 1,024. One that needs more fails its call with
// rpc.Internal. Lists of structs with many fields, most of them absent, may need a higher factor.
func WithAllocFactor(n int) Option { return option(func(c *config) { c.allocFactor = n }) }

// WithEncoding sets how arguments are encoded. Default codec.Binary.
func WithEncoding(enc codec.Encoding) Option { return option(func(c *config) { c.encoding = enc }) }

// WithCompression sets from how many bytes on arguments are compressed; negative turns that off. Methods with a compress
// annotation decide for themselves. Default wire.DefaultThreshold.
func WithCompression(threshold int) Option {
	return option(func(c *config) { c.threshold = threshold })
}

// WithClientID sets the id under which servers know this process. Default: a random one for each Client. Servers tell
// repetitions of at-most-once calls by this id and a number that starts at the client's birth, in nanoseconds, so that
// only one Client at a time may have an id, while the next process may have it again.
func WithClientID(id rpc.ClientID) Option {
	return option(func(c *config) { c.clientID, c.hasID = id, true })
}

// WithDialer replaces how connections are made. The network is "tcp" or "unix"; TLS comes on top of what it returns.
// dial must heed ctx and may be called concurrently. Default: a net.Dialer.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return option(func(c *config) { c.dial = dial })
}

// WithThrift makes the client talk to a stock Apache Thrift server. See Thrift for what that costs.
func WithThrift(t Thrift) Option { return option(func(c *config) { c.thrift = &t }) }

// config is what the options come to.
type config struct {
	connections  int
	timeout      time.Duration
	dialTimeout  time.Duration
	lazy         bool
	waitForReady bool
	backoff      Backoff
	pingIdle     time.Duration
	pingTimeout  time.Duration
	maxQueue     int
	maxFrame     int
	maxMessage   int
	allocFactor  int
	encoding     codec.Encoding
	threshold    int
	busyPoll     time.Duration // negative for the default
	clientID     rpc.ClientID
	hasID        bool
	dial         func(ctx context.Context, network, address string) (net.Conn, error)
	thrift       *Thrift
	balancer     Balancer
	failover     FailoverPolicy
	ejection     Ejection
	retry        RetryPolicy
	hedging      *Hedging // nil for none
	interceptors []rpc.ClientInterceptor
	reports      bool               // one of them wants to know about attempts
	tls          func() *tls.Config // nil for the defaults
	credentials  *auth.Credentials  // nil for no login
	streams      streamConfig
	err          error // what was wrong with an option's values
}

// newConfig applies opts over the defaults and checks the outcome.
func newConfig(opts []Option) (*config, error) {
	c := &config{
		connections: 1,
		dialTimeout: 10 * time.Second,
		backoff:     DefaultBackoff,
		pingIdle:    30 * time.Second,
		pingTimeout: 10 * time.Second,
		maxQueue:    64 << 20,
		maxFrame:    wire.DefaultMaxFrame,
		maxMessage:  wire.DefaultMaxMessage,
		allocFactor: codec.AllocFactor,
		threshold:   wire.DefaultThreshold,
		busyPoll:    -1,
		dial:        new(net.Dialer).DialContext,
		failover:    DefaultFailover,
		ejection:    DefaultEjection,
		retry:       DefaultRetry,
		streams:     defaultStreams,
	}
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("client: a nil option")
		}
		o.apply(c)
	}
	if !c.hasID {
		rand.Read(c.clientID[:]) // never fails
	}
	switch {
	case c.connections < 1 || c.connections > 64:
		return nil, fmt.Errorf("client: %d connections: from 1 to 64 are allowed", c.connections)
	case c.timeout < 0:
		return nil, fmt.Errorf("client: a timeout of %v", c.timeout)
	case c.dialTimeout <= 0:
		return nil, fmt.Errorf("client: a dial timeout of %v", c.dialTimeout)
	case c.pingIdle < 0 || c.pingIdle > 0 && (c.pingIdle < minPingIdle || c.pingTimeout <= 0):
		return nil, fmt.Errorf("client: keepalive after %v with a timeout of %v", c.pingIdle, c.pingTimeout)
	case c.maxQueue <= 0:
		return nil, fmt.Errorf("client: an outgoing queue of %d bytes", c.maxQueue)
	case c.maxFrame < wire.MinMaxFrame || int64(c.maxFrame) > 1<<31-1:
		return nil, fmt.Errorf("client: frames of at most %d bytes: %d to 2147483647 are allowed", c.maxFrame, wire.MinMaxFrame)
	case c.maxMessage <= 0:
		return nil, fmt.Errorf("client: messages of at most %d bytes", c.maxMessage)
	case c.allocFactor < codec.AllocFactor || c.allocFactor > codec.MaxAllocFactor:
		return nil, fmt.Errorf("client: an allocation factor of %d: %d to %d are allowed", c.allocFactor, codec.AllocFactor, codec.MaxAllocFactor)
	case c.encoding != codec.Binary && c.encoding != codec.Compact:
		return nil, fmt.Errorf("client: unknown encoding %d", c.encoding)
	case c.busyPoll > MaxBusyPoll:
		return nil, fmt.Errorf("client: polling for %v: up to %v are allowed", c.busyPoll, MaxBusyPoll)
	case c.dial == nil:
		return nil, errors.New("client: a nil dialer")
	case c.err != nil:
		return nil, fmt.Errorf("client: %w", c.err)
	case c.credentials != nil && c.thrift != nil:
		return nil, errors.New("client: stock Thrift servers know no logins")
	case c.balancer > LeastPending:
		return nil, fmt.Errorf("client: unknown balancer %d", c.balancer)
	case slices.ContainsFunc(c.interceptors, func(i rpc.ClientInterceptor) bool { return i == nil }):
		return nil, errors.New("client: a nil interceptor")
	}
	if c.thrift != nil {
		if err := c.thrift.validate(); err != nil {
			return nil, err
		}
	}
	if c.hedging != nil {
		if err := c.hedging.validate(); err != nil {
			return nil, err
		}
	}
	for _, p := range []interface{ validate() error }{c.backoff, c.failover, c.ejection, c.retry, c.streams} {
		if err := p.validate(); err != nil {
			return nil, err
		}
	}
	return c, nil
}
