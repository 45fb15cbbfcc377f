package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// maxServers bounds what a resolver may say.
const maxServers = 10_000

// checkAddresses returns a list of servers without repetitions, or why it cannot be used.
func checkAddresses(list []string) ([]string, error) {
	if len(list) == 0 {
		return nil, errors.New("client: no addresses")
	}
	if len(list) > maxServers {
		return nil, fmt.Errorf("client: %d addresses, at most %d are allowed", len(list), maxServers)
	}
	seen := make(map[string]bool, len(list))
	out := make([]string, 0, len(list))
	for _, a := range list {
		if _, _, err := rpc.ParseAddress(a); err != nil {
			return nil, err
		}
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out, nil
}

// watch takes over the lists that r has for the client, until the client is closed. When r fails, the last list stays.
func (c *Client) watch(r Resolver) {
	take := func(list []string) bool {
		list, err := checkAddresses(list)
		if err == nil {
			c.update(list)
		}
		return err == nil
	}
	for failures := 0; ; {
		err := r.Watch(c.life, func(list []string) {
			if take(list) {
				failures = 0
			}
		})
		if err == nil || c.life.Err() != nil {
			return
		}
		failures++
		t := time.NewTimer(c.config.backoff.next(failures))
		select {
		case <-t.C:
		case <-c.life.Done():
			t.Stop()
			return
		}
		if list, err := r.Resolve(c.life); err == nil {
			take(list)
		}
	}
}

// update makes list, which checkAddresses has passed, the client's servers.
func (c *Client) update(list []string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	old := c.servers
	servers := make([]*server, 0, len(list))
	known := make(map[string]*server, len(old))
	for _, s := range old {
		known[s.address] = s
	}
	for _, a := range list {
		s := known[a]
		if s != nil {
			delete(known, a)
		} else {
			s = c.newServer(a)
		}
		servers = append(servers, s)
	}
	if len(known) == 0 && slices.Equal(servers, old) {
		c.mu.Unlock()
		return
	}
	c.servers = servers
	c.rotation.replace(servers)
	if c.woken && c.config.balancer != FailoverOrder {
		for _, s := range servers {
			s.wakeLocked()
		}
	}
	c.reviewLocked()
	c.mu.Unlock()
	for _, s := range known {
		s.remove() // only now: new calls go elsewhere already
	}
}

// reviewLocked publishes what calls need to know about the servers, and tells those that wait for a connection.
func (c *Client) reviewLocked() {
	f := &fleet{all: c.servers}
	if c.config.balancer != FailoverOrder {
		var up, good []*server
		var due time.Time
		for _, s := range c.servers {
			if s.record.out && (due.IsZero() || s.record.until.Before(due)) {
				due = s.record.until
			}
			if s.ready() == nil {
				continue
			}
			up = append(up, s)
			if !s.record.out {
				good = append(good, s)
			}
		}
		f.usable = good
		f.panics = len(good) == 0 || float64(len(good)) < c.config.ejection.Panic*float64(len(c.servers))
		if f.panics {
			f.usable = up
		}
		if due.IsZero() {
			c.returns.Store(0)
		} else {
			c.returns.Store(int64(due.Sub(c.born)))
		}
	}
	c.fleet.Store(f)
	c.turn.Store(&turn{c.rotation.current(), c.rotation.generation})
	close(c.changed)
	c.changed = make(chan struct{})
}

// standby reports whether the client fails over, and has a server to fail over to.
func (c *Client) standby() bool {
	return c.config.balancer == FailoverOrder && len(c.fleet.Load().all) > 1
}

// moveOn tells that k's server will not do. The first call of a generation to say so moves the client to the next.
func (c *Client) moveOn(k *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rotation.fail(k.generation) {
		c.reviewLocked()
	}
}

// praise notes that k's server has done well.
func (c *Client) praise(k *call) {
	if s := k.server; s.shaky.Load() {
		c.mu.Lock()
		s.record.succeed()
		s.shaky.Store(false)
		c.mu.Unlock()
	}
}

// blame notes that an attempt on k's server failed with err.
func (c *Client) blame(k *call, err *rpc.Error) {
	b := blameFor(err)
	if b == blameNobody || k.server == nil || c.config.balancer == FailoverOrder {
		return
	}
	if err.Code == rpc.Unavailable && b == blameLocal && !k.conn.blamed.CompareAndSwap(false, true) {
		return // one lost connection is one failure
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := k.server
	if s.removed {
		return
	}
	ejected := 0
	for _, other := range c.servers {
		if other.record.out {
			ejected++
		}
	}
	s.shaky.Store(true)
	if c.config.ejection.fail(&s.record, b, time.Now(), ejected, len(c.servers)) {
		c.reviewLocked()
	}
}

// takeBack ends the ejections whose time is over.
func (c *Client) takeBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	any := false
	for _, s := range c.servers {
		any = s.record.back(now) || any
	}
	if any {
		c.reviewLocked()
	}
}

// ready returns a connection for k's next attempt, nil if none is up.
func (c *Client) ready(k *call) *conn {
	if c.config.balancer == FailoverOrder {
		t := c.turn.Load()
		k.server, k.generation = t.server, t.generation
		return t.server.ready()
	}
	if k.pin != nil {
		k.server = k.pin
		return k.pin.ready()
	}
	if due := c.returns.Load(); due != 0 && time.Since(c.born) >= time.Duration(due) {
		c.takeBack()
	}
	cn := c.fleet.Load().ready(c.config.balancer, k.avoid, k.ticket)
	k.server = nil
	if cn != nil {
		k.server = cn.server
	}
	return cn
}

// pick returns a connection for k's next attempt. It waits for one while an attempt to connect is under way, and with
// patient set also between attempts, within k's bounds.
func (c *Client) pick(k *call, patient bool) (*conn, *rpc.Error) {
	if cn := c.ready(k); cn != nil {
		return cn, nil
	}
	p := &k.bounds
	p.block(&p.dialing)
	defer p.unblock()
	for {
		c.mu.Lock()
		changed := c.changed
		cn := c.readyLocked(k) // once more: it may have come just before changed was read
		err := c.failureLocked(k)
		closed := c.closed
		c.mu.Unlock()
		if cn != nil {
			return cn, nil
		}
		if err != nil && (closed || !patient) {
			return nil, notSent(err, k.method)
		}
		select {
		case <-changed:
		case <-p.ctx.Done():
			return nil, p.over(k.method, rpc.NotExecuted, "a connection to "+c.whom(k))
		case <-p.expired:
			return nil, p.over(k.method, rpc.NotExecuted, "a connection to "+c.whom(k))
		}
		if cn := c.ready(k); cn != nil {
			return cn, nil
		}
	}
}

// readyLocked is ready with mu held.
func (c *Client) readyLocked(k *call) *conn {
	if c.config.balancer == FailoverOrder || k.pin != nil {
		return c.ready(k)
	}
	for _, s := range c.servers {
		if cn := s.ready(); cn != nil {
			k.server = s
			return cn
		}
	}
	return nil
}

// whom names what a call waits for.
func (c *Client) whom(k *call) string {
	if k.server != nil {
		return k.server.address
	}
	return fmt.Sprintf("any of %d servers", len(c.fleet.Load().all))
}

// failureLocked returns why there will be no connection for k soon, nil if there may be one. It wakes the servers in question.
func (c *Client) failureLocked(k *call) *rpc.Error {
	if c.closed {
		return errClosed
	}
	candidates := c.servers
	switch {
	case c.config.balancer == FailoverOrder:
		candidates = c.servers[c.rotation.at : c.rotation.at+1]
	case k.pin != nil && k.pin.removed:
		return k.pin.gone()
	case k.pin != nil:
		candidates = []*server{k.pin}
	}
	c.woken = true
	var first *lane // the next to try again
	pausing := true
	for _, s := range candidates {
		s.wakeLocked()
		l := s.failureLocked()
		if l == nil {
			pausing = false
		} else if first == nil || l.again.Before(first.again) {
			first = l
		}
	}
	if !pausing {
		return nil
	}
	e := *first.err
	e.Message += fmt.Sprintf(" (next attempt in %v)", max(0, time.Until(first.again)).Round(time.Millisecond))
	return &e
}
