package rpc

import (
	"context"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// StreamMode says in which directions the messages of a method travel besides its arguments and its result. It is a set
// of bits; the zero value is that of an ordinary method.
type StreamMode uint8

const (
	StreamNone   StreamMode = 0
	StreamResult StreamMode = 1 << 0                    // stream<T> m(args): the server sends messages
	StreamArgs   StreamMode = 1 << 1                    // R m(args, stream<T> in): the client does
	StreamBoth   StreamMode = StreamResult | StreamArgs // stream<T> m(args, stream<U> in)
)

var streamModeNames = [...]string{"none", "result", "arguments", "both"}

// String returns "none", "result", "arguments" or "both".
func (m StreamMode) String() string { return streamModeNames[m&StreamBoth] }

// StreamMismatch says why a call of m is refused that opens a stream, and must not, or the other way round.
func (m *Method) StreamMismatch() string {
	if m.Stream == StreamNone {
		return m.FullName + " is not a stream method"
	}
	return m.FullName + " is a stream method: it needs a native client that opens a stream"
}

// Stream is one stream call, on either side. One goroutine at a time may use Send, SendBytes and CloseSend, and one at a
// time Recv, RecvInto and RecvBytes; the two directions are independent.
//
// Once the stream has ended, all methods return why, which is an *Error: on the server Canceled if the client canceled
// or its connection is lost, DeadlineExceeded if the call's time is up. A ctx given to a method bounds that one wait; the
// call's own end ends every wait. The errors of ctx come as *Error, too.
type Stream interface {
	// Context returns the context of the call: on a server that of the handler, on a client what Open was given. It ends
	// with the stream.
	Context() context.Context

	// Send encodes m and waits until all of it has been handed to the connection, which takes credit from the other side.
	// m may be changed when it returns. If ctx ends before the first byte has left, the message is taken back and
	// the stream goes on; if it ends later, nothing can be sent any more. Sending after CloseSend, or against the method's
	// StreamMode, is FailedPrecondition. On a client, Send returns io.EOF if the server has replied already: Finish has
	// the reply.
	Send(ctx context.Context, m codec.Encodable) error

	// Recv waits for the next message and decodes it into m. It returns io.EOF after the last one. A message that cannot be
	// decoded is InvalidArgument, and the stream goes on behind it. If ctx ends, nothing is lost: the message is there for the
	// next Recv.
	Recv(ctx context.Context, m codec.Decodable) error

	// RecvInto is Recv, but what the last RecvInto of this stream has decoded is over: the memory of its []byte values is used
	// again, whatever message they are in. It is worth it for bulk, in messages of 16 KiB and more, as Recycle is. Strings are
	// not part of the message's memory; they, and all else that is not []byte, may be kept.
	RecvInto(ctx context.Context, m codec.Decodable) error

	// SendBytes is Send for messages that travel as they are, those of a stream<binary>. b is the caller's again on return.
	SendBytes(ctx context.Context, b []byte) error

	// RecvBytes is Recv for such messages. What it returns is the caller's.
	RecvBytes(ctx context.Context) ([]byte, error)

	// CloseSend tells the other side that no more messages follow; receiving goes on. Doing it twice, or after the end,
	// does nothing. A handler need not do it: when it returns, that ends the stream.
	CloseSend(ctx context.Context) error
}

// ClientStream is a stream call on the client. Every one must be ended, by Finish, by Cancel, or by the end of the
// context that Open was given; else it holds memory on both sides.
type ClientStream interface {
	Stream

	// Finish ends the stream in good order and returns what the call has come to: it half-closes, drops the messages
	// that have not been received, waits for the reply and decodes it into result, which may be nil for a method
	// without a result. The error is an *Error: the server's, or that of a lost connection, or ctx's, in which case
	// the call is canceled. It must not run at the same time as other methods but Cancel. Doing it again returns the
	// same error and does not fill result.
	Finish(ctx context.Context, result codec.Decodable) error

	// Cancel gives the stream up: what waits on it returns Canceled, the server's handler sees its context end. It may be
	// called at any time, from any goroutine; after the end it does nothing.
	Cancel()
}

// StreamCaller opens streams; runtime/client implements it beside Caller, and tests may.
type StreamCaller interface {
	// Open sends the call of a stream method; args have been encoded when it returns. ctx governs the whole stream: its
	// deadline travels with the call, and its end cancels it. If m has a Timeout and ctx no deadline, that is the
	// stream's. The error is an *Error with the execution NotExecuted. What the server says about the call, such as that it
	// is refused, comes later, from the stream's methods.
	Open(ctx context.Context, m *Method, args codec.Encodable) (ClientStream, error)
}

// OpenStream opens a stream through caller, if it can open streams. Generated clients call it.
func OpenStream(ctx context.Context, caller Caller, m *Method, args codec.Encodable) (ClientStream, error) {
	if s, ok := caller.(StreamCaller); ok {
		return s.Open(ctx, m, args)
	}
	return nil, &Error{Code: Unimplemented, Message: "this client cannot open streams", Method: m.FullName, Execution: NotExecuted}
}

// SendStream sends messages of type T: what generated code gives to implementations of methods that return a stream.
// It has the contract of Stream.Send.
type SendStream[T any] interface {
	Send(ctx context.Context, message T) error
}

// RecvStream receives messages of type T: what generated code gives to implementations of methods that take a stream.
// It has the contract of Stream.Recv: io.EOF comes after the last message. What it returns is the caller's.
type RecvStream[T any] interface {
	Recv(ctx context.Context) (message T, err error)
}

// RecvInto is Stream.RecvInto for a stream of structs, which an implementation of a method gets as a RecvStream: it fills m, and
// ends the use of each []byte value that an earlier RecvInto of this stream has decoded. The streams of generated clients
// have it as a method. Of a stream that cannot do it, such as a test's own, it takes the next message by Recv.
func RecvInto[T any](ctx context.Context, s RecvStream[*T], m *T) error {
	if into, ok := s.(interface {
		RecvInto(context.Context, *T) error
	}); ok {
		return into.RecvInto(ctx, m)
	}
	got, err := s.Recv(ctx)
	if err != nil {
		return err
	}
	*m = *got
	return nil
}

// StreamServerHandler runs a stream call: an interceptor, or at the innermost Handler.Open, whose contract it has.
type StreamServerHandler func(ctx context.Context, m *Method, args codec.Decodable, s Stream) (result codec.Encodable, err error)

// StreamServerInterceptor wraps the handling of stream calls, and may pass on a Stream of its own. It is called once,
// when the server is made; what it returns is called for every stream call, concurrently.
type StreamServerInterceptor func(next StreamServerHandler) StreamServerHandler

// StreamClientHandler opens a stream call: an interceptor, or at the innermost the client. It has the contract of
// StreamCaller.Open.
type StreamClientHandler func(ctx context.Context, m *Method, args codec.Encodable) (ClientStream, error)

// StreamClientInterceptor wraps the opening of stream calls, and may return a ClientStream of its own. It is called once,
// when the client is made; what it returns is called for every stream call, concurrently.
type StreamClientInterceptor func(next StreamClientHandler) StreamClientHandler

// ChainStreamServer puts interceptors around h. The first is the outermost.
func ChainStreamServer(h StreamServerHandler, interceptors ...StreamServerInterceptor) StreamServerHandler {
	for i := len(interceptors) - 1; i >= 0; i-- {
		h = interceptors[i](h)
	}
	return h
}

// ChainStreamClient puts interceptors around h. The first is the outermost.
func ChainStreamClient(h StreamClientHandler, interceptors ...StreamClientInterceptor) StreamClientHandler {
	for i := len(interceptors) - 1; i >= 0; i-- {
		h = interceptors[i](h)
	}
	return h
}
