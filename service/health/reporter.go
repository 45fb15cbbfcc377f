package health

import (
	"context"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Reporter holds what a server says about its health. The zero value says that the server is serving, and knows of no
// service. Its methods may be called concurrently.
type Reporter struct {
	mu       sync.RWMutex
	statuses map[string]Status
	draining bool
}

var _ Health = (*Reporter)(nil)

// NewService makes r a service that a server can register beside its own. It is auxiliary: if another service has a
// method called ping or check, that is the one that a stock Thrift client gets under the plain name.
func NewService(r *Reporter) *rpc.Service {
	s := NewHealthService(r)
	s.Auxiliary = true
	return s
}

// Set sets the status of a service, or that of the whole server where the name is empty. StatusUnknown forgets the
// service.
func (r *Reporter) Set(service string, status Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.statuses == nil {
		r.statuses = make(map[string]Status)
	}
	if status == StatusUnknown {
		delete(r.statuses, service)
		return
	}
	r.statuses[service] = status
}

// Drain makes everything known be reported as not serving, whatever Set said and will say, until Resume. Call it some
// time before Server.Shutdown, so that whoever asks sends its calls elsewhere.
func (r *Reporter) Drain() { r.drain(true) }

// Resume ends what Drain has begun.
func (r *Reporter) Resume() { r.drain(false) }

func (r *Reporter) drain(draining bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = draining
}

// Status returns what a client would be told about a service, or about the whole server where the name is empty.
func (r *Reporter) Status(service string) Status {
	r.mu.RLock()
	defer r.mu.RUnlock()
	status, known := r.statuses[service]
	if !known && service == "" {
		status, known = StatusServing, true
	}
	if known && r.draining {
		return StatusNotServing
	}
	return status
}

// Check implements Health.
func (r *Reporter) Check(_ context.Context, service string) (Status, error) {
	return r.Status(service), nil
}

// Ping implements Health.
func (r *Reporter) Ping(context.Context) error {
	if r.Status("") != StatusServing {
		return rpc.NewError(rpc.Unavailable, "the server is not serving")
	}
	return nil
}
