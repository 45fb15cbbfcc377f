//go:build !unix

package client

import (
	"net"

	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
)

// sockReader is not available: connections are read with their own Read, and nobody polls.
type sockReader struct{}

func newSockReader(net.Conn) *sockReader { return nil }

func (*sockReader) read([]byte) (int, error) { panic("client: no sockReader on this system") }

func (*sockReader) early([]byte, busypoll.Look) (int, error) {
	panic("client: no sockReader on this system")
}
