// Package reader turns the bytes of one connection into calls.
//
// It detects the protocol from the first bytes, reassembles frames, reads their headers, keeps the connection's limits
// and hands calls to the next stage in batches. Bodies are left as they are: decoding them is a worker's business. A
// Session does no I/O and takes its clock from its Config, so tests drive it with bytes and times.
package reader
