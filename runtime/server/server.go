package server

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
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

	ends     ends
	refusals refusals
	events   *observe.Events // whose functions may be nil
	gate     *auth.Gate      // nil unless clients must log in

	mu       sync.Mutex
	conns    map[*connection]struct{}
	draining bool
	idle     chan struct{} // not nil once Shutdown waits; see answered
}

// New returns a Server that does not listen yet. It does not fail: options are checked by Serve.
func New(opts ...Option) *Server {
	s := &Server{done: make(chan struct{})}
	for _, o := range opts {
		o.apply(&s.opts)
	}
	if s.opts.logger == nil {
		s.opts.logger = slog.Default()
	}
	s.opts.handler.Logger = s.opts.logger
	s.opts.responder.Logger = s.opts.logger
	s.opts.responder.Events = s.opts.events
	s.opts.handler.Exact = s.opts.handler.Exact || s.opts.events.CallDone != nil
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

// Services returns the registered services in the order of their registration. They are not to be changed.
func (s *Server) Services() []*rpc.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.registry.Services()
}

// Listen binds an address, "tcp://host:port", "tls://host:port" or "unix:///path", and returns it with the port that was chosen if port was
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

// ListenAndServe is Listen for each address, then Serve. If either fails at once, the server is closed.
func (s *Server) ListenAndServe(addresses ...string) error {
	for _, a := range addresses {
		if _, err := s.Listen(a); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	err := s.Serve()
	if !errors.Is(err, ErrClosed) {
		err = errors.Join(err, s.Close())
	}
	return err
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
	st := &stages{events: &s.opts.events, ends: ends{log: s.opts.logger}, refusals: refusals{log: s.opts.logger}, conns: make(map[*connection]struct{})}
	if err := s.secure(st); err != nil {
		return nil, nil, err
	}
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
