package reader

import (
	"context"
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

const (
	// cancelWindow is the time in which Config.MaxCancels are too many.
	cancelWindow = 10 * time.Second

	// earlyCancel is how old a call must be for its Cancel to be of no interest. Nobody can have missed an answer before
	// that; clients hedge later, too.
	earlyCancel = time.Millisecond

	// cancelTick is the time in which the cancels are at most a tenth of what is too many. All the calls of a client may be
	// canceled at once, for one common reason, and they may be read together with their cancels after a pause of the
	// network. That is a burst. What never ends is a flood.
	cancelTick = cancelWindow / 100
)

// cancels counts the calls of a connection that are canceled just after they were sent. It belongs to the loop.
type cancels struct {
	since    time.Time // when the window began
	count    int       // early cancels in it, those beyond the share of their tick left out
	answered uint64    // what Session.answeredCalls was then
	tick     time.Time // when the tick began
	inTick   int       // early cancels in it
}

// cancel ends the context of a call in flight. The call keeps its place until its handler has returned.
func (s *Session) cancel(id uint64) error {
	c, err := s.countCancel(id)
	if c != nil {
		c.Cancel(context.Canceled)
	}
	return err
}

// countCancel is to be called for every frame that says that nobody waits for a call any more. It returns the call, if it
// is in flight. A peer gains no more work by canceling than it may ask for anyway, because calls keep their places; but
// one that does little else is no client, and its connection ends with the error.
func (s *Session) countCancel(id uint64) (*rpc.Call, error) {
	s.mu.Lock()
	c, answered := s.calls.find(id), s.answeredCalls
	s.mu.Unlock()
	if c == nil || c.Ended(time.Time{}) != nil || !s.early(c) {
		return c, nil
	}
	if s.cancels == nil {
		s.cancels = new(cancels)
	}
	if !s.cancels.tooMany(s.now, s.config.MaxCancels, answered) {
		return c, nil
	}
	return c, fmt.Errorf("%w: %w", ErrCancels, &wire.ConnError{Code: rpc.ResourceExhausted, Reason: fmt.Sprintf(
		"too many calls canceled as soon as they are sent: over %d in %v, with %d answered",
		s.config.MaxCancels, cancelWindow, answered-s.cancels.answered)})
}

// early reports whether c, which is being canceled, has hardly come. Not so one of which much of its own deadline has
// passed: its caller would have had to give it up soon.
func (s *Session) early(c *rpc.Call) bool {
	age := s.now.Sub(c.Received)
	return age < earlyCancel && (c.Deadline.IsZero() || 2*age < c.Deadline.Sub(c.Received))
}

// tooMany counts an early cancel and reports whether it is one too many: over the limit, and over the calls that were
// answered in the same time. answered counts those since the connection began.
func (k *cancels) tooMany(now time.Time, limit int, answered uint64) bool {
	if limit < 0 {
		return false
	}
	if k.since.IsZero() || now.Sub(k.since) >= cancelWindow {
		*k = cancels{since: now, answered: answered, tick: now}
	}
	if now.Sub(k.tick) >= cancelTick {
		k.tick, k.inTick = now, 0
	}
	if k.inTick++; k.inTick <= max(limit/10, 1) {
		k.count++
	}
	return k.count > limit && uint64(k.count) > answered-k.answered
}
