package server

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// helloGrace is how long Shutdown waits for the first bytes of connections that have sent none: a call may be among those
// that are on their way, and only who reads it can refuse it as not executed. Only tests change it.
var helloGrace = 100 * time.Millisecond

const (
	// handlerGrace is how long handlers may take to notice that their contexts have ended with their connections.
	handlerGrace = time.Second

	// flushPoll is how often Shutdown looks whether the last replies have been sent.
	flushPoll = 5 * time.Millisecond
)

// CutError says what Shutdown could not wait for.
type CutError struct {
	Calls   int   // calls that were taken and not answered
	Unsent  int   // connections with replies that were not sent
	Running int   // handlers that did not return; their goroutines are left behind
	Cause   error // the end of Shutdown's context, or what went wrong when connections were closed
}

// Error implements error.
func (e *CutError) Error() string {
	return fmt.Sprintf("server: shutdown cut off %d calls, dropped replies on %d connections and left %d handlers running: %v",
		e.Calls, e.Unsent, e.Running, e.Cause)
}

// Unwrap returns the cause.
func (e *CutError) Unwrap() error { return e.Cause }

// Shutdown ends the server without losing a reply: it accepts the connections that are waiting, and no more, calls the
// services' OnShutdown, tells clients to send no more calls, lets the calls that were taken finish, sends their replies and
// closes the connections. When ctx ends first, what is left is cut, and the error is a *CutError that says what. Native
// clients know of every call whether it was taken; Thrift's protocol has no way to say it. Only the first of Shutdown and
// Close does the work; later ones wait for it and return nil.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closed = true
	st, listeners := s.stages, s.listeners
	s.mu.Unlock()
	defer close(s.done)
	if st == nil {
		var errs []error
		for _, ln := range listeners {
			errs = append(errs, ln.Close())
		}
		return errors.Join(errs...)
	}
	st.listener.Stop()
	for _, svc := range s.Services() {
		if svc.OnShutdown != nil {
			svc.OnShutdown()
		}
	}
	var cut CutError
	cut.Calls = st.drain(ctx)
	cut.Unsent = st.flush(ctx)
	err := st.listener.Close(ctx)
	cut.Running = st.stopHandlers(ctx)
	if cut.Cause = ctx.Err(); cut.Cause == nil {
		cut.Cause = err
	}
	if cut.Calls > 0 || cut.Unsent > 0 || cut.Running > 0 {
		return &cut
	}
	if ctx.Err() == nil {
		return err
	}
	return nil // idle connections were closed a little less politely
}

// Close is Shutdown without patience: calls that run are cut off from their callers, and handlers get a second to notice.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Shutdown(ctx)
	var cut *CutError
	if errors.As(err, &cut) {
		return nil // that is what Close is for
	}
	return err
}

// drain tells every peer to send no more calls, waits until those taken are answered, and returns how many are not when
// ctx ends.
func (st *stages) drain(ctx context.Context) (unanswered int) {
	idle := make(chan struct{}, 1)
	st.mu.Lock()
	st.draining = true
	st.idle = idle
	conns := make([]*connection, 0, len(st.conns))
	for c := range st.conns {
		conns = append(conns, c)
	}
	st.mu.Unlock()
	for _, c := range conns {
		c.Drain()
	}
	select { // no connection comes after that
	case <-st.listener.Stopped():
	case <-ctx.Done():
	}
	hello := time.NewTimer(helloGrace)
	defer hello.Stop()
	for greeted := false; ; {
		calls, undecided := st.outstanding()
		if calls == 0 && (undecided == 0 || greeted) {
			return 0
		}
		select {
		case <-idle:
		case <-hello.C:
			greeted = true
		case <-ctx.Done():
			calls, _ = st.outstanding()
			return calls
		}
	}
}

// outstanding counts calls that were taken and not answered, and connections that have sent too little to be known: those
// in a TLS handshake are among them.
func (st *stages) outstanding() (calls, undecided int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for c := range st.conns {
		calls += c.Outstanding()
		if c.Undecided() {
			undecided++
		}
	}
	return calls, undecided + st.listener.Handshaking()
}

// answered is called when a connection that drains has no call in flight any more, or is gone.
func (st *stages) answered() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.idle != nil {
		select {
		case st.idle <- struct{}{}:
		default: // a look is due already
		}
	}
}

// flush waits until the kernel has all replies, and returns on how many connections it has not when ctx ends. Peers that
// read nothing are not waited for longer than the listener does.
func (st *stages) flush(ctx context.Context) (unsent int) {
	tick := time.NewTicker(flushPoll)
	defer tick.Stop()
	for {
		if unsent = st.unsent(); unsent == 0 {
			return 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return st.unsent()
		}
	}
}

func (st *stages) unsent() (n int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for c := range st.conns {
		if c.responder.Pending() > 0 {
			n++
		}
	}
	return n
}

// stopHandlers ends the workers and returns how many would not end.
func (st *stages) stopHandlers(ctx context.Context) (running int) {
	if st.handler.Close(ctx) == 0 {
		return 0
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), handlerGrace)
	defer cancel()
	return st.handler.Close(grace)
}
