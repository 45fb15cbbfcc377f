package listener

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxSocketPath is what fits into a sockaddr_un, with the NUL at the end.
const maxSocketPath = len(unix.RawSockaddrUnix{}.Path) - 1

// probeTimeout bounds each wait for whoever may own the path already.
const probeTimeout = time.Second

// unixListener is a listening socket whose file was moved to its place after it was bound.
type unixListener struct {
	*net.UnixListener
	path string
	file os.FileInfo // as it was put there

	once sync.Once
	err  error
}

// Addr returns the socket's final path, where the kernel knows the one it was bound to.
func (u *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: u.path, Net: "unix"} }

// Close stops listening and removes the socket's file, if it is still ours: a successor may have taken the path over.
func (u *unixListener) Close() error {
	u.once.Do(func() {
		if now, err := os.Lstat(u.path); err == nil && os.SameFile(now, u.file) {
			_ = os.Remove(u.path)
		}
		u.err = u.UnixListener.Close()
	})
	return u.err
}

func listenUnix(path string, mode fs.FileMode) (*unixListener, error) {
	path, err := filepath.Abs(path) // the working directory may change before Close
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path is %d bytes long: a socket's may have %d", len(path), maxSocketPath)
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := vacant(path); err != nil {
		return nil, err
	}
	return bindUnix(dir, path, mode)
}

// bindUnix makes the socket under a temporary name and moves it to path in one step, so that nobody ever finds a
// socket there that refuses connections or has the wrong mode.
func bindUnix(dir, path string, mode fs.FileMode) (*unixListener, error) {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	temp := filepath.Join(dir, ".k"+hex.EncodeToString(b[:]))
	if len(temp) > maxSocketPath {
		return nil, fmt.Errorf("the directory's path is %d bytes long: %d leave room for a temporary name",
			len(dir), maxSocketPath-len(temp)+len(dir))
	}
	lc := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		// On Linux the file gets the mode of the socket, less the umask: it is never wider than asked for. Elsewhere
		// this fails, and the name being random has to do until chmod.
		return rc.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), uint32(mode)) })
	}}
	ln, err := lc.Listen(context.Background(), "unix", temp)
	if err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) { // without net's own words, which name the temporary path
			err = os.NewSyscallError("bind", errno)
		}
		return nil, err
	}
	ul := ln.(*net.UnixListener)
	ul.SetUnlinkOnClose(false)
	u := &unixListener{UnixListener: ul, path: path}
	if err = os.Chmod(temp, mode); err == nil {
		if u.file, err = os.Lstat(temp); err == nil {
			err = os.Rename(temp, path)
		}
	}
	if err != nil {
		ul.Close()
		_ = os.Remove(temp)
		return nil, err
	}
	return u, nil
}

// vacant reports why path may not be taken; nil if nothing is there, or the socket of a process that has gone.
func vacant(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("there is a file at that path which is not a socket (%s); remove it or choose another path", info.Mode())
	}
	nc, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		nc.Close()
		return fmt.Errorf("another process is listening there: %w", syscall.EADDRINUSE)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.EAGAIN): // its queue of connections is full
		return fmt.Errorf("another process is listening there: %w", syscall.EADDRINUSE)
	}
	return fmt.Errorf("cannot tell whether another process is listening there: %w", err)
}

// lockDir keeps other processes that do the same from changing sockets in dir at the same time: both would find a stale
// socket, and the later one would move its own over the earlier one's.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the directory %s does not exist", dir)
	}
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(probeTimeout); ; time.Sleep(minBackoff) {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { d.Close() }, nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR || time.Now().After(deadline) {
			d.Close()
			return nil, fmt.Errorf("cannot lock the directory %s: %w", dir, err)
		}
	}
}
