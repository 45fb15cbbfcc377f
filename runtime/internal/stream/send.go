package stream

import (
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Send queues b as a message or, if more, as the beginning or middle of one. b must not change until Pending is 0, or
// Withdraw or an end of the stream has taken it back. The error is ErrSendClosed, or what Err returns.
func (s *Stream) Send(b []byte, more bool) error { return s.send(piece{b: b, more: more}) }

// Give is Send for a message whose memory belongs to the stream from now on, if there is no error. Its last piece has the
// whole in Frame.Given, for who writes it to use again. Given messages still go out when the sender has finished.
func (s *Stream) Give(b []byte) error { return s.send(piece{b: b, given: b[:0:cap(b)], own: true}) }

func (s *Stream) send(p piece) error {
	b, more := p.b, p.more
	switch {
	case s.err != nil:
		return s.err
	case s.halved || !s.options.Sends || s.state == StateHalfClosedLocal || s.state == StateTrailing:
		return ErrSendClosed
	case more && len(b) == 0:
		return nil
	}
	s.out.push(p)
	s.pending += len(b)
	if p.own {
		s.given += len(b)
		s.mux.given += len(b)
	}
	s.mux.schedule(s)
	return nil
}

// Pending reports how many pieces that were given to Send have not left completely.
func (s *Stream) Pending() int { return s.out.len() }

// PendingBytes returns how many bytes given to Send have not left.
func (s *Stream) PendingBytes() int { return s.pending }

// GivenBytes returns how many bytes given to Give have not left.
func (s *Stream) GivenBytes() int { return s.given }

// Unhindered reports whether a message of n bytes would be the next that Next returns, in one piece.
func (s *Stream) Unhindered(n int) bool {
	m, cost := s.mux, wire.DataCost(n)
	return s.out.len() == 0 && m.bulk.len() == 0 && m.config.piece(n) == n && cost <= s.sent.Avail() && cost <= m.sent.Avail()
}

// Lent reports whether what was last given to Send has not left, and the memory is the sender's.
func (s *Stream) Lent() bool { return s.out.len() > 0 && !s.out.back().own }

// taken counts n bytes of p as left, or dropped.
func (s *Stream) taken(p *piece, n int) {
	s.pending -= n
	if p.own {
		s.given -= n
		s.mux.given -= n
	}
}

// incomplete reports whether what was given to Send ends in the middle of a message.
func (s *Stream) incomplete() bool {
	if s.out.len() > 0 {
		return s.out.back().more
	}
	return s.cut
}

// Withdraw takes back what was last given to Send, for a sender that cannot wait any longer. It reports true if it
// was a message of which nothing had left: the other side will not know of it, and the stream goes on. Otherwise the rest
// is dropped, no more messages can be sent, and the stream should be reset, or on a server finished with an error. If nothing is pending it
// reports false and changes nothing.
func (s *Stream) Withdraw() bool {
	if s.out.len() == 0 {
		return false
	}
	last := s.out.back()
	s.taken(last, len(last.b))
	if s.out.len() == 1 {
		s.halved = s.halved || s.cut
	}
	s.out.popBack()
	s.halved = s.halved || s.incomplete()
	s.mux.schedule(s)
	return !s.halved
}

// CloseSend promises that no more messages follow those given to Send. Doing it again, or after the end, changes
// nothing. The error is ErrSendClosed if the last message is incomplete.
func (s *Stream) CloseSend() error {
	switch {
	case s.state != StateOpen && s.state != StateHalfClosedRemote:
		return nil
	case s.halved || s.incomplete():
		return ErrSendClosed
	}
	s.becomeHalfClosedLocal()
	s.end = true
	s.mux.schedule(s)
	return nil
}

// credit takes over a limit from the other side and reports whether it is news.
func (s *Stream) credit(limit uint64) (raised bool, err error) {
	if raised, err = s.sent.Raise(limit); err != nil {
		return false, &wire.ConnError{Code: rpc.InvalidArgument, Reason: err.Error()}
	}
	if raised {
		s.mux.schedule(s)
	}
	return raised, nil
}

// sendable reports whether the stream's own window lets a piece of what is pending go. A message never has to fit into the
// window, and neither does a whole piece.
func (s *Stream) sendable() bool {
	return s.out.len() > 0 && s.sent.Avail() >= least(s.out.front().b, s.least)
}

// leastCredit returns how much of a window must be left before a piece that does not fit into it is cut to fit. With less
// the rest of the window stays unused until there is more credit: a message would else leave in one piece of some bytes
// and one of the rest, to be joined again. There will be more: three quarters of the first limit have been used, and
// receivers wait for no more than that.
func leastCredit(limit uint64) uint64 { return min(limit, wire.MinWindow) / 4 }

// least is the smallest credit that lets a piece of b go.
func least(b []byte, cut uint64) uint64 {
	return min(wire.DataCost(len(b)), max(cut, wire.DataCost(1)))
}

// next cuts the next Data frame off what is pending, within room credit of the connection, which is enough for least.
func (s *Stream) next(room uint64) Frame {
	p := s.out.front()
	room = min(room, s.sent.Avail())
	n := int(min(uint64(s.mux.config.piece(len(p.b))), room-wire.DataOverhead))
	f := Frame{Kind: wire.KindData, ID: s.id, Stream: s, Payload: p.b[:n:n], Own: p.own}
	s.sent.Take(wire.DataCost(n))
	s.taken(p, n)
	if n < len(p.b) {
		p.b = p.b[n:]
		s.cut = true
		f.Flags = wire.FlagMore
	} else {
		if p.more {
			f.Flags = wire.FlagMore
		}
		f.Given = p.given
		s.cut = p.more // what follows belongs to a message that has begun
		s.out.pop()
	}
	if s.sent.Avail() < max(s.least, wire.DataCost(1)) {
		f.Flags |= wire.FlagBlocked
	}
	f.Drained = s.out.len() == 0
	return f
}
