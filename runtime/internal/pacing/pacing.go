// Package pacing keeps the kernel from spreading what a connection sends over time where there is no network to spare.
//
// BBR, the default congestion control of many hosts, paces: it measures what a path carries and has bulk wait for timers so
// that it sends no more. Between two processes of one host that only makes them wait: for each other, and for timers, whose
// setting and interrupts alone were a twentieth of the processor time of calls with 64 KiB. Connections that carry no
// bulk lose nothing to it, so who uses this waits until there is some.
package pacing

import "net"

// Bulk is how many bytes at once are worth turning pacing off for.
const Bulk = 32 << 10

// Local reports whether a connection's other end is on the same host, as far as its address tells: a TCP connection to a
// loopback address.
func Local(remote net.Addr) bool {
	a, ok := remote.(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}
