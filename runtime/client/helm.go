package client

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// helm is the right to read a connection. As a rule the reader goroutine has it. But a caller that waits alone, as in a
// program that makes one call after the other, need not be woken by another goroutine if it reads its reply itself. So
// when replies come one by one, in quick succession, the reader goroutine leaves the helm. Then the next caller takes it
// with its call, reads until it has its own reply, serving all others that come, and leaves it again. The reader goroutine
// takes it back when others wait by then, when replies become slow, and when no call has come for a while: so what a
// server says by itself, and that a connection was lost, is noticed at the latest after two helmWatch.
//
// Who receives from a stream is such a caller, too: its messages are its replies. It may wait much longer for one, and is
// relieved when nothing has come for a while.
//
// A leader whose bounds have been reached gives the helm back, which takes it no time, unless its read is stuck where no
// deadline reaches: crypto/tls answers a server that asks for new keys inside of Read, behind whoever writes. If such a server
// reads nothing, nothing will come any more, not even a keepalive's verdict, so the connection is given up after helmPatience.
//
// The connection's mu guards it. What the reader owns changes hands with it.
type helm struct {
	state  helmState
	ctx    context.Context // with helmLed: what the leader heeds
	stream *clientStream   // likewise: that it receives from; nil if it waits for a call
	until  time.Time       // likewise: when a call's time is up, if its ctx does not say; zero if never
	turn   uint64          // how often there was a leader
	used   bool            // a leader had it since the reader goroutine last looked, or something came to the one that has it
	back   chan struct{}   // has room for one: the helm is the reader goroutine's again

	relieved atomic.Bool // the leader that receives from a stream is to give it back; set under mu
}

type helmState uint8

const (
	helmHome helmState = iota // the reader goroutine has it
	helmFree                  // nobody
	helmLed                   // a call's caller, or a stream's receiver
)

const (
	loneliness = 16                   // chunks of one reply, when nobody waited for another, after which the reader leaves
	helmGap    = time.Millisecond     // between two of them at most; where replies are slower, a wake-up matters little
	helmWatch  = 5 * time.Millisecond // how often it looks then: for calls whose context has ended, and whether there are any

	helmPatience = time.Second // that a leader has to notice that its bounds have been reached
)

var (
	errOverdue = errors.New("the call's bounds have been reached")
	errDead    = errors.New("the connection has ended")
	errStuck   = errors.New("reading is stuck behind what the server does not read")
)

// steerLocked sees to it that somebody reads, now that c will wait for something.
func (cn *conn) steerLocked(c *call) {
	if cn.helm.state != helmFree {
		return
	}
	if !c.leader {
		cn.returnHelmLocked()
		return
	}
	cn.helm.state, cn.helm.ctx, cn.helm.until, cn.helm.used = helmLed, c.bounds.ctx, c.bounds.deadline, true
	cn.helm.turn++
	c.leading = true
}

// othersLocked returns how many wait for something from the server, besides whoever reads for itself.
func (cn *conn) othersLocked() int { return cn.table.n - cn.table.streams + cn.streams.waiting }

// returnHelmLocked gives the helm to the reader goroutine, which does not have it.
func (cn *conn) returnHelmLocked() {
	cn.leftHelmLocked(helmHome)
	cn.helm.back <- struct{}{}
}

func (cn *conn) leftHelmLocked(to helmState) {
	cn.helm.state, cn.helm.ctx, cn.helm.stream, cn.helm.until = to, nil, nil, time.Time{}
}

// lead reads until k, which has been sent, has ended or reaches its bounds.
func (cn *conn) lead(k *call) *rpc.Error {
	n := cn.proto.(*native) // with others the helm is never free
	for {
		select {
		case <-k.ended:
			cn.handOver(k, n)
			return k.err
		default:
		}
		switch err := n.step(cn, &k.bounds); err {
		case nil:
		case errOverdue:
			cn.handOver(k, n)
			return cn.giveUp(k)
		default:
			cn.fail(n.sign(cn, err))
			<-k.ended // with the connection, if not before
			cn.handOver(k, n)
			return k.err
		}
	}
}

