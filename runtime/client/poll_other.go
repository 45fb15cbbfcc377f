//go:build !unix

package client

import (
	"net"

	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
)

// poller is not available: nobody polls.
type poller struct{}

func newPoller(net.Conn) *poller { return nil }

func (*poller) read([]byte, busypoll.Look) (int, error) { panic("client: no poller on this system") }
