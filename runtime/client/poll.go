package client

import (
	"net"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
	"github.com/kuafu-rpc/kuafu/runtime/internal/pacing"
)

// For how long a caller that reads for itself looks for its reply, at most; see WithBusyPoll.
const (
	DefaultBusyPoll = 200 * time.Microsecond
	MaxBusyPoll     = time.Millisecond
)

// sameHost reports whether the other end of a connection is on this host, as far as its address tells.
func sameHost(remote net.Addr) bool { return remote.Network() == "unix" || pacing.Local(remote) }

// pollFor lets callers look for replies for up to most, by default if negative. It is called before anybody reads.
func (cn *conn) pollFor(most time.Duration) {
	if cn.sock == nil {
		return
	}
	if most < 0 && sameHost(cn.nc.RemoteAddr()) {
		most = DefaultBusyPoll
	}
	cn.window.Most = max(most, 0)
}

// readEarly reads what comes within the window, for a call with bounds p. It returns 0 and no error if nothing has; so it does at the
// end of the stream, which cn.nc has to find.
func (cn *conn) readEarly(b []byte, p *patience, now time.Time) (int, error) {
	if cn.window.Now == 0 || !p.deadline.IsZero() && p.deadline.Before(now.Add(cn.window.Now)) || !busypoll.Start() {
		return 0, nil
	}
	n, err := cn.sock.early(b, busypoll.For(now, cn.window.Now))
	busypoll.Done()
	return n, err
}
