// Package otelrpc reports calls to OpenTelemetry: spans of servers and clients, linked across processes, and the metrics
// rpc.server.call.duration and rpc.client.call.duration.
//
// It takes two things: interceptors make spans, and events measure.
//
//	o, err := otelrpc.New(otelrpc.Options{})
//	srv := server.New(server.WithEvents(o.Events()),
//		server.WithInterceptors(o.ServerInterceptor()), server.WithStreamInterceptors(o.StreamServerInterceptor()))
//	conn, err := client.Dial(ctx, address, client.WithEvents(o.Events()),
//		client.WithInterceptors(o.ClientInterceptor()), client.WithStreamInterceptors(o.StreamClientInterceptor()))
//
// A span's context travels in the header of a native call, in 25 bytes: trace id, span id and flags, as W3C's Trace Context
// has them. Its tracestate and OpenTelemetry's baggage do not travel. Stock Thrift peers send and get none of it.
//
// A span is named after its method, and has the attributes of OpenTelemetry's conventions for RPC; rpc.system.name is
// "kuafu". A server's span begins when the call was received, so it includes the time in the queue, which the event
// "dequeued" ends. The span of a call that its implementation defers ends when the implementation returns. Calls that were
// refused before they got to a handler have no span; the metrics have them.
package otelrpc
