// Package flow is the arithmetic of flow control: windows of absolute offsets, and budgets for the memory behind them.
//
// An offset counts everything ever sent in one direction, of a stream or of a connection, and only rises. A receiver
// announces a limit, the offset up to which the sender may go. Limits are absolute: one that is lost in another, comes
// twice or comes late does no harm, and two ends cannot drift apart.
//
// The rule that bounds memory is: reserve, then advertise. Who owns a Receiver holds a Reservation of at least its
// Window before it sends the limit, and gives it back only when the sender can no longer use it.
//
// A Receiver of a stream is told Consume when the application took the bytes. That of a connection is told Consume as
// soon as they are sorted by stream, whatever happens to them then: it bounds what is on its way, never what waits, so a
// stream that nobody reads cannot use it up.
//
// Values are plain and not safe for concurrent use, except Budget. Nothing here overflows or panics, whatever the
// numbers are.
package flow

// MaxOffset is the highest offset and the highest limit. No connection lives long enough to need more, and sums of two
// offsets fit into 64 bits.
const MaxOffset = 1<<62 - 1
