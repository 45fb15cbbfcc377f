//go:build unix && (!linux || race || msan || asan)

package nonblock

import "syscall"

// Send sends the front of b on a socket in non-blocking mode. It returns EAGAIN for a socket without room, and the kernel's other
// errors as they are.
func Send(fd int, b []byte) (int, error) {
	n, err := syscall.Write(fd, b)
	return max(n, 0), err
}

// Receive receives to b, from a socket in non-blocking mode. It returns EAGAIN for a socket that has nothing, 0 at the end of the
// stream, and the kernel's other errors as they are.
func Receive(fd int, b []byte) (int, error) {
	n, err := syscall.Read(fd, b)
	return max(n, 0), err
}
