package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// WithEvents makes the client call e.ClientCallDone for every call that has ended: once, however often it was sent, and
// with the time that the caller waited; for a stream from Open until Finish has returned, or the stream or its context was
// canceled. It is an interceptor outside of all that were given before it. The option may be given several times.
func WithEvents(e observe.Events) Option {
	return option(func(c *config) {
		done := e.ClientCallDone
		if done == nil {
			return
		}
		c.reports = true
		c.interceptors = append([]rpc.ClientInterceptor{tell(done)}, c.interceptors...)
		c.streams.interceptors = append([]rpc.StreamClientInterceptor{tellStream(done)}, c.streams.interceptors...)
	})
}

func tell(done func(observe.ClientCallDone)) rpc.ClientInterceptor {
	return func(next rpc.ClientHandler) rpc.ClientHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
			r := &report{Context: ctx, start: time.Now()}
			err := next(r, m, args, result)
			done(r.event(m, err))
			return err
		}
	}
}

// report is a context that carries back to tell what became of a call. An interceptor may make it any number of calls.
type report struct {
	context.Context
	start time.Time

	mu              sync.Mutex
	attempts        int
	request, reply  int // bytes
	dialing, queued time.Duration
}

type reportKey struct{}

// Value implements context.Context.
func (r *report) Value(key any) any {
	if key == (reportKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// reportOf returns the innermost report in ctx; nil if nobody wants one.
func (c *Client) reportOf(ctx context.Context) *report {
	if !c.config.reports {
		return nil
	}
	r, _ := ctx.Value(reportKey{}).(*report)
	return r
}

// add takes note of what has become of k, whose outcome is there.
func (r *report) add(k *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts += k.attempts
	r.dialing += k.bounds.dialing
	r.queued += k.bounds.queued
	if k.attempts > 0 {
		r.request, r.reply = k.size, k.replied
	}
}

func (r *report) event(m *rpc.Method, err error) observe.ClientCallDone {
	d := observe.ClientCallDone{Method: m, Err: err, Start: r.start, Took: time.Since(r.start)}
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Attempts, d.RequestBytes, d.ReplyBytes = r.attempts, r.request, r.reply
	var e *rpc.Error
	if errors.As(err, &e) {
		d.Stages = e.Stages
	}
	d.Stages.Dial, d.Stages.ClientQueue = r.dialing, r.queued
	rest := max(0, d.Took-r.dialing-r.queued-d.Stages.ServerQueue-d.Stages.Handler)
	if r.attempts > 0 {
		d.Stages.Wire = rest
	} else {
		d.Stages.ClientQueue += rest
	}
	return d
}

func tellStream(done func(observe.ClientCallDone)) rpc.StreamClientInterceptor {
	return func(next rpc.StreamClientHandler) rpc.StreamClientHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
			start := time.Now()
			tell := func(err error) {
				done(observe.ClientCallDone{Method: m, Err: err, Start: start, Took: time.Since(start)})
			}
			s, err := next(ctx, m, args)
			if err != nil {
				tell(err)
				return nil, err
			}
			return observe.WatchStream(ctx, s, tell), nil
		}
	}
}
