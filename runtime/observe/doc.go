// Package observe tells operators what servers and clients do: events, snapshots, logs and a watch for slow calls.
//
// A server or a client that is given Events calls their functions; one that is not pays a comparison with nil for it.
// Adapters make Events of what they feed: Log and AccessLog here, metrics in the modules observe/prom and observe/otelrpc,
// which are modules of their own so that their dependencies are nobody else's. Tee joins several.
package observe
