package flow

import (
	"errors"
	"fmt"
)

var (
	// ErrExceeded means that the sender went beyond the limit that it was given. It cannot be trusted any further.
	ErrExceeded = errors.New("flow: more was sent than the window allows")
	// ErrOffset means that an offset is higher than MaxOffset, or goes back.
	ErrOffset = errors.New("flow: impossible offset")
)

// Receiver is the receiving end of a window. At all times consumed <= received <= limit, and limit - consumed <= window
// unless the window shrank.
type Receiver struct {
	received uint64
	consumed uint64
	limit    uint64 // as advertised
	window   uint64
}

// NewReceiver returns a Receiver that has advertised limit, which may be 0, and from now on aims at window bytes ahead of
// what is consumed.
func NewReceiver(limit, window uint64) Receiver {
	return Receiver{limit: min(limit, MaxOffset), window: min(window, MaxOffset)}
}

// Receive counts n as received. The error is ErrExceeded; nothing is counted then.
func (r *Receiver) Receive(n uint64) error {
	if n > r.limit-r.received {
		return ErrExceeded
	}
	r.received += n
	return nil
}

// Consume counts n of what was received as gone from memory, and returns how much that was: n, or all there is.
func (r *Receiver) Consume(n uint64) uint64 {
	n = min(n, r.Buffered())
	r.consumed += n
	return n
}

// Finish checks the final offset that the sender of a reset states, and returns how much of what it counts as sent was
// never received. Those bytes will not come; on the connection they must be received and consumed all the same, or its
// credit leaks. The error is ErrOffset for an offset below what was received, ErrExceeded for one above the limit.
func (r *Receiver) Finish(final uint64) (missing uint64, err error) {
	switch {
	case final < r.received || final > MaxOffset:
		return 0, ErrOffset
	case final > r.limit:
		return 0, ErrExceeded
	}
	return final - r.received, nil
}

// Due reports whether the sender should be told a new limit: it would rise by at least three eighths of the window. A
// sender that has used up three quarters of its limit or more, and all of whose bytes are consumed, is always due one.
func (r *Receiver) Due() bool {
	rise := r.target() - r.limit
	return rise > 0 && rise >= r.window*3/8
}

// Worth reports whether a new limit should be told to a sender that is being written to anyway: it would rise by at least
// a quarter of the window.
func (r *Receiver) Worth() bool {
	rise := r.target() - r.limit
	return rise > 0 && rise >= r.window/4
}

// Advertise moves the limit a window ahead of what is consumed and returns it, to be sent. It never goes back.
func (r *Receiver) Advertise() uint64 {
	r.limit = r.target()
	return r.limit
}

func (r *Receiver) target() uint64 { return max(r.limit, min(r.consumed+r.window, MaxOffset)) }

// Resize sets the window. The memory for a larger one must be reserved before. A smaller one takes nothing back that is
// advertised: Outstanding says how much still has to be reserved.
func (r *Receiver) Resize(window uint64) { r.window = min(window, MaxOffset) }

// Window returns the size that the window has, or moves to.
func (r *Receiver) Window() uint64 { return r.window }

// Buffered returns how much is received and not consumed.
func (r *Receiver) Buffered() uint64 { return r.received - r.consumed }

// Outstanding returns how much may be in memory before the next advertisement: what is buffered and what may still come.
func (r *Receiver) Outstanding() uint64 { return r.limit - r.consumed }

// Received returns the offset reached so far.
func (r *Receiver) Received() uint64 { return r.received }

// Limit returns the last limit that was advertised.
func (r *Receiver) Limit() uint64 { return r.limit }

// String returns "received 300, consumed 200 of 65536, window 65536".
func (r *Receiver) String() string {
	return fmt.Sprintf("received %d, consumed %d of %d, window %d", r.received, r.consumed, r.limit, r.window)
}
