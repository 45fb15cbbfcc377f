package client

import "golang.org/x/sys/unix"

// maxGather is how many buffers one attempt writes.
const maxGather = 48

// gather writes bufs, maxGather at most, with one system call, as far as the socket takes them.
func gather(fd int, bufs [][]byte) (int, error) {
	n, err := unix.Writev(fd, bufs)
	return max(n, 0), err
}
