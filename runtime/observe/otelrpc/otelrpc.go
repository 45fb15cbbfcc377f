package otelrpc

import (
	"context"
	"errors"
	"net"
	"strconv"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// scope is the name of the tracer and of the meter.
const scope = "github.com/kuafu-rpc/kuafu/runtime/observe/otelrpc"

// system is the value of rpc.system.name.
const system = "kuafu"

// Options configures an Adapter. The zero value of each field means its default.
type Options struct {
	Tracers trace.TracerProvider // default OpenTelemetry's global one
	Meters  metric.MeterProvider // likewise
}

// Adapter makes what servers and clients are given. Its methods may be called concurrently.
type Adapter struct {
	tracer trace.Tracer
	served *observe.ByMethod[recorders]
	made   *observe.ByMethod[recorders]
}

// New returns an Adapter. It fails if a meter refuses an instrument.
func New(o Options) (*Adapter, error) {
	if o.Tracers == nil {
		o.Tracers = otel.GetTracerProvider()
	}
	if o.Meters == nil {
		o.Meters = otel.GetMeterProvider()
	}
	meter := o.Meters.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	server, err := rpcconv.NewServerCallDuration(meter)
	if err != nil {
		return nil, err
	}
	client, err := rpcconv.NewClientCallDuration(meter)
	if err != nil {
		return nil, err
	}
	return &Adapter{
		tracer: o.Tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		served: observe.NewByMethod(func(method string) *recorders { return &recorders{histogram: server.Inst(), method: method} }),
		made:   observe.NewByMethod(func(method string) *recorders { return &recorders{histogram: client.Inst(), method: method} }),
	}, nil
}

// Events returns what measures the calls of servers and clients. Where a caller's trace is sampled, a server's
// measurement carries it, for exemplars.
func (a *Adapter) Events() observe.Events {
	return observe.Events{
		CallDone: func(c observe.CallDone) {
			ctx := context.Background()
			if c.Trace.Sampled() {
				ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(c.Trace))
			}
			a.served.Of(c.Method).record(ctx, c.Code(), c.Took().Seconds())
		},
		ClientCallDone: func(c observe.ClientCallDone) {
			a.made.Of(c.Method).record(context.Background(), c.Code(), c.Took.Seconds())
		},
	}
}

// recorders are the attributes of one method's measurements, made once for each code.
type recorders struct {
	histogram metric.Float64Histogram
	method    string
	known     [rpc.Unauthenticated + 1]cached
}

func (r *recorders) record(ctx context.Context, code rpc.Code, seconds float64) {
	if int(code) >= len(r.known) {
		code = rpc.Unknown
	}
	r.histogram.Record(ctx, max(0, seconds), r.known[code].options(func() attribute.Set {
		attrs := []attribute.KeyValue{semconv.RPCSystemNameKey.String(system), semconv.RPCMethod(r.method)}
		return attribute.NewSet(append(attrs, outcome(code)...)...)
	})...)
}

// outcome returns the attributes for a code; 0 is success. They are the conventions' status code, and their error type
// where there is an error.
func outcome(code rpc.Code) []attribute.KeyValue {
	attrs := []attribute.KeyValue{semconv.RPCResponseStatusCode(observe.CodeName(code))}
	if code != 0 {
		attrs = append(attrs, semconv.ErrorTypeKey.String(code.String()))
	}
	return attrs
}

// spanContext returns what t names, as a span of another process.
func spanContext(t rpc.TraceContext) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: t.TraceID, SpanID: t.SpanID, TraceFlags: trace.TraceFlags(t.Flags), Remote: true,
	})
}

// traceContext is the other way round.
func traceContext(s trace.SpanContext) rpc.TraceContext {
	return rpc.TraceContext{TraceID: s.TraceID(), SpanID: s.SpanID(), Flags: byte(s.TraceFlags())}
}

// peerAttributes returns the address of a peer, as far as it is known.
func peerAttributes(p *rpc.Peer) []attribute.KeyValue {
	if p == nil || p.Address == "" {
		return nil
	}
	if p.Network == "unix" {
		return []attribute.KeyValue{semconv.NetworkTransportUnix, semconv.NetworkPeerAddress(p.Address)}
	}
	host, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return []attribute.KeyValue{semconv.NetworkPeerAddress(p.Address)}
	}
	attrs := []attribute.KeyValue{semconv.NetworkPeerAddress(host)}
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, semconv.NetworkPeerPort(n))
	}
	return attrs
}

// end closes a span with what its call has come to. declared says that err is an exception that the IDL declares.
func end(span trace.Span, err error, declared, server bool) {
	defer span.End()
	switch {
	case err == nil:
		span.SetAttributes(outcome(0)...)
	case errors.Is(err, rpc.ErrDeferred):
		span.AddEvent("deferred")
	case declared: // a result like others, as far as the call goes
		span.SetAttributes(append(outcome(0), semconv.ErrorType(err))...)
	default:
		code := rpc.CodeOf(err)
		span.SetAttributes(outcome(code)...)
		if !server || serverFault(code) {
			span.SetStatus(codes.Error, err.Error())
		}
	}
}

// endPanicked closes the span of a handler that has not returned.
func endPanicked(span trace.Span, returned *bool) {
	if !*returned {
		end(span, rpc.NewError(rpc.Internal, "the handler panicked"), false, true)
	}
}

// serverFault reports whether a server's span is marked as failed for a code. What a caller did wrong is no failure of
// the server.
func serverFault(code rpc.Code) bool {
	switch code {
	case rpc.Unknown, rpc.DeadlineExceeded, rpc.Unimplemented, rpc.Internal, rpc.Unavailable, rpc.DataLoss:
		return true
	}
	return false
}
