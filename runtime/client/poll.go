package client

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/pacing"
)

// pollWindow is for how long a caller that reads for itself looks for its reply before it sleeps until the kernel wakes it.
// Between processes of one host to be woken may take several times as long as the call itself, above all on virtual machines,
// where a processor without work is given back to the host. The window is found as KVM finds how long to look for an interrupt
// before it does that (halt_poll_ns): it doubles while replies come later than it and not too late, and is halved
// when they do come too late. So a server that takes its time, or is far away, is not polled for.
//
// It does no I/O and is told the time. It belongs to whoever reads the connection.
type pollWindow struct {
	most time.Duration // the largest; 0 if there is to be none
	now  time.Duration
}

// What WithBusyPoll is about.
const (
	DefaultBusyPoll = 200 * time.Microsecond
	MaxBusyPoll     = time.Millisecond
)

const firstPoll = 10 * time.Microsecond // the smallest window

// waited takes in that a reply has come after d.
func (w *pollWindow) waited(d time.Duration) {
	switch {
	case d <= w.now:
	case d <= w.most:
		w.now = min(max(2*w.now, firstPoll), w.most)
	default:
		if w.now /= 2; w.now < firstPoll {
			w.now = 0
		}
	}
}

// polling is how many callers of this process, of any client, are looking.
var polling atomic.Int32

// startPolling reports whether another caller may look: half of the processors are for those that have something to do. After
// it has returned true, polling is to be decremented.
func startPolling() bool {
	if int(polling.Add(1)) <= runtime.GOMAXPROCS(0)/2 {
		return true
	}
	polling.Add(-1)
	return false
}

// sameHost reports whether the other end of a connection is on this host, as far as its address tells.
func sameHost(remote net.Addr) bool { return remote.Network() == "unix" || pacing.Local(remote) }

// pollFor lets callers look for replies for up to most, by default if negative. It is called before anybody reads.
func (cn *conn) pollFor(most time.Duration) {
	if most < 0 && sameHost(cn.nc.RemoteAddr()) {
		most = DefaultBusyPoll
	}
	if most > 0 {
		if cn.poll = newPoller(cn.nc); cn.poll != nil {
			cn.window.most = most
		}
	}
}

// readEarly reads what comes within the window, for a call with bounds p. It returns 0 and no error if nothing has; so it does at the
// end of the stream, which cn.nc has to find.
func (cn *conn) readEarly(b []byte, p *patience, now time.Time) (int, error) {
	until := now.Add(cn.window.now)
	if cn.window.now == 0 || !p.deadline.IsZero() && p.deadline.Before(until) || !startPolling() {
		return 0, nil
	}
	n, err := cn.poll.read(b, until)
	polling.Add(-1)
	if err != nil {
		return 0, &net.OpError{Op: "read", Net: cn.nc.RemoteAddr().Network(), Source: cn.nc.LocalAddr(), Addr: cn.nc.RemoteAddr(), Err: err}
	}
	return n, nil
}
