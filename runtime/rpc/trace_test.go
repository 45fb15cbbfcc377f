package rpc_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

var traced = rpc.TraceContext{TraceID: [16]byte{0: 0xa1, 15: 0x0f}, SpanID: [8]byte{0: 0xb2, 7: 1}, Flags: 1}

func TestTraceContext(t *testing.T) {
	const text = "00-a100000000000000000000000000000f-b200000000000001-01"
	if got := traced.String(); got != text {
		t.Errorf("String: %q, want %q", got, text)
	}
	b := rpc.AppendTraceContext([]byte("x"), traced)
	if len(b) != 1+rpc.TraceContextSize || rpc.TraceContextSize != wire.TraceSize {
		t.Fatalf("encoded as % x", b)
	}
	if got, ok := rpc.ParseTraceContext(b[1:]); !ok || got != traced {
		t.Errorf("read back %v, %v", got, ok)
	}
	for name, bad := range map[string][]byte{
		"nothing":     nil,
		"short":       b[2:],
		"long":        b,
		"no trace id": append(make([]byte, 16), b[17:]...),
		"no span id":  append(bytes.Clone(b[1:17]), make([]byte, 9)...),
	} {
		if got, ok := rpc.ParseTraceContext(bad); ok || got != (rpc.TraceContext{}) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	var zero rpc.TraceContext
	if zero.Valid() || zero.Sampled() || zero.String() != "" || !traced.Sampled() {
		t.Error("the zero value names a span, or is sampled")
	}
}

func TestTraceFrom(t *testing.T) {
	other := traced
	other.SpanID[3] = 9
	plain := context.Background()
	call := func(trace []byte) context.Context { return (&rpc.Call{Trace: trace}).Context() }
	inside := call(rpc.AppendTraceContext(nil, traced))
	for _, tt := range []struct {
		name string
		ctx  context.Context
		want rpc.TraceContext
	}{
		{"plain", plain, rpc.TraceContext{}},
		{"set", rpc.WithTrace(plain, other), other},
		{"set, with metadata after it", rpc.WithMetadata(rpc.WithTrace(plain, other), "k", "v"), other},
		{"of the handler's call", inside, traced},
		{"of the handler's call, from a derived context", context.WithValue(inside, "k", 1), traced}, //lint:ignore SA1029 any key does
		{"of the handler's call, with metadata", rpc.WithMetadata(inside, "k", "v"), traced},
		{"set in a handler", rpc.WithTrace(inside, other), other},
		{"cut off in a handler", rpc.WithTrace(inside, rpc.TraceContext{}), rpc.TraceContext{}},
		{"the call has none", call(nil), rpc.TraceContext{}},
		{"the call has a broken one", call(make([]byte, 25)), rpc.TraceContext{}},
	} {
		got, ok := rpc.TraceFrom(tt.ctx)
		if ok != (tt.want != rpc.TraceContext{}) || ok && got != tt.want {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, ok, tt.want)
		}
	}
	ctx := rpc.WithTrace(rpc.WithMetadata(plain, "k", "v"), other)
	if diff := cmp.Diff([]string{"k=v"}, outgoingOf(t, ctx)); diff != "" {
		t.Errorf("metadata after WithTrace: -want +got\n%s", diff)
	}
}
