package reader

import (
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// A ping costs its sender as little as it costs us, but whoever does not read makes us keep a pong for each. So a
// connection may send maxPings in each pingPeriod; clients send one in 20 ms at most.
const (
	maxPings   = 1000
	pingPeriod = 10 * time.Second
)

// pings counts the pings of a connection. The zero value is ready for use.
type pings struct {
	since time.Duration // when the current period began, counted from when the connection did
	n     int           // pings in it
}

// admit counts one more. The error ends the connection.
func (p *pings) admit(now time.Duration) error {
	if now-p.since >= pingPeriod {
		p.since, p.n = now, 0
	}
	if p.n++; p.n > maxPings {
		return &wire.ConnError{Code: rpc.ResourceExhausted, Reason: fmt.Sprintf("more than %d pings in %v", maxPings, pingPeriod)}
	}
	return nil
}
