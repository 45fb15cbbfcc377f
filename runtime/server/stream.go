package server

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// WithMaxStreams bounds the stream calls of one connection, default 1024, and those of all, default 16,384. One more is
// refused with rpc.ResourceExhausted. 0 stands for the default. Stream calls take no workers.
func WithMaxStreams(perConn, all int) Option {
	return optionFunc(func(o *options) { o.reader.MaxStreams, o.handler.MaxStreams = perConn, all })
}

// WithStreamMemory bounds what the server may hold of messages that clients have sent on streams and handlers have not
// received, in bytes: for the streams of one connection, default 128 MiB, and of all, default 512 MiB. A stream that
// clients send on sets 64 KiB aside at least, and more while half of the connection's is free; where there is none left, its
// call is refused with rpc.ResourceExhausted. 0 stands for the default.
func WithStreamMemory(perConn, all int) Option {
	return optionFunc(func(o *options) {
		o.reader.StreamMemory, o.reader.Memory = perConn, nil
		if all > 0 {
			o.reader.Memory = flow.NewBudget(nil, uint64(all))
		}
	})
}

// WithStreamStall ends streams whose client lets messages wait for so long without receiving any of them: the handler's
// Send returns rpc.ResourceExhausted, and so does the client's Recv. It takes up to half a second more. 0, the default,
// stands for no such bound: how slow a client may be depends on what it does with the messages.
func WithStreamStall(d time.Duration) Option {
	return optionFunc(func(o *options) { o.reader.StreamStall = d })
}

// WithStreamInterceptors surrounds the handling of stream calls. The first is the outermost; a second use adds to the
// first. Calls have been authorized before.
func WithStreamInterceptors(interceptors ...rpc.StreamServerInterceptor) Option {
	return optionFunc(func(o *options) {
		o.handler.StreamInterceptors = append(o.handler.StreamInterceptors, interceptors...)
	})
}
