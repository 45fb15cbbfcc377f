package rpc

import (
	"context"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Caller sends calls; runtime/client implements it, and tests may. Generated clients are thin layers over it. All
// methods may be called concurrently.
type Caller interface {
	// Call sends args and waits until result is filled, ctx is done, or the call has failed. The error is an *Error.
	// args may be changed and result read as soon as it returns. For a oneway method result is nil and the wait is for the call to be
	// handed to the connection.
	Call(ctx context.Context, m *Method, args codec.Encodable, result codec.Decodable) error

	// Go is Call without the wait. args have been encoded when it returns. result belongs to the call until Wait has
	// returned.
	Go(ctx context.Context, m *Method, args codec.Encodable, result codec.Decodable) Pending
}

// Pending is a call on its way.
type Pending interface {
	// Wait blocks until the call has ended or ctx is done; the latter gives up waiting, not the call, which still ends
	// with the ctx given to Go. It may be called again, and concurrently, and then returns the same error.
	Wait(ctx context.Context) error

	// Done is closed when the call has ended.
	Done() <-chan struct{}
}
