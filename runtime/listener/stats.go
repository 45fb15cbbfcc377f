package listener

import "sync/atomic"

// Stats counts since New, except Open.
type Stats struct {
	Open          int    // connections now
	Accepted      uint64 // connections that reached a session
	RefusedLimit  uint64 // closed at once because of MaxConns
	RefusedPerIP  uint64 // closed at once because of MaxConnsPerIP
	RefusedFiles  uint64 // closed at once because the process or the system was out of descriptors
	AcceptErrors  uint64 // failed accepts that were retried after a pause
	EnrolErrors   uint64 // connections lost between accept and the event loop
	Handshakes    uint64 // TLS handshakes that failed
	SlowConsumers uint64 // connections ended with ErrSlowConsumer
	Panics        uint64 // in sessions and outputs
}

type counters struct {
	accepted, refusedLimit, refusedPerIP, refusedFiles, acceptErrors, enrolErrors, handshakes, slowConsumers, panics atomic.Uint64
}

// Stats returns the counters.
func (l *Listener) Stats() Stats {
	s := &l.stats
	return Stats{
		Open:          l.admission.count(),
		Accepted:      s.accepted.Load(),
		RefusedLimit:  s.refusedLimit.Load(),
		RefusedPerIP:  s.refusedPerIP.Load(),
		RefusedFiles:  s.refusedFiles.Load(),
		AcceptErrors:  s.acceptErrors.Load(),
		EnrolErrors:   s.enrolErrors.Load(),
		Handshakes:    s.handshakes.Load(),
		SlowConsumers: s.slowConsumers.Load(),
		Panics:        s.panics.Load(),
	}
}
