// Package nonblock sends and receives what a socket takes or has at once, and keeps the processor meanwhile.
//
// A system call made the usual way lends its processor (a P of Go's scheduler) to whoever wants it, after 20 us or more; and where none of
// the processors has anything to do, it wakes the thread that watches over that. For a call that cannot wait, both are in vain: what they
// start competes for the same cores, with the other end of the connection among others. The DESIGN.md of runtime/client has figures.
package nonblock

// Most is how many bytes should move in one call that keeps its processor: some tens of us, for which whoever else could run there,
// and a collection of garbage, have to wait. Send sends larger buffers the usual way.
const Most = 64 << 10
