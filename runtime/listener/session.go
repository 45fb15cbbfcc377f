package listener

import "time"

// Session takes one connection's input. All methods are called on the connection's event loop, so they must not block.
// Where this package says loop, a TLS connection has a lock in its place, which is held during every call of Session's and
// Output's methods and no longer.
type Session interface {
	// Feed takes the next bytes of the stream, all of them; b is valid during the call only. An error closes the
	// connection once its pending output was sent, and is the reason given to Closed.
	Feed(b []byte) error

	// Check is called about every Options.CheckInterval for the sake of timeouts. An error is treated as Feed's is.
	Check(now time.Time) error

	// Closed is called exactly once, after the last Feed and Check. err is the reason, never nil: io.EOF if the peer
	// closed. Output is not called any more either, and Conn's methods do nothing.
	Closed(err error)
}

// Placer is a Session that has memory of its own for what comes next, so that it can be read to there. Where it is called
// Session's rules hold. TLS connections do without.
type Placer interface {
	Session

	// Place returns the memory for the next bytes of the stream; nil if there is none. It is used before the next call of
	// any method, or not at all.
	Place() []byte

	// Placed is Feed for the first n bytes of what Place has returned, 1 at least.
	Placed(n int) error
}

// Output has one connection's output. Its methods are called by whoever writes: the connection's event loop, or a goroutine
// in Conn.Flush; never by two at once. They must not block.
type Output interface {
	// Next returns buffers to write now, in order, of about limit bytes together; nothing if there is nothing to
	// send. They must not change until Written is called, which is before the next call of Next, except by Hold.
	Next(limit int) [][]byte

	// Hold says that Written may be long in coming: the socket is full, or others have a turn, or writing blocks. The output
	// may put others with the same content in the place of the buffers that the last Next returned. It may be called more than
	// once, and not at all.
	Hold()

	// Written says that the buffers of the last Next are free again: the kernel has copied them, or the connection has
	// ended.
	Written()
}
