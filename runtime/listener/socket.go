package listener

import (
	"os"

	"golang.org/x/sys/unix"
)

func shutdownWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

func wrapErrno(call string, err error) error { return os.NewSyscallError(call, err) }
