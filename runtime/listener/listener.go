package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// Listener accepts connections and runs their event loops. Its methods may be called from any goroutine except from
// Session and Output methods, where only Stop, Conns and Stats may be.
type Listener struct {
	opts   Options
	accept func(*Conn) (Session, Output)
	start  time.Time // of the clock

	client    *gnet.Client
	watcher   *watcher
	admission *admission
	spare     spareFile
	users     users
	stats     counters

	stopped    chan struct{} // closed by Stop
	quiet      chan struct{} // closed when no connection comes any more
	quit       chan struct{} // ends the ticker
	done       chan struct{} // closed when Close has finished
	closing    atomic.Bool
	serving    sync.WaitGroup // Serve calls
	background sync.WaitGroup // ticker and watcher
	linked     sync.WaitGroup // goroutines of TLS connections

	mu        sync.Mutex
	stop      bool
	listeners map[net.Listener]struct{}
	loops     map[gnet.EventLoop]*loop
	links     map[*link]struct{} // TLS connections, from accept on
}

// New starts the event loops. accept is called for every connection, on its event loop, and must not block; if it
// returns a nil Session or Output the connection is closed. Session.Closed is not called in that case.
func New(opts Options, accept func(*Conn) (Session, Output)) (*Listener, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if accept == nil {
		return nil, errors.New("listener: no accept function")
	}
	opts = opts.withDefaults()
	l := &Listener{
		opts: opts, accept: accept, start: time.Now(),
		admission: newAdmission(opts.MaxConns, opts.MaxConnsPerIP),
		stopped:   make(chan struct{}), quiet: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
		listeners: make(map[net.Listener]struct{}),
		loops:     make(map[gnet.EventLoop]*loop),
		links:     make(map[*link]struct{}),
	}
	var err error
	if l.watcher, err = newWatcher(); err != nil {
		return nil, err
	}
	l.client, err = gnet.NewClient(&events{l: l},
		gnet.WithNumEventLoop(opts.Loops),
		gnet.WithReadBufferCap(opts.ReadBuffer),
		gnet.WithTCPNoDelay(gnet.TCPDelay), // gnet leaks a descriptor where this fails; admit does it
		gnet.WithLogger(gnetLogger{opts.Logger}))
	if err == nil {
		err = l.client.Start()
	}
	if err != nil {
		l.watcher.close()
		return nil, fmt.Errorf("listener: cannot start the event loops: %w", err)
	}
	l.spare.open()
	l.background.Go(l.watcher.run)
	l.background.Go(l.tick)
	return l, nil
}

// now is the Listener's clock: monotonic, and small enough to keep in every connection.
func (l *Listener) now() time.Duration { return time.Since(l.start) }

// tick starts a sweep of every loop in each CheckInterval, and checks the TLS connections.
func (l *Listener) tick() {
	t := time.NewTicker(l.opts.CheckInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			for _, p := range l.allLoops() {
				p.postSweep()
			}
			now := time.Now()
			for _, k := range l.allLinks() {
				k.check(now)
			}
		case <-l.quit:
			return
		}
	}
}

// loopOf returns what we keep beside el. gnet does not list its loops, so they are met with their first connections.
func (l *Listener) loopOf(el gnet.EventLoop) *loop {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.loops[el]
	if p == nil {
		p = &loop{l: l, el: el}
		l.loops[el] = p
	}
	return p
}

func (l *Listener) allLoops() []*loop {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*loop, 0, len(l.loops))
	for _, p := range l.loops {
		all = append(all, p)
	}
	return all
}

// Stop has all Serve calls end: they accept what waits to be accepted by now, which takes a quarter of a second at most,
// or as long as 128 connections take, and close their net.Listeners. Stopped tells when that is done. Connections stay.
func (l *Listener) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop {
		return
	}
	l.stop = true
	close(l.stopped)
	for ln := range l.listeners {
		if s, ok := ln.(stoppable); !ok || s.SetDeadline(past) != nil {
			_ = ln.Close()
		}
	}
	l.quietLocked()
}

// Stopped returns a channel that is closed when Stop has been called and all Serve calls have ended: no connection comes
// after that.
func (l *Listener) Stopped() <-chan struct{} { return l.quiet }

// quietLocked closes quiet when it is time for that.
func (l *Listener) quietLocked() {
	if l.stop && len(l.listeners) == 0 {
		select {
		case <-l.quiet:
		default:
			close(l.quiet)
		}
	}
}

// Handshaking returns how many TLS connections there are that have no session yet.
func (l *Listener) Handshaking() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.links {
		if !k.opened.Load() {
			n++
		}
	}
	return n
}

// Conns calls f for every connection open at this moment until f returns false. Some may have ended by then.
func (l *Listener) Conns(f func(*Conn) bool) {
	for _, p := range l.allLoops() {
		for _, c := range p.snapshot() {
			if !f(c) {
				return
			}
		}
	}
	for _, k := range l.allLinks() {
		if k.opened.Load() && !f(k.c) {
			return
		}
	}
}

// Close calls Stop, sends what is pending on every connection, closes them all, and stops the event loops. It returns
// when every goroutine of the Listener has ended and every Session.Closed has returned. If ctx is done before the
// output is out, the rest is dropped and the error is ctx's. Connections also end after Options.CloseGrace.
func (l *Listener) Close(ctx context.Context) error {
	l.Stop()
	if l.closing.Swap(true) {
		select {
		case <-l.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(l.done)
	l.serving.Wait() // no connection comes after this
	empty := l.admission.drain()
	l.Conns(func(c *Conn) bool { c.Close(ErrClosed); return true })
	for _, k := range l.allLinks() {
		k.c.Close(ErrClosed) // those too whose handshake is under way
	}
	var err error
	select {
	case <-empty:
	case <-ctx.Done():
		err = ctx.Err()
		l.Conns(func(c *Conn) bool { c.Abort(ErrClosed); return true })
		<-empty
	}
	l.linked.Wait()
	close(l.quit)
	l.watcher.close()
	l.background.Wait()
	for _, p := range l.allLoops() {
		p.shut()
	}
	if e := l.client.Stop(); err == nil && e != nil {
		err = fmt.Errorf("listener: cannot stop the event loops: %w", e)
	}
	l.spare.close()
	return err
}
