package listener

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// loop is what we keep beside one of gnet's event loops: its connections, and a queue of those to be served. Any number
// of posts between two runs of the queue cost gnet one task.
type loop struct {
	l  *Listener
	el gnet.EventLoop

	count    atomic.Int32   // len(conns)
	triggers sync.WaitGroup // calls of gnet under way

	mu        sync.Mutex
	queue     []*Conn // to be served
	scheduled bool    // gnet will call Run
	sweepDue  bool
	closed    bool
	conns     []*Conn // changed on the loop only, so the loop may read it without mu

	// Owned by the loop.
	spare  []*Conn // the other queue
	cursor int     // sweep goes on with conns[cursor-1]; 0 between sweeps
	more   *time.Timer
	ahead  [placeAhead]byte // see Conn.readOn
}

// sweepBatch is how many connections are checked before others get a turn.
const sweepBatch = 1024

// post has c served on the loop, unless that is due already.
func (p *loop) post(c *Conn) {
	p.mu.Lock()
	if c.queued || p.closed {
		p.mu.Unlock()
		return
	}
	c.queued = true
	p.queue = append(p.queue, c)
	p.schedule()
}

// postSweep has all connections checked, or those that the last sweep has left.
func (p *loop) postSweep() {
	if p.count.Load() == 0 {
		return
	}
	p.mu.Lock()
	if p.sweepDue || p.closed {
		p.mu.Unlock()
		return
	}
	p.sweepDue = true
	p.schedule()
}

// schedule makes gnet call Run, unless it will anyway, and unlocks mu. The call of gnet is outside of mu, because it
// may be a system call that others need not wait for; it is counted, because after gnet has stopped it would write to a
// descriptor that somebody else may have by then.
func (p *loop) schedule() {
	if p.scheduled {
		p.mu.Unlock()
		return
	}
	p.scheduled = true
	p.triggers.Add(1)
	p.mu.Unlock()
	if err := p.el.Execute(context.Background(), p); err != nil {
		p.l.opts.Logger.Error("listener: cannot wake an event loop", "error", err)
	}
	p.triggers.Done()
}

// shut ends posting, for good. No connection may be left.
func (p *loop) shut() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.triggers.Wait()
}

// Run implements gnet.Runnable: it serves what has been posted.
func (p *loop) Run(context.Context) error {
	p.mu.Lock()
	queue := p.queue
	p.queue = p.spare[:0]
	sweep := p.sweepDue
	p.sweepDue, p.scheduled = false, false
	for _, c := range queue {
		c.queued = false
	}
	p.mu.Unlock()
	for _, c := range queue {
		c.serve()
	}
	clear(queue)
	p.spare = queue[:0]
	if sweep && p.sweep() {
		p.sweepLater()
	}
	return nil
}

// sweep checks a batch of connections, from the last to the first: removal moves the last one, which has been checked
// by then. It reports whether some are left.
func (p *loop) sweep() (more bool) {
	now, clock := time.Now(), p.l.now()
	if p.cursor == 0 || p.cursor > len(p.conns) {
		p.cursor = len(p.conns)
	}
	for n := 0; n < sweepBatch && p.cursor > 0; n++ {
		p.cursor--
		p.conns[p.cursor].check(now, clock)
		p.cursor = min(p.cursor, len(p.conns))
	}
	return p.cursor > 0
}

// sweepLater has the sweep go on by way of a timer: a task that gnet got now would run before the next read.
func (p *loop) sweepLater() {
	if p.more == nil {
		p.more = time.AfterFunc(time.Millisecond, p.postSweep)
	} else {
		p.more.Reset(time.Millisecond)
	}
}

// add and remove are called on the loop.
func (p *loop) add(c *Conn) {
	p.mu.Lock()
	c.index = int32(len(p.conns))
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	p.count.Add(1)
}

func (p *loop) remove(c *Conn) {
	p.mu.Lock()
	last := len(p.conns) - 1
	moved := p.conns[last]
	p.conns[c.index], moved.index = moved, c.index
	p.conns[last] = nil
	p.conns = p.conns[:last]
	p.mu.Unlock()
	p.count.Add(-1)
}

// snapshot returns the connections of this moment.
func (p *loop) snapshot() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.conns)
}
