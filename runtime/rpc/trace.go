package rpc

import (
	"context"
	"encoding/hex"
)

// TraceContext names the span of a distributed trace that a call belongs to, with the meanings of W3C's Trace Context.
// The zero value names none.
type TraceContext struct {
	TraceID [16]byte
	SpanID  [8]byte // of the caller's span
	Flags   byte    // bit 0: the caller may record the trace
}

// TraceContextSize is the length of an encoded TraceContext in bytes.
const TraceContextSize = 25

// Valid reports whether t names a span: neither id is all zeros.
func (t TraceContext) Valid() bool { return t.TraceID != [16]byte{} && t.SpanID != [8]byte{} }

// Sampled reports whether the caller may record the trace.
func (t TraceContext) Sampled() bool { return t.Flags&1 != 0 }

// String returns t in the form of a traceparent header, "00-<trace id>-<span id>-<flags>"; "" if it names no span.
func (t TraceContext) String() string {
	if !t.Valid() {
		return ""
	}
	b := make([]byte, 0, 55)
	b = append(b, "00-"...)
	b = append(hex.AppendEncode(b, t.TraceID[:]), '-')
	b = append(hex.AppendEncode(b, t.SpanID[:]), '-')
	return string(hex.AppendEncode(b, []byte{t.Flags}))
}

// AppendTraceContext appends the TraceContextSize bytes of t: trace id, span id, flags.
func AppendTraceContext(dst []byte, t TraceContext) []byte {
	dst = append(dst, t.TraceID[:]...)
	dst = append(dst, t.SpanID[:]...)
	return append(dst, t.Flags)
}

// ParseTraceContext reads what AppendTraceContext appends, which b must consist of. It is not ok if that names no span;
// a peer's bad trace context is no reason to refuse its call.
func ParseTraceContext(b []byte) (t TraceContext, ok bool) {
	if len(b) != TraceContextSize {
		return TraceContext{}, false
	}
	copy(t.TraceID[:], b)
	copy(t.SpanID[:], b[16:])
	t.Flags = b[24]
	if !t.Valid() {
		return TraceContext{}, false
	}
	return t, true
}

// WithTrace returns a context whose calls belong to t. A t that names no span keeps them out of any trace.
func WithTrace(ctx context.Context, t TraceContext) context.Context {
	o := outgoing(ctx)
	o.Trace = &t
	return context.WithValue(ctx, outgoingKey{}, o)
}

// TraceFrom returns what calls made with ctx belong to, which is what a client sends: what WithTrace was given; else, in
// a handler, what the handler's own call belongs to, so that a service that traces nothing passes traces on all the
// same. ok is false if that is no trace.
func TraceFrom(ctx context.Context) (t TraceContext, ok bool) {
	if o, _ := ctx.Value(outgoingKey{}).(*Outgoing); o != nil && o.Trace != nil {
		return *o.Trace, o.Trace.Valid()
	}
	if c := CallFrom(ctx); c != nil {
		return ParseTraceContext(c.Trace)
	}
	return TraceContext{}, false
}
