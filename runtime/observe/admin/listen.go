package admin

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// Listen binds an address for the pages: "tcp://host:port", where host must be "localhost" or a loopback address, or
// "unix:///path", whose file only this user may open. A socket file that nobody listens on any more is replaced, any
// other file is not. The file goes when the listener is closed.
func Listen(address string) (net.Listener, error) {
	if target, ok := strings.CutPrefix(address, "tcp://"); ok {
		host, _, err := net.SplitHostPort(target)
		if err != nil {
			return nil, fmt.Errorf("admin: %w", err)
		}
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
			return nil, fmt.Errorf("admin: %q is not a loopback address", host)
		}
		return net.Listen("tcp", target)
	}
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok || path == "" {
		return nil, fmt.Errorf("admin: %q is neither tcp://host:port nor unix:///path", address)
	}
	return listenUnix(path)
}

// listenUnix binds a name that nobody knows, takes everybody else's permissions from it, and then gives it its name: so
// at no time can others connect.
func listenUnix(path string) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("admin: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("admin: %s exists and is no socket", path)
	default:
		if nc, err := net.DialTimeout("unix", path, time.Second); err == nil {
			nc.Close()
			return nil, fmt.Errorf("admin: somebody listens on %s already", path)
		}
	}
	hidden := path + "." + rand.Text()[:8]
	ln, err := net.Listen("unix", hidden)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	err = os.Chmod(hidden, 0o600)
	if err == nil {
		err = os.Rename(hidden, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("admin: %w", err), ln.Close(), os.Remove(hidden))
	}
	return &socket{Listener: ln, path: path}, nil
}

// socket removes its file when it is closed.
type socket struct {
	net.Listener
	path string
	once sync.Once
	err  error
}

// Close implements net.Listener.
func (s *socket) Close() error {
	s.once.Do(func() { s.err = errors.Join(os.Remove(s.path), s.Listener.Close()) })
	return s.err
}

// Server returns an HTTP server for h with bounds on what a slow or greedy peer may do. Its WriteTimeout leaves room
// for the longest profile.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      (maxSeconds + 30) * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}
