package reader

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Snapshot is what a session looks like at one moment.
type Snapshot struct {
	Peer     *rpc.Peer // of the calls that are taken now
	Protocol string    // "native", "thrift", or "unknown" while too little has come
	Opened   time.Time
	Calls    int // taken and not answered
	Bytes    int // their bodies
}

// Snapshot may be called from any goroutine.
func (s *Session) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Snapshot{Peer: s.peer, Protocol: "unknown", Opened: s.opened, Calls: s.inFlight, Bytes: s.bytes}
	switch {
	case s.native:
		p.Protocol = "native"
	case s.serial != nil:
		p.Protocol = "thrift"
	}
	return p
}
