package flow

import "fmt"

// Sender is the sending end of a window. The zero value may send nothing until Raise.
type Sender struct {
	sent  uint64
	limit uint64
}

// NewSender returns a Sender that may send up to the offset limit.
func NewSender(limit uint64) Sender { return Sender{limit: min(limit, MaxOffset)} }

// Avail returns how much may be sent now.
func (s *Sender) Avail() uint64 { return s.limit - s.sent }

// Take counts n as sent. It reports false, and counts nothing, if that is more than Avail.
func (s *Sender) Take(n uint64) bool {
	if n > s.Avail() {
		return false
	}
	s.sent += n
	return true
}

// Raise takes over a limit that the receiver has announced and reports whether it is any higher than the last one. A
// lower one came late, or means a window that shrinks; it changes nothing. The error is ErrOffset.
func (s *Sender) Raise(limit uint64) (raised bool, err error) {
	if limit > MaxOffset {
		return false, ErrOffset
	}
	if limit <= s.limit {
		return false, nil
	}
	s.limit = limit
	return true, nil
}

// Sent returns the offset reached so far.
func (s *Sender) Sent() uint64 { return s.sent }

// Limit returns the highest limit announced so far.
func (s *Sender) Limit() uint64 { return s.limit }

// String returns "sent 100 of 65536".
func (s *Sender) String() string { return fmt.Sprintf("sent %d of %d", s.sent, s.limit) }
