//go:build unix && !linux

package listener

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerCredentials is Linux's only.
func peerCredentials(*net.UnixConn) (uid, gid, pid int) { return -1, -1, -1 }

// writev writes the first buffer that is not empty; the caller comes back for the others.
func writev(fd int, v [][]byte) (int, error) {
	for _, b := range v {
		if len(b) > 0 {
			return unix.Write(fd, b)
		}
	}
	return 0, nil
}

// readv reads to the first buffer; the caller comes back for more.
func readv(fd int, v [][]byte) (int, error) { return unix.Read(fd, v[0]) }
