package listener

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// watcher posts connections whose sockets have room again. gnet watches for that too, but tells nobody, so this is an
// epoll instance of our own. Only connections with pending output are armed in it, once per event.
type watcher struct {
	fd   int
	file *os.File // the epoll instance itself, which Go's runtime waits for: no thread is parked in epoll_wait
	raw  syscall.RawConn

	mu    sync.Mutex
	conns map[int32]*Conn // armed, by descriptor
}

func newWatcher() (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile would not use the runtime's poller
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("listener: watch sockets: %w", err)
	}
	return &watcher{fd: fd, file: file, raw: raw, conns: make(map[int32]*Conn)}, nil
}

// run ends after close.
func (w *watcher) run() {
	events := make([]unix.EpollEvent, 128)
	for {
		var n int
		// The runtime is told of changes only, so wait for it only when nothing is left.
		err := w.raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, ev := range events[:n] {
			if c := w.take(ev.Fd); c != nil {
				c.armed.Store(false)
				c.loop.post(c)
			}
		}
	}
}

func (w *watcher) take(fd int32) *Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.conns[fd]
	delete(w.conns, fd)
	return c
}

// arm has c posted once when its socket has room, or is broken. Called on c's loop.
func (w *watcher) arm(c *Conn) error {
	w.mu.Lock()
	w.conns[c.fd] = c
	w.mu.Unlock()
	ev := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT, Fd: c.fd}
	err := unix.EpollCtl(w.fd, unix.EPOLL_CTL_MOD, int(c.fd), &ev)
	if err == unix.ENOENT {
		err = unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, int(c.fd), &ev)
	}
	return err
}

// forget undoes arm. Called on c's loop, before the descriptor is closed.
func (w *watcher) forget(c *Conn) {
	w.mu.Lock()
	_, armed := w.conns[c.fd]
	delete(w.conns, c.fd)
	w.mu.Unlock()
	if armed {
		// Not otherwise needed: the kernel forgets a descriptor that is closed.
		_ = unix.EpollCtl(w.fd, unix.EPOLL_CTL_DEL, int(c.fd), nil)
	}
}

// close ends run. No connection may be left.
func (w *watcher) close() { w.file.Close() }
