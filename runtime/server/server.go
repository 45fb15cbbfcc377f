package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/responder"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// ErrClosed is what Serve returns after Shutdown or Close, and what other methods return when they come too late.
var ErrClosed = errors.New("server: closed")

// Server serves registered services on any number of addresses. Its methods may be called concurrently.
type Server struct {
	opts     options
	registry rpc.Registry

	mu        sync.Mutex
	listeners []net.Listener
	stages    *stages       // nil until Serve
	closed    bool          // Shutdown or Close has begun
	done      chan struct{} // closed when it has ended
}

// stages are what runs while a Server serves.
type stages struct {
	listener  *listener.Listener
	handler   *handler.Handler
	responder *responder.Factory
	reader    *reader.Config

	mu       sync.Mutex
	sessions map[*reader.Session]struct{}
	draining bool
	idle     chan struct{} // not nil while Shutdown waits; see answered
}

// New returns a Server that does not listen yet. It does not fail: options are checked by Listen and Serve.
func New(opts ...Option) *Server {
	s := &Server{done: make(chan struct{})}
	for _, o := range opts {
		o.apply(&s.opts)
	}
	if s.opts.logger == nil {
		s.opts.logger = slog.Default()
	}
	s.opts.handler.Logger = s.opts.logger
	s.opts.listener.Logger = s.opts.logger
	return s
}

// Register adds services. It fails after Serve, and on names that are taken.
func (s *Server) Register(services ...*rpc.Service) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stages != nil || s.closed {
		return errors.New("server: services are registered before the server serves")
	}
	for _, svc := range services {
		if err := s.registry.Register(svc); err != nil {
			return err
		}
	}
	return nil
}

// Listen binds an address, "tcp://host:port" or "unix:///path", and returns it with the port that was chosen if port was
// 0. Connections are accepted once Serve runs. A Unix socket file that no process listens on any more is replaced.
func (s *Server) Listen(address string) (bound string, err error) {
	ln, err := listener.Listen(address, s.opts.listen)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.stages != nil {
		err := errors.New("server: addresses are bound before the server serves")
		return "", errors.Join(err, ln.Close())
	}
	s.listeners = append(s.listeners, ln)
	return ln.Addr().Network() + "://" + ln.Addr().String(), nil
}

// ListenAndServe is Listen for each address, then Serve.
func (s *Server) ListenAndServe(addresses ...string) error {
	for _, a := range addresses {
		if _, err := s.Listen(a); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Serve()
}

// Serve accepts connections on every bound address until Shutdown or Close, waits for that to end, and returns ErrClosed. It fails
// at once if no address is bound, and when accepting fails for good.
func (s *Server) Serve() error {
	st, listeners, err := s.start()
	if err != nil {
		return err
	}
	failed := make(chan error, len(listeners))
	for _, ln := range listeners {
		go func() { failed <- st.listener.Serve(ln) }()
	}
	var failure error
	for range listeners {
		if err := <-failed; err != nil && !errors.Is(err, listener.ErrClosed) && failure == nil {
			failure = err
			go s.Close() // which Serve waits for below
		}
	}
	<-s.done
	if failure != nil {
		return failure
	}
	return ErrClosed
}

func (s *Server) start() (*stages, []net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, nil, ErrClosed
	case s.stages != nil:
		return nil, nil, errors.New("server: Serve was called before")
	case len(s.listeners) == 0:
		return nil, nil, errors.New("server: no address is bound; call Listen first")
	}
	st := &stages{sessions: make(map[*reader.Session]struct{})}
	var err error
	if st.responder, err = responder.NewFactory(s.opts.responder); err != nil {
		return nil, nil, err
	}
	if st.handler, err = handler.New(&s.registry, s.opts.handler); err != nil {
		return nil, nil, err
	}
	cfg := s.opts.reader
	cfg.Dispatcher, cfg.Registry, cfg.Dialect = st.handler, &s.registry, &s.opts.dialect
	cfg.Answered = st.answered
	rand.Read(cfg.ServerID[:]) // never fails, as its documentation says
	if err := cfg.ApplyDefaultsAndValidate(); err != nil {
		return nil, nil, err
	}
	st.reader = &cfg
	if st.listener, err = listener.New(s.opts.listener, st.accept); err != nil {
		return nil, nil, err
	}
	s.stages = st
	return st, s.listeners, nil
}

// connection is one connection's session; it also ends the connection's responder and its place in the server.
type connection struct {
	*reader.Session
	responder *responder.Responder
	stages    *stages
}

// accept makes the stages of a new connection.
func (st *stages) accept(conn *listener.Conn) (listener.Session, listener.Output) {
	out := st.responder.New(conn)
	session := reader.NewSession(st.reader, out, conn.Peer())
	st.mu.Lock()
	st.sessions[session] = struct{}{}
	draining := st.draining
	st.mu.Unlock()
	if draining {
		session.Drain()
	}
	return &connection{session, out, st}, out
}

// Closed implements listener.Session.
func (c *connection) Closed(err error) {
	c.responder.Close()
	c.Session.Closed(err)
	c.stages.mu.Lock()
	delete(c.stages.sessions, c.Session)
	c.stages.mu.Unlock()
}

// Shutdown ends the server without losing a reply: it stops accepting, tells clients to send no more calls, lets the
// calls that were taken finish, flushes their replies and closes the connections. When ctx ends first, what is left is
// cut, and the error is a *CutError that says what. Only the first of Shutdown and Close does the work; later ones wait
// for it and return nil.
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
	cut := CutError{Calls: st.drain(ctx)}
	if err := st.listener.Close(ctx); err != nil {
		cut.Cause = err
	}
	cut.Running = st.stopHandlers(ctx)
	if cut.Cause == nil {
		cut.Cause = ctx.Err()
	}
	if cut.Calls > 0 || cut.Running > 0 {
		return &cut
	}
	return nil
}

// handlerGrace is how long handlers may take to notice that their contexts have ended with their connections.
const handlerGrace = time.Second

// stopHandlers ends the workers and returns how many would not end.
func (st *stages) stopHandlers(ctx context.Context) (running int) {
	if st.handler.Close(ctx) == 0 {
		return 0
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), handlerGrace)
	defer cancel()
	return st.handler.Close(grace)
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

// CutError says what Shutdown could not wait for.
type CutError struct {
	Calls   int   // calls that were taken and not answered
	Running int   // handlers that did not return; their goroutines are left behind
	Cause   error // the end of Shutdown's context, or what went wrong when connections were closed
}

// Error implements error.
func (e *CutError) Error() string {
	return fmt.Sprintf("server: shutdown cut off %d calls and left %d handlers running: %v", e.Calls, e.Running, e.Cause)
}

// Unwrap returns the cause.
func (e *CutError) Unwrap() error { return e.Cause }

// drain tells every peer to send no more calls, waits until those taken are answered, and returns how many are not when
// ctx ends.
func (st *stages) drain(ctx context.Context) (unanswered int) {
	idle := make(chan struct{}, 1)
	st.mu.Lock()
	st.draining = true
	st.idle = idle
	sessions := make([]*reader.Session, 0, len(st.sessions))
	for session := range st.sessions {
		sessions = append(sessions, session)
	}
	st.mu.Unlock()
	for _, session := range sessions {
		session.Drain()
	}
	for {
		n := st.outstanding()
		if n == 0 {
			return 0
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return n
		}
	}
}

func (st *stages) outstanding() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	n := 0
	for session := range st.sessions {
		n += session.Outstanding()
	}
	return n
}

// answered is called by a session that has no call in flight any more.
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
