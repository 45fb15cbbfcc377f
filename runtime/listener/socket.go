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
	n, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	return err == nil && n == 0
}

func wrapErrno(call string, err error) error { return os.NewSyscallError(call, err) }
