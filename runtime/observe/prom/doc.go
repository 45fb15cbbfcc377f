// Package prom turns the events of servers and clients into Prometheus metrics.
//
// Give what Events returns to server.WithEvents and client.WithEvents, and the Metrics to a registry:
//
//	metrics := prom.New(prom.Options{})
//	prometheus.MustRegister(metrics)
//	srv := server.New(server.WithEvents(metrics.Events()))
//	metrics.Watch("main", srv)
//
// A method's metrics are looked up once, not for every call. Calls of methods that do not exist are counted under the
// name "_OTHER", and so are methods beyond 1,024: nobody can make the number of time series grow by making up names.
//
// # Metrics
//
// Of servers' calls, each with the label method:
//
//	kuafu_rpc_calls_total{code}            answered, by the code of the reply: "ok" or an error's
//	kuafu_rpc_queue_seconds                histogram: waiting for a worker
//	kuafu_rpc_processing_seconds           histogram: decoding the arguments and running the implementation
//	kuafu_rpc_response_seconds             histogram: encoding the reply and writing it
//	kuafu_rpc_slow_calls_total             that took longer than usual, see observe.WatchSlow
//	kuafu_rpc_unsent_replies_total         whose connections had ended
//	kuafu_rpc_request_bytes_total          of arguments as received, and as kuafu_rpc_request_raw_bytes_total decompressed
//	kuafu_rpc_reply_bytes_total            of replies as sent, and as kuafu_rpc_reply_raw_bytes_total without compression
//
// The histograms of processing and response hold the calls that were executed, that of queues all.
//
// Of servers' connections:
//
//	kuafu_rpc_open_connections{network}
//	kuafu_rpc_connections_total{network}           accepted
//	kuafu_rpc_connections_closed_total{reason}     see observe.End
//	kuafu_rpc_connections_refused_total{limit}     closed at once, see observe.ConnRefused
//	kuafu_rpc_handshake_failures_total
//
// Of the servers that Watch was told about, looked up when metrics are collected, each with the label server:
//
//	kuafu_rpc_call_queue_length            calls that wait for a worker
//	kuafu_rpc_handlers_running             calls that have one
//	kuafu_rpc_deferred_calls               calls whose implementations have returned and that are to be answered later
//	kuafu_rpc_calls_in_flight              all that were read and not answered
//
// Of clients' calls, each with the label method:
//
//	kuafu_rpc_client_calls_total{code}
//	kuafu_rpc_client_attempts_total        how often calls were sent
//	kuafu_rpc_client_call_seconds          histogram: what the caller waited
package prom
