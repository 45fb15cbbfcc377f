package otelrpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe/otelrpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// word is a struct {1: string s}.
type word struct{ s string }

func (m *word) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(1, m.s)
	e.EndStruct(outer)
}

func (m *word) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.Key() == 1<<8|uint32(codec.String) {
			m.s = d.String()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

// method returns a method that calls what do does.
func method(service, name string, do func(ctx context.Context, s string) error) rpc.Handler {
	return rpc.Handler{
		Method:  &rpc.Method{Service: service, Name: name, FullName: service + "." + name},
		NewArgs: func() codec.Decodable { return new(word) },
		Invoke: func(ctx context.Context, args codec.Decodable) (codec.Encodable, error) {
			if err := do(ctx, args.(*word).s); err != nil {
				return nil, err
			}
			return new(word), nil
		},
	}
}

// streaming is a method whose handler receives until the client half-closes.
func streaming(service, name string) rpc.Handler {
	return rpc.Handler{
		Method:  &rpc.Method{Service: service, Name: name, FullName: service + "." + name, Stream: rpc.StreamBoth},
		NewArgs: func() codec.Decodable { return new(word) },
		Open: func(ctx context.Context, _ codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
			for {
				if _, err := s.RecvBytes(ctx); err == io.EOF {
					return new(word), nil
				} else if err != nil {
					return nil, err
				}
			}
		},
	}
}

// telemetry is an Adapter with everything it reports.
type telemetry struct {
	t       *testing.T
	adapter *otelrpc.Adapter
	spans   *tracetest.SpanRecorder
	tracers *sdktrace.TracerProvider
	reader  *metric.ManualReader
}

func newTelemetry(t *testing.T) *telemetry {
	t.Helper()
	x := &telemetry{t: t, spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	x.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(x.spans))
	var err error
	if x.adapter, err = otelrpc.New(otelrpc.Options{Tracers: x.tracers, Meters: metric.NewMeterProvider(metric.WithReader(x.reader))}); err != nil {
		t.Fatal(err)
	}
	return x
}

// serve runs a server, with x's adapter if traced, until the test ends.
func (x *telemetry) serve(traced bool, handlers ...rpc.Handler) (address string, stop func()) {
	x.t.Helper()
	opts := []server.Option{server.WithLogger(slog.New(slog.DiscardHandler))}
	if traced {
		opts = append(opts, server.WithEvents(x.adapter.Events()), server.WithInterceptors(x.adapter.ServerInterceptor()),
			server.WithStreamInterceptors(x.adapter.StreamServerInterceptor()))
	}
	srv := server.New(opts...)
	if err := srv.Register(&rpc.Service{Name: handlers[0].Method.Service, Handlers: handlers}); err != nil {
		x.t.Fatal(err)
	}
	address, err := srv.Listen("unix://" + filepath.Join(x.t.TempDir(), "s"))
	if err != nil {
		x.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	stop = func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			x.t.Error(err)
		}
		if err := <-served; !errors.Is(err, server.ErrClosed) {
			x.t.Error(err)
		}
	}
	return address, stop
}

func (x *telemetry) dial(address string, traced bool) *client.Client {
	x.t.Helper()
	var opts []client.Option
	if traced {
		opts = append(opts, client.WithEvents(x.adapter.Events()), client.WithInterceptors(x.adapter.ClientInterceptor()),
			client.WithStreamInterceptors(x.adapter.StreamClientInterceptor()))
	}
	c, err := client.Dial(x.t.Context(), address, opts...)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { c.Close() })
	return c
}

// tree returns the ended spans as "kind name" -> "kind name" of the parent.
func (x *telemetry) tree() map[string]string {
	names := make(map[trace.SpanID]string)
	for _, s := range x.spans.Ended() {
		names[s.SpanContext().SpanID()] = s.SpanKind().String() + " " + s.Name()
	}
	tree := make(map[string]string)
	for _, s := range x.spans.Ended() {
		tree[names[s.SpanContext().SpanID()]] = names[s.Parent().SpanID()]
	}
	return tree
}

