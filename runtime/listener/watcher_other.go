//go:build unix && !linux

package listener

import (
	"sync"
	"time"
)

// watcher posts connections with pending output every so often, while there are any.
type watcher struct {
	kick chan struct{}
	quit chan struct{}

	mu    sync.Mutex
	conns map[int32]*Conn // by descriptor
}

const watchInterval = 2 * time.Millisecond

func newWatcher() (*watcher, error) {
	return &watcher{kick: make(chan struct{}, 1), quit: make(chan struct{}), conns: make(map[int32]*Conn)}, nil
}

// run ends after close.
func (w *watcher) run() {
	t := time.NewTimer(watchInterval)
	defer t.Stop()
	for {
		select {
		case <-w.kick:
			t.Reset(watchInterval)
		case <-t.C:
			w.mu.Lock()
			conns := w.conns
			w.conns = make(map[int32]*Conn)
			w.mu.Unlock()
			for _, c := range conns {
				c.armed.Store(false)
				c.loop.post(c)
			}
		case <-w.quit:
			return
		}
	}
}

// arm has c posted once, a little later. Called on c's loop.
func (w *watcher) arm(c *Conn) error {
	w.mu.Lock()
	w.conns[c.fd] = c
	first := len(w.conns) == 1
	w.mu.Unlock()
	if first {
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
	return nil
}

// forget undoes arm.
func (w *watcher) forget(c *Conn) {
	w.mu.Lock()
	delete(w.conns, c.fd)
	w.mu.Unlock()
}

// close ends run.
func (w *watcher) close() { close(w.quit) }
