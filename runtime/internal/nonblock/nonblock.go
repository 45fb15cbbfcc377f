// Package nonblock sends and receives what a socket takes or has at once, and keeps the processor meanwhile.
//
// A system call made the usual way lends its processor (a P of Go's scheduler) to whoever wants it, after 20 us or more; and where none of
// the processors has anything to do, it wakes the thread that watches over that. For a call that cannot wait, both are in vain: what they
// start competes for the same cores, with the other end of the connection among others. The DESIGN.md of runtime/client has figures.
package nonblock

// Most is how many bytes move in one call that keeps its processor, a collection of garbage waiting for it: some tens of us.
// Larger buffers move the usual way.
const Most = 256 << 10
