//go:build unix && !linux

package client

import "syscall"

// maxGather is how many buffers one attempt writes.
const maxGather = 1

// gather writes bufs, of which there is one, as far as the socket takes it.
func gather(fd int, bufs [][]byte) (int, error) {
	n, err := syscall.Write(fd, bufs[0])
	return max(n, 0), err
}
