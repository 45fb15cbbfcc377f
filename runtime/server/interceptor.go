package server

import "github.com/kuafu-rpc/kuafu/runtime/rpc"

// WithInterceptors surrounds the handling of calls that are no streams: between the decoding of their arguments and the
// encoding of their results, on the goroutine that runs the call. The first is the outermost; a second use adds to the
// first. Calls have been authorized before, and are answered from the retry cache without them. One that panics is treated
// as an implementation that does.
func WithInterceptors(interceptors ...rpc.ServerInterceptor) Option {
	return optionFunc(func(o *options) {
		o.handler.Interceptors = append(o.handler.Interceptors, interceptors...)
	})
}
