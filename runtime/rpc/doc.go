// Package rpc is the vocabulary that generated code, servers, clients and wire formats share: methods, services, calls,
// replies and errors. It does no I/O.
package rpc

// GeneratedV1 is named by generated code (const _ = rpc.GeneratedV1), so that stubs made for another generation of the
// runtime fail to compile instead of failing to work.
const GeneratedV1 = true
