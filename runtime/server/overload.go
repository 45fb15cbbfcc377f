package server

import (
	"errors"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/handler"
)

// WithOverload sets who waits, who is next and who is refused while calls come faster than workers take them: a fair
// queue, limits of each caller, back-off. The default is one first-in first-out queue for all.
func WithOverload(o handler.Overload) Option {
	return optionFunc(func(opts *options) { opts.handler.Overload = o })
}

// WithRetryCache configures the cache that recognizes at-most-once calls which are sent again. Without a Store it lasts as
// long as the process: a call that was executed by the process before is executed once more when it is repeated.
func WithRetryCache(r handler.Retries) Option {
	return optionFunc(func(opts *options) { opts.handler.Retries = r })
}

// WithMaxDeferred bounds the calls that handlers have deferred and not answered; default 65,536. One more makes
// rpc.Defer fail.
func WithMaxDeferred(n int) Option { return optionFunc(func(o *options) { o.handler.MaxDeferred = n }) }

// WithBusyPoll sets for how long, at most, a worker that runs calls which come one by one looks for the next before it sleeps; see
// handler.Options.BusyPoll. 0 turns it off. Default handler.DefaultBusyPoll, 100 us; at most handler.MaxBusyPoll, 1 ms.
func WithBusyPoll(most time.Duration) Option {
	return optionFunc(func(o *options) {
		if o.handler.BusyPoll = most; most == 0 {
			o.handler.BusyPoll = -1
		}
	})
}

// WithInline names methods, like "Echo.echo", that are so short, and so certain not to wait for anything, that they may be run
// on the event loop of their connection. That saves the way to a worker and back, and holds up the loop's other
// connections for as long; see handler.Options.Inline for when it is done. Serve fails if there is no such method.
func WithInline(methods ...string) Option {
	return optionFunc(func(o *options) { o.handler.Inline = append(o.handler.Inline, methods...) })
}

// errNotServing is what methods return that need the stages.
var errNotServing = errors.New("server: not serving yet")

// Reconfigure replaces what WithQueue and WithOverload have set. Queued calls stay, and go first. It fails before Serve.
func (s *Server) Reconfigure(queue int, o handler.Overload) error {
	h := s.handler()
	if h == nil {
		return errNotServing
	}
	return h.Reconfigure(queue, o)
}

// RestoreRetry adds the outcome of an at-most-once call that another server has executed, as a standby does that follows
// the active server's log. It fails before Serve; what is known by then belongs into the handler.RetryStore.
func (s *Server) RestoreRetry(e *handler.RetryEntry) error {
	h := s.handler()
	if h == nil {
		return errNotServing
	}
	h.RestoreRetry(e)
	return nil
}

// CallStats returns the counters of the call queue and the workers; all 0 before Serve.
func (s *Server) CallStats() handler.Stats {
	h := s.handler()
	if h == nil {
		return handler.Stats{}
	}
	return h.Stats()
}

func (s *Server) handler() *handler.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stages == nil {
		return nil
	}
	return s.stages.handler
}
