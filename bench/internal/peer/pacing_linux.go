package peer

import (
	"net"
	"strings"

	"golang.org/x/sys/unix"
)

// unpaced takes a connection off BBR, which spreads what is sent over time. Kuafu does that with connections between two
// processes of one host that carry bulk; so the limit of what a stream can reach has to be without it, too.
func unpaced(c net.Conn) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var name string
		if name, failed = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); strings.HasPrefix(name, "bbr") {
			failed = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
		}
	})
	if err != nil {
		return err
	}
	return failed
}