// A call that a handler makes is a child of the handler's span, which is a child of its caller's, in one trace; also
// through a server in the middle that knows nothing about traces.
func TestParentage(t *testing.T) {
	for _, traced := range []bool{true, false} {
		x := newTelemetry(t)
		back, stopBack := x.serve(true, method("Back", "work", func(context.Context, string) error { return nil }))
		toBack := x.dial(back, traced)
		work := &rpc.Method{Service: "Back", Name: "work", FullName: "Back.work"}
		front, stopFront := x.serve(traced, method("Front", "ask", func(ctx context.Context, s string) error {
			return toBack.Call(ctx, work, &word{s}, new(word))
		}))
		c := x.dial(front, true)
		ctx, root := x.tracers.Tracer("test").Start(t.Context(), "root")
		if err := c.Call(ctx, &rpc.Method{FullName: "Front.ask"}, &word{"x"}, new(word)); err != nil {
			t.Fatal(err)
		}
		root.End()
		stopFront()
		stopBack()
		want := map[string]string{
			"internal root": "", "client Front.ask": "internal root", "server Front.ask": "client Front.ask",
			"client Back.work": "server Front.ask", "server Back.work": "client Back.work",
		}
		if !traced {
			want = map[string]string{"internal root": "", "client Front.ask": "internal root", "server Back.work": "client Front.ask"}
		}
		if diff := cmp.Diff(want, x.tree()); diff != "" {
			t.Errorf("traced %v: -want +got\n%s", traced, diff)
		}
		for _, s := range x.spans.Ended() {
			if s.SpanContext().TraceID() != root.SpanContext().TraceID() {
				t.Errorf("traced %v: %s is in another trace", traced, s.Name())
			}
		}
	}
}

