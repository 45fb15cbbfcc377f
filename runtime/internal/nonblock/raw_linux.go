//go:build linux && !race && !msan && !asan

package nonblock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Send sends the front of b on a socket, which need not be in non-blocking mode. It returns EAGAIN for a socket without room, and the
// kernel's other errors as they are; a connection that is gone raises no signal.
func Send(fd int, b []byte) (int, error) {
	if len(b) > Most {
		n, err := syscall.Write(fd, b)
		return max(n, 0), err
	}
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// Receive receives to b. It returns EAGAIN for a socket that has nothing, 0 at the end of the stream, and the kernel's other
// errors as they are. How much there is only the kernel knows: it is the caller's to leave bulk to the usual way.
func Receive(fd int, b []byte) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