// handOver takes the helm from k.
func (cn *conn) handOver(k *call, n *native) {
	k.leading = false
	cn.mu.Lock()
	cn.handOverLocked(n)
	cn.mu.Unlock()
}

func (cn *conn) handOverLocked(n *native) {
	if n.alone == 0 || cn.othersLocked() > 0 || cn.err != nil {
		cn.returnHelmLocked()
	} else {
		cn.leftHelmLocked(helmFree)
	}
}

// takeHelmLocked gives the helm to s's receiver, who heeds ctx, if nobody has it.
func (cn *conn) takeHelmLocked(s *clientStream, ctx context.Context) bool {
	if cn.helm.state != helmFree || s.over {
		return false
	}
	cn.helm.state, cn.helm.ctx, cn.helm.stream, cn.helm.used = helmLed, ctx, s, true
	cn.helm.turn++
	cn.helm.relieved.Store(false)
	return true
}

// leadFor reads until something has come for s, or its receiver is to give the helm back, with handOverLocked. It reports false
// for the latter: then somebody else has to read, or ctx has ended.
func (cn *conn) leadFor(s *clientStream, ctx context.Context) bool {
	n := cn.proto.(*native)
	p := patience{ctx: ctx, relieved: &cn.helm.relieved}
	p.deadline, _ = ctx.Deadline()
	for {
		switch err := n.step(cn, &p); err {
		case nil:
		case errOverdue:
			n.alone = 0
			return false
		default:
			cn.fail(n.sign(cn, err))
			return false
		}
		select {
		case <-s.arrived:
			return true
		case <-s.done:
			return true
		default:
		}
	}
}

// relieve has the leader give the helm back, if it receives from s, or from any stream for nil. mu is held, and released.
func (cn *conn) relieve(s *clientStream) {
	leads := cn.helm.state == helmLed && cn.helm.stream != nil && (s == nil || cn.helm.stream == s)
	if leads {
		cn.helm.relieved.Store(true)
	}
	cn.mu.Unlock()
	if leads {
		cn.rouse()
	}
}

// rouse has whoever reads look at its bounds. If it was about to set another deadline, it does so next time.
func (cn *conn) rouse() { cn.nc.SetReadDeadline(time.Unix(1, 0)) }

// leaveHelm lets callers read, and returns when the reader goroutine has the helm again. It returns false if the
// connection has ended.
func (cn *conn) leaveHelm() bool {
	cn.mu.Lock()
	if cn.othersLocked() > 0 || cn.err != nil {
		cn.mu.Unlock()
		return true
	}
	cn.helm.state = helmFree
	cn.mu.Unlock()
	t := time.NewTimer(helmWatch)
	defer t.Stop()
	var late lateness
	for {
		select {
		case <-cn.helm.back:
			return true
		case <-cn.dead:
			return false
		case <-t.C:
		}
		if cn.lookAround(&late) {
			return true
		}
		t.Reset(helmWatch)
	}
}

// lateness is how many looks have found the leader of a turn beyond its bounds, or receiving from a stream that is over. Looks
// are counted, not time, so that a machine on which nothing moves blames nobody.
type lateness struct {
	turn  uint64
	looks int
}

// lookAround takes the helm back if no call wants it, and reports whether it has. A leader whose context has ended is told, and
// one that receives from a stream on which nothing comes is relieved.
func (cn *conn) lookAround(late *lateness) bool {
	cn.mu.Lock()
	used, s, ctx, until, turn := cn.helm.used, cn.helm.stream, cn.helm.ctx, cn.helm.until, cn.helm.turn
	cn.helm.used = false
	if cn.helm.state == helmFree && !used {
		cn.helm.state = helmHome
		cn.mu.Unlock()
		return true
	}
	over := s != nil && s.over
	if over || s != nil && !used {
		cn.relieve(s)
	} else {
		cn.mu.Unlock()
	}
	// Without mu: ctx may be the caller's own kind of context.
	if !over && (ctx == nil || ctx.Err() == nil && (until.IsZero() || time.Now().Before(until))) {
		return false
	}
	cn.rouse()
	if late.turn != turn {
		*late = lateness{turn: turn}
	}
	if late.looks++; late.looks > int(helmPatience/helmWatch) {
		cn.fail(errStuck)
	}
	return false
}
