package pacing

import (
	"strings"

	"golang.org/x/sys/unix"
)

// unpaced is the congestion control that every Linux has, and lets every process have.
const unpaced = "reno"

// Off turns pacing off for a TCP socket: one with BBR gets another congestion control. Others, and those on other systems
// than Linux, are left as they are. It is best effort: a connection that it fails for works as well.
func Off(fd int) {
	name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	if err == nil && paces(name) {
		_ = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, unpaced)
	}
}

// paces reports whether the congestion control of that name paces by itself.
func paces(name string) bool { return strings.HasPrefix(name, "bbr") }