func TestSpans(t *testing.T) {
	x := newTelemetry(t)
	declared := errors.New("declared")
	declares := method("S", "declares", nil)
	declares.Invoke = func(context.Context, codec.Decodable) (codec.Encodable, error) { return new(word), declared }
	address, stop := x.serve(true,
		method("S", "fine", func(context.Context, string) error { return nil }),
		method("S", "missing", func(context.Context, string) error { return rpc.NewError(rpc.NotFound, "no such thing") }),
		method("S", "broken", func(context.Context, string) error { return errors.New("disk") }),
		method("S", "panics", func(context.Context, string) error { panic("secret") }), declares, streaming("S", "stream"))
	c := x.dial(address, true)
	for _, name := range []string{"fine", "missing", "broken", "panics", "declares", "unknown"} {
		c.Call(t.Context(), &rpc.Method{FullName: "S." + name}, new(word), new(word)) // the spans say what came of it
	}
	s, err := c.Open(t.Context(), &rpc.Method{FullName: "S.stream", Stream: rpc.StreamBoth}, new(word))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendBytes(t.Context(), []byte("x")); err != nil {
		t.Error(err)
	}
	if err := s.Finish(t.Context(), new(word)); err != nil {
		t.Error(err)
	}
	stop()
	type outcome struct {
		Status codes.Code
		Code   string
		Error  string
	}
	got := make(map[string]outcome)
	for _, s := range x.spans.Ended() {
		o := outcome{Status: s.Status().Code}
		for _, a := range s.Attributes() {
			switch a.Key {
			case "rpc.response.status_code":
				o.Code = a.Value.AsString()
			case "error.type":
				o.Error = a.Value.AsString()
			case "rpc.system.name":
				if a.Value.AsString() != "kuafu" {
					t.Errorf("%s: system %v", s.Name(), a.Value.AsString())
				}
			}
		}
		if s.EndTime().Before(s.StartTime()) || s.EndTime().Sub(s.StartTime()) > time.Minute {
			t.Errorf("%s lasts from %v to %v", s.Name(), s.StartTime(), s.EndTime())
		}
		got[s.SpanKind().String()+" "+s.Name()] = o
	}
	want := map[string]outcome{
		"client S.fine": {codes.Unset, "ok", ""}, "server S.fine": {codes.Unset, "ok", ""},
		"client S.missing": {codes.Error, "not_found", "not_found"}, "server S.missing": {codes.Unset, "not_found", "not_found"},
		"client S.broken": {codes.Error, "unknown", "unknown"}, "server S.broken": {codes.Error, "unknown", "unknown"},
		"client S.panics": {codes.Error, "internal", "internal"}, "server S.panics": {codes.Error, "internal", "internal"},
		"client S.declares": {codes.Unset, "ok", ""}, "server S.declares": {codes.Unset, "ok", "*errors.errorString"},
		"client S.unknown": {codes.Error, "unimplemented", "unimplemented"}, // refused before there was anybody to make a span
		"client S.stream":  {codes.Unset, "ok", ""}, "server S.stream": {codes.Unset, "ok", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestMetrics(t *testing.T) {
	x := newTelemetry(t)
	address, stop := x.serve(true,
		method("S", "fine", func(context.Context, string) error { return nil }),
		method("S", "missing", func(context.Context, string) error { return rpc.NewError(rpc.NotFound, "no such thing") }))
	c := x.dial(address, true)
	for _, name := range []string{"fine", "fine", "missing", "made_up_1", "made_up_2"} {
		c.Call(t.Context(), &rpc.Method{FullName: "S." + name}, new(word), new(word))
	}
	stop()
	var all metricdata.ResourceMetrics
	if err := x.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]uint64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			h, ok := m.Data.(metricdata.Histogram[float64])
			if !ok || m.Unit != "s" {
				t.Fatalf("%s is %T in %s", m.Name, m.Data, m.Unit)
			}
			for _, p := range h.DataPoints {
				method, _ := p.Attributes.Value("rpc.method")
				code, _ := p.Attributes.Value("rpc.response.status_code")
				failure, failed := p.Attributes.Value("error.type")
				if failed != (code.AsString() != "ok") || failed && failure != code {
					t.Errorf("%s: error.type %v beside %v", m.Name, failure, code)
				}
				if p.Sum < 0 || p.Sum > 60 || len(p.Bounds) != 14 || p.Bounds[0] != 0.005 {
					t.Errorf("%s: %v s in buckets %v", m.Name, p.Sum, p.Bounds)
				}
				counts[m.Name+" "+method.AsString()+" "+code.AsString()] = p.Count
			}
		}
	}
	want := map[string]uint64{
		"rpc.server.call.duration S.fine ok": 2, "rpc.server.call.duration S.missing not_found": 1, "rpc.server.call.duration _OTHER unimplemented": 2,
		"rpc.client.call.duration S.fine ok": 2, "rpc.client.call.duration S.missing not_found": 1,
		"rpc.client.call.duration S.made_up_1 unimplemented": 1, "rpc.client.call.duration S.made_up_2 unimplemented": 1, // the client's own names
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Without a tracer of its own a process passes on what it was given, and adds nothing.
func TestGlobalDefaults(t *testing.T) {
	a, err := otelrpc.New(otelrpc.Options{}) // the global providers do nothing until somebody sets them
	if err != nil {
		t.Fatal(err)
	}
	given := rpc.TraceContext{TraceID: [16]byte{1}, SpanID: [8]byte{2}, Flags: 1}
	var sent rpc.TraceContext
	call := rpc.ChainClient(func(ctx context.Context, _ *rpc.Method, _ codec.Encodable, _ codec.Decodable) error {
		sent, _ = rpc.TraceFrom(ctx)
		return nil
	}, a.ClientInterceptor())
	if err := call(rpc.WithTrace(t.Context(), given), &rpc.Method{FullName: "S.m"}, nil, nil); err != nil || sent != given {
		t.Errorf("sent %v, %v", sent, err)
	}
	if err := call(t.Context(), &rpc.Method{FullName: "S.m"}, nil, nil); err != nil || sent.Valid() {
		t.Errorf("made up %v, %v", sent, err)
	}
}
