package listener

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerCredentials returns the ids that the kernel noted when the peer connected; -1 if it will not say.
func peerCredentials(nc *net.UnixConn) (uid, gid, pid int) {
	rc, err := nc.SyscallConn()
	if err != nil {
		return -1, -1, -1
	}
	var cred *unix.Ucred
	var credErr error
	if err := rc.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return -1, -1, -1
	}
	return int(cred.Uid), int(cred.Gid), int(cred.Pid)
}

func writev(fd int, v [][]byte) (int, error) { return unix.Writev(fd, v) }

// readv reads to v, from the first buffer on.
func readv(fd int, v [][]byte) (int, error) { return unix.Readv(fd, v) }
