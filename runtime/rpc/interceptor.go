package rpc

import (
	"context"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// ServerHandler runs a decoded call: an interceptor, or at the innermost Handler.Invoke, whose results it has. m is the
// canonical method, the same value for every call of it.
type ServerHandler func(ctx context.Context, m *Method, args codec.Decodable) (result codec.Encodable, err error)

// ServerInterceptor wraps the handling of calls. It is called once, when the server is made; what it returns is called
// for every call, concurrently.
type ServerInterceptor func(next ServerHandler) ServerHandler

// ClientHandler makes a call: an interceptor, or at the innermost the client. It has the contract of Caller.Call.
type ClientHandler func(ctx context.Context, m *Method, args codec.Encodable, result codec.Decodable) error

// ClientInterceptor wraps the making of calls. It is called once, when the client is made; what it returns is called for
// every call, concurrently. It surrounds retries: one call is seen once, however often it is sent.
type ClientInterceptor func(next ClientHandler) ClientHandler

// ChainServer puts interceptors around h. The first is the outermost.
func ChainServer(h ServerHandler, interceptors ...ServerInterceptor) ServerHandler {
	for i := len(interceptors) - 1; i >= 0; i-- {
		h = interceptors[i](h)
	}
	return h
}

// ChainClient puts interceptors around h. The first is the outermost.
func ChainClient(h ClientHandler, interceptors ...ClientInterceptor) ClientHandler {
	for i := len(interceptors) - 1; i >= 0; i-- {
		h = interceptors[i](h)
	}
	return h
}
