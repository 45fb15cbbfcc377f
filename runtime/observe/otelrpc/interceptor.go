package otelrpc

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// ServerInterceptor returns what gives every call a span, a child of its caller's. The handler's context carries it: for
// spans that the handler makes, and for calls that it makes with the same Adapter's clients.
func (a *Adapter) ServerInterceptor() rpc.ServerInterceptor {
	return func(next rpc.ServerHandler) rpc.ServerHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
			ctx, span := a.startServer(ctx, m)
			returned := false
			defer endPanicked(span, &returned)
			result, err := next(ctx, m, args)
			returned = true
			end(span, err, result != nil, true)
			return result, err
		}
	}
}

// StreamServerInterceptor is ServerInterceptor for streams: a span lasts until the handler returns.
func (a *Adapter) StreamServerInterceptor() rpc.StreamServerInterceptor {
	return func(next rpc.StreamServerHandler) rpc.StreamServerHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			ctx, span := a.startServer(ctx, m)
			returned := false
			defer endPanicked(span, &returned)
			result, err := next(ctx, m, args, s)
			returned = true
			end(span, err, result != nil, true)
			return result, err
		}
	}
}

func (a *Adapter) startServer(ctx context.Context, m *rpc.Method) (context.Context, trace.Span) {
	attrs := []attribute.KeyValue{semconv.RPCSystemNameKey.String(system), semconv.RPCMethod(m.FullName)}
	opts := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	if c := rpc.CallFrom(ctx); c != nil {
		if t, ok := rpc.ParseTraceContext(c.Trace); ok {
			ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(t))
		}
		if !c.Received.IsZero() {
			opts = append(opts, trace.WithTimestamp(c.Received))
		}
		attrs = append(attrs, peerAttributes(c.Peer)...)
	}
	ctx, span := a.tracer.Start(ctx, m.FullName, append(opts, trace.WithAttributes(attrs...))...)
	span.AddEvent("dequeued")
	return rpc.WithTrace(ctx, traceContext(span.SpanContext())), span
}

// ClientInterceptor returns what gives every call a span, a child of the context's, and sends that span along. It
// surrounds retries: the attempts of a call are one span.
func (a *Adapter) ClientInterceptor() rpc.ClientInterceptor {
	return func(next rpc.ClientHandler) rpc.ClientHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
			ctx, span := a.startClient(ctx, m)
			err := next(ctx, m, args, result)
			end(span, err, false, false)
			return err
		}
	}
}

// StreamClientInterceptor is ClientInterceptor for streams: a span lasts until the stream is finished or canceled, or its
// context ends.
func (a *Adapter) StreamClientInterceptor() rpc.StreamClientInterceptor {
	return func(next rpc.StreamClientHandler) rpc.StreamClientHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
			ctx, span := a.startClient(ctx, m)
			s, err := next(ctx, m, args)
			if err != nil {
				end(span, err, false, false)
				return nil, err
			}
			return observe.WatchStream(ctx, s, func(err error) { end(span, err, false, false) }), nil
		}
	}
}

func (a *Adapter) startClient(ctx context.Context, m *rpc.Method) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsValid() { // a trace that came with a call and that nobody here has joined
		if t, ok := rpc.TraceFrom(ctx); ok {
			ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(t))
		}
	}
	ctx, span := a.tracer.Start(ctx, m.FullName, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(semconv.RPCSystemNameKey.String(system), semconv.RPCMethod(m.FullName)))
	return rpc.WithTrace(ctx, traceContext(span.SpanContext())), span
}
