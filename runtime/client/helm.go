package client

import (
	"context"
	"errors"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// helm is the right to read a connection. As a rule the reader goroutine has it. But a caller that waits alone, as in a
// program that makes one call after the other, need not be woken by another goroutine if it reads its reply itself. So
// when replies come one by one, in quick succession, the reader goroutine leaves the helm. Then the next caller takes it
// with its call, reads until it has its own reply, serving all others that come, and leaves it again. The reader goroutine
// takes it back when other calls wait by then, when replies become slow, and when no call has come for a while: so what a
// server says by itself, and that a connection was lost, is noticed at the latest after two helmWatch.
//
// The connection's mu guards it. What the reader owns changes hands with it.
type helm struct {
	state  helmState
	leader *call         // that has it, with helmLed
	used   bool          // a leader had it since the reader goroutine last looked
	back   chan struct{} // has room for one: the helm is the reader goroutine's again
}

type helmState uint8

const (
	helmHome helmState = iota // the reader goroutine has it
	helmFree                  // nobody
	helmLed                   // a call's caller
)

const (
	loneliness = 16                   // chunks of one reply, when nobody waited for another, after which the reader leaves
	helmGap    = time.Millisecond     // between two of them at most; where replies are slower, a wake-up matters little
	helmWatch  = 5 * time.Millisecond // how often it looks then: for calls whose context has ended, and whether there are any
)

var (
	errOverdue = errors.New("the call's bounds have been reached")
	errDead    = errors.New("the connection has ended")
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
	cn.helm.state, cn.helm.leader, cn.helm.used = helmLed, c, true
	c.leading = true
}

// returnHelmLocked gives the helm to the reader goroutine, which does not have it.
func (cn *conn) returnHelmLocked() {
	cn.helm.state, cn.helm.leader = helmHome, nil
	cn.helm.back <- struct{}{}
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
	if n.alone == 0 || cn.table.n > 0 || cn.err != nil {
		cn.returnHelmLocked()
	} else {
		cn.helm.state, cn.helm.leader = helmFree, nil
	}
	cn.mu.Unlock()
}

// leaveHelm lets callers read, and returns when the reader goroutine has the helm again. It returns false if the
// connection has ended.
func (cn *conn) leaveHelm() bool {
	cn.mu.Lock()
	if cn.table.n > 0 || cn.err != nil {
		cn.mu.Unlock()
		return true
	}
	cn.helm.state = helmFree
	cn.mu.Unlock()
	t := time.NewTimer(helmWatch)
	defer t.Stop()
	for {
		select {
		case <-cn.helm.back:
			return true
		case <-cn.dead:
			return false
		case <-t.C:
		}
		if cn.lookAround() {
			return true
		}
		t.Reset(helmWatch)
	}
}

// lookAround takes the helm back if no call wants it, and reports whether it has. A call whose context has ended is told.
func (cn *conn) lookAround() bool {
	cn.mu.Lock()
	var ctx context.Context
	switch {
	case cn.helm.leader != nil:
		ctx = cn.helm.leader.bounds.ctx
	case cn.helm.state == helmFree && !cn.helm.used:
		cn.helm.state = helmHome
		cn.mu.Unlock()
		return true
	}
	cn.helm.used = false
	cn.mu.Unlock()
	if ctx != nil && ctx.Err() != nil {
		cn.nc.SetReadDeadline(time.Unix(1, 0)) // it looks at its bounds then; if it was about to set another one, next time
	}
	return false
}
