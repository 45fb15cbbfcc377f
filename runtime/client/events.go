package client

import (
	"context"
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
		c.interceptors = append([]rpc.ClientInterceptor{tell(done)}, c.interceptors...)
		c.streams.interceptors = append([]rpc.StreamClientInterceptor{tellStream(done)}, c.streams.interceptors...)
	})
}

func tell(done func(observe.ClientCallDone)) rpc.ClientInterceptor {
	return func(next rpc.ClientHandler) rpc.ClientHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
			start := time.Now()
			err := next(ctx, m, args, result)
			done(observe.ClientCallDone{Method: m, Err: err, Start: start, Took: time.Since(start)})
			return err
		}
	}
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
