package server

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
)

var _ observe.Source = (*Server)(nil)

// Snapshot returns what the server looks like now. It lists at most conns connections, in no order, and counts all. It
// may be called at any time, also before Serve and after Close.
func (s *Server) Snapshot(conns int) observe.Snapshot {
	s.mu.Lock()
	p := observe.Snapshot{Time: time.Now(), State: "new", Addresses: []string{}, Services: []string{}}
	for _, ln := range s.listeners {
		p.Addresses = append(p.Addresses, ln.Addr().Network()+"://"+ln.Addr().String())
	}
	for _, svc := range s.registry.Services() {
		p.Services = append(p.Services, svc.Name)
	}
	st := s.stages
	switch {
	case s.closed:
		p.State = "draining"
		select {
		case <-s.done:
			p.State = "closed"
		default:
		}
	case st != nil:
		p.State = "serving"
	}
	s.mu.Unlock()
	p.Conns.List = []observe.Conn{}
	if st != nil {
		st.snapshot(&p, conns)
	}
	return p
}

// snapshot fills in what the stages know.
func (st *stages) snapshot(p *observe.Snapshot, conns int) {
	st.mu.Lock()
	all := make([]*connection, 0, len(st.conns))
	for c := range st.conns {
		all = append(all, c)
	}
	st.mu.Unlock()
	h, l := st.handler.Stats(), st.listener.Stats()
	p.Calls = observe.Calls{Queued: h.Queued, Running: h.InProcess, Deferred: h.Deferred}
	p.Conns.Open = len(all)
	p.Conns.Accepted = l.Accepted
	p.Conns.Refused = l.RefusedLimit + l.RefusedPerIP + l.RefusedFiles
	p.Conns.FailedHandshakes, p.Conns.SlowConsumers = l.Handshakes, l.SlowConsumers
	for i, c := range all {
		r := c.Session.Snapshot()
		p.Calls.InFlight += r.Calls
		if i < conns {
			p.Conns.List = append(p.Conns.List, observe.Conn{
				Network: r.Peer.Network, Peer: r.Peer.Address, UID: r.Peer.UID, PID: r.Peer.PID, Identity: r.Peer.Identity.String(),
				Protocol: r.Protocol, Age: max(0, p.Time.Sub(r.Opened)), InFlight: r.Calls, BytesIn: r.Bytes, BytesOut: c.responder.Pending(),
			})
		}
	}
	workers, queue := st.handler.Limits()
	open, perAddress := st.listener.Limits()
	cfg := st.reader
	p.Limits = map[string]int64{
		"workers":                      int64(workers),
		"queued_calls":                 int64(queue),
		"connections":                  int64(open),
		"connections_per_address":      int64(perAddress),
		"calls_per_connection":         int64(cfg.MaxCalls),
		"call_bytes_per_connection":    int64(cfg.MaxCallBytes),
		"pending_bytes_per_connection": int64(st.responder.MaxPending()),
		"frame_bytes":                  int64(cfg.MaxFrame),
		"message_bytes":                int64(cfg.MaxMessage),
		"first_frame_timeout_ms":       cfg.FirstFrameTimeout.Milliseconds(),
		"frame_timeout_ms":             cfg.FrameTimeout.Milliseconds(),
		"idle_timeout_ms":              max(0, cfg.IdleTimeout).Milliseconds(),
	}
}
