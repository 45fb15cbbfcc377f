package server

import "github.com/kuafu-rpc/kuafu/runtime/handler"

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
