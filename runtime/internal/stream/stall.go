package stream

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Starved reports whether the stream has messages to send and the other side has given no credit for them. limit, which
// rises with credit, tells two looks apart.
func (s *Stream) Starved() (limit uint64, yes bool) {
	return s.sent.Limit(), s.out.len() > 0 && !s.sendable()
}

// Stalled returns the streams that have been starved for as long as patience. Called again and again, it notices by how
// late the calls are when that began.
func (m *Mux) Stalled(now time.Time, patience time.Duration) (stalled []*Stream) {
	for _, s := range m.streams {
		limit, starved := s.Starved()
		switch {
		case !starved:
			s.starved = time.Time{}
		case s.starved.IsZero() || s.starvedAt != limit:
			s.starved, s.starvedAt = now, limit
		case now.Sub(s.starved) >= patience:
			stalled = append(stalled, s)
		}
	}
	return stalled
}

// Abandon is Reset also for a stream that is closed and has not sent all that it has to: that, and its trailer, are dropped.
func (s *Stream) Abandon(err *rpc.Error) {
	if s.state != StateClosed || s.gone {
		s.Reset(err)
		return
	}
	s.mux.resets.push(reset{s.id, wire.Reset{Final: s.sent.Sent(), Code: err.Code, Message: err.Message}})
	s.becomeReset(err)
}
