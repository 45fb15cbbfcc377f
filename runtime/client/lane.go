package client

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// lane keeps one connection to a server. Its goroutine dials, waits until that connection takes no more
// calls, and dials again, pausing after failures.
type lane struct {
	server *server
	conn   atomic.Pointer[conn] // the one for new calls; nil if there is none
	wanted chan struct{}        // closed when the first dial is due

	// Guarded by the client's mu.
	phase phase
	err   *rpc.Error // why the last attempt failed, or the last connection ended; nil if neither has happened
	again time.Time  // phasePausing: when the next attempt is due
}

// phase is what a lane is doing.
type phase uint8

const (
	phaseIdle    phase = iota // waits for a first call
	phaseDialing              // an attempt is under way
	phaseReady                // conn was usable when the phase began
	phasePausing              // the last attempt failed
	phaseClosed
)

// settled is how long a connection has to last at least for its loss to be no failure.
const settled = time.Second

// settling is settled for pauses like b's: a server that crashes over and over, and lives longer than a second each time,
// is dialed less and less often too, until it outlives the longest pause.
func (b Backoff) settling() time.Duration { return max(settled, b.Max) }

func (l *lane) run(ctx context.Context) {
	defer l.become(phaseClosed, nil, nil)
	select {
	case <-l.wanted:
	case <-ctx.Done():
		return
	}
	backoff := l.server.client.config.backoff
	for failures := 0; ; {
		l.become(phaseDialing, nil, nil)
		cn, err := l.server.connect(ctx)
		switch {
		case err == nil:
			began := time.Now()
			l.become(phaseReady, cn, nil)
			<-cn.left // Close ends it too
			err = cn.err
			switch {
			case time.Since(began) >= backoff.settling():
				failures = 0
				l.become(phaseDialing, nil, err)
				continue
			case failures == 0:
				failures++ // the first short-lived one may be bad luck: the server restarts
				l.become(phaseDialing, nil, err)
				continue
			}
		case ctx.Err() != nil:
			return
		}
		failures++
		c := l.server.client
		pause := backoff.next(failures)
		c.mu.Lock()
		l.again = time.Now().Add(pause)
		c.mu.Unlock()
		l.become(phasePausing, nil, err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// become enters a phase and tells those who wait for a connection. A nil err leaves the last one.
func (l *lane) become(p phase, cn *conn, err *rpc.Error) {
	c := l.server.client
	c.mu.Lock()
	l.phase = p
	if err != nil {
		l.err = err
	}
	l.conn.Store(cn)
	c.reviewLocked()
	c.mu.Unlock()
}

// usable returns the lane's connection if it takes calls, else nil.
func (l *lane) usable() *conn {
	if cn := l.conn.Load(); cn != nil && !cn.gone.Load() {
		return cn
	}
	return nil
}
