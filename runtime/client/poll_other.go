//go:build !unix

package client

import (
	"net"
	"time"
)

// poller is not available: nobody polls.
type poller struct{}

func newPoller(net.Conn) *poller { return nil }

func (*poller) read([]byte, time.Time) (int, error) { panic("client: no poller on this system") }
