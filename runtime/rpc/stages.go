package rpc

import (
	"strings"
	"time"
)

// Stages says where the time of a call went, as far as it is known: 0 stands for nothing, and for unknown. A server
// knows ServerQueue and Handler and sends them; the client adds the others.
type Stages struct {
	Dial        time.Duration // waiting for a connection
	ClientQueue time.Duration // waiting to be written
	Wire        time.Duration // on its way to the server and back
	ServerQueue time.Duration // waiting for a worker
	Handler     time.Duration // in the implementation, for a deferred call until it was answered
	Reply       time.Duration // between the reply's arrival and the caller
}

// String returns "server queue 1.2s, handler 300ms", the stages that are not 0 in the order of a call; "" if all are.
func (s Stages) String() string {
	var b strings.Builder
	for _, stage := range [...]struct {
		name string
		took time.Duration
	}{
		{"dial", s.Dial}, {"client queue", s.ClientQueue}, {"wire", s.Wire},
		{"server queue", s.ServerQueue}, {"handler", s.Handler}, {"reply", s.Reply},
	} {
		if stage.took == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(stage.name + " " + stage.took.String())
	}
	return b.String()
}

// Ended returns Err of the call's context at a time that the caller has at hand, which spares a look at the clock: nil if
// the context has not ended.
func (c *Call) Ended(now time.Time) error {
	if c.ctx.ended.Load() || !c.Deadline.IsZero() && !now.Before(c.Deadline) {
		return c.Context().Err()
	}
	return nil
}
