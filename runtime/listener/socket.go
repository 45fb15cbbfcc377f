package listener

import (
	"os"

	"golang.org/x/sys/unix"
)

func shutdownWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// acknowledged reports whether the peer's kernel has all that was written. A Unix socket's always has.
func acknowledged(fd int, network string) bool {
	if network == "unix" {
		return true
	}
	return unread(fd) == 0
}

// unread returns how much of what was written the peer has not taken: what its kernel has not acknowledged, or for a Unix
// socket what the peer has not read, in the kernel's own measure. It is -1 where the kernel does not say.
func unread(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}

func wrapErrno(call string, err error) error { return os.NewSyscallError(call, err) }
