package client

import (
	"context"
	"math"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// server is one address that a client sends calls to, and the lanes to it.
type server struct {
	// Immutable.
	client  *Client
	address string // as given to Dial
	network string
	target  string
	lanes   []*lane
	stop    context.CancelFunc // ends the lanes' goroutines

	shaky atomic.Bool // record says that the last calls failed; a hint, to leave the lock alone while all is well

	// Guarded by client.mu.
	removed bool         // the client's list does not have it any more
	record  record       // of its failures
	process rpc.ClientID // which process answered last; zero if that is not known
}

// newServer returns a server for an address that has been checked.
func (c *Client) newServer(address string) *server {
	network, target, _ := rpc.ParseAddress(address)
	ctx, cancel := context.WithCancel(c.life)
	s := &server{client: c, address: address, network: network, target: target, stop: cancel}
	for range c.config.connections {
		s.lanes = append(s.lanes, &lane{server: s, wanted: make(chan struct{})})
	}
	for _, l := range s.lanes {
		c.wg.Go(func() { l.run(ctx) })
	}
	return s
}

// connect makes a connection.
func (s *server) connect(ctx context.Context) (*conn, *rpc.Error) {
	c := s.client
	ctx, cancel := context.WithTimeout(ctx, c.config.dialTimeout)
	defer cancel()
	nc, err := c.config.open(ctx, s.network, s.target)
	if err != nil {
		return nil, &rpc.Error{Code: rpc.Unavailable, Message: "connecting to " + s.address + ": " + err.Error(), Execution: rpc.NotExecuted, Cause: err}
	}
	var cn *conn
	if c.config.thrift != nil {
		cn = newConn(nc, s, c.config.maxQueue, newThrift(c.config))
	} else {
		n := newNative(c.config)
		cn = newConn(nc, s, c.config.maxQueue, n)
		cn.pollFor(c.config.busyPoll)
		n.open(cn)
	}
	if err := s.adopt(cn); err != nil {
		nc.Close()
		return nil, err
	}
	if err := c.config.login(ctx, cn, s.address); err != nil {
		return nil, err
	}
	return cn, nil
}

// adopt makes cn one of the client's connections and starts its goroutines.
func (s *server) adopt(cn *conn) *rpc.Error {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return errClosed
	case s.removed:
		return s.gone()
	}
	c.conns[cn] = struct{}{}
	c.wg.Go(cn.writeLoop)
	c.wg.Go(func() {
		cn.fail(cn.proto.receive(cn))
		c.mu.Lock()
		delete(c.conns, cn)
		c.mu.Unlock()
	})
	return nil
}

// ready returns the usable connection with the fewest calls, nil if there is none.
func (s *server) ready() *conn {
	best := s.lanes[0].usable()
	for _, l := range s.lanes[1:] {
		if cn := l.usable(); cn != nil && (best == nil || cn.pending.Load() < best.pending.Load()) {
			best = cn
		}
	}
	return best
}

// pending returns how many calls wait for the server's reply.
func (s *server) pending() (n int64) {
	for _, l := range s.lanes {
		if cn := l.conn.Load(); cn != nil {
			n += cn.pending.Load()
		}
	}
	return n
}

// wakeLocked starts the lanes that have not been needed so far.
func (s *server) wakeLocked() {
	for _, l := range s.lanes {
		if l.phase == phaseIdle {
			select {
			case <-l.wanted:
			default:
				close(l.wanted)
			}
		}
	}
}

// failureLocked returns the lane that will try again first, nil if there may be a connection before any pause ends.
func (s *server) failureLocked() (first *lane) {
	for _, l := range s.lanes {
		if l.phase != phasePausing {
			return nil
		}
		if first == nil || l.again.Before(first.again) {
			first = l
		}
	}
	return first
}

// remove ends the lanes. Connections take no more calls, and close when those on them have ended.
func (s *server) remove() {
	c := s.client
	c.mu.Lock()
	s.removed = true
	var conns []*conn
	for cn := range c.conns {
		if cn.server == s {
			conns = append(conns, cn)
		}
	}
	c.mu.Unlock()
	s.stop()
	for _, cn := range conns {
		cn.leave(s.gone(), math.MaxUint64)
	}
}

func (s *server) gone() *rpc.Error {
	return &rpc.Error{Code: rpc.Unavailable, Message: s.address + " is no longer among the servers", Execution: rpc.NotExecuted}
}

// met takes note of which process answered.
func (s *server) met(id rpc.ClientID) {
	if id == (rpc.ClientID{}) {
		return
	}
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	restarted := s.process != (rpc.ClientID{}) && s.process != id
	s.process = id
	if restarted && c.rotation.current() == s {
		c.rotation.renew() // failures of the former process say nothing about this one
		c.reviewLocked()
	}
}
