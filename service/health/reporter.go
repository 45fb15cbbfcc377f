package health

import (
	"context"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Reporter holds what a server says about its health. The zero value says that the server is serving, and knows of no
// service. Its methods may be called concurrently.
type Reporter struct {
	mu       sync.Mutex
	statuses map[string]Status
	draining bool
	changed  chan struct{} // closed at the next change; nil if nobody waits for one
}

var _ Health = (*Reporter)(nil)

// Set sets the status of a service, or that of the whole server where the name is empty. StatusUnknown forgets the
// service.
func (r *Reporter) Set(service string, status Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.statuses[service] == status {
		return
	}
	if status == StatusUnknown {
		delete(r.statuses, service)
	} else {
		if r.statuses == nil {
			r.statuses = make(map[string]Status)
		}
		r.statuses[service] = status
	}
	r.notify()
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
	r.notify()
}

// notify wakes those who watch. r.mu is held.
func (r *Reporter) notify() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Status returns what a client would be told about a service, or about the whole server where the name is empty.
func (r *Reporter) Status(service string) Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status(service)
}

// status is Status under r.mu.
func (r *Reporter) status(service string) Status {
	status, known := r.statuses[service]
	if !known && service == "" {
		status, known = StatusServing, true
	}
	if known && r.draining {
		return StatusNotServing
	}
	return status
}

// next returns the status of a service, and a channel that is closed when it may be another.
func (r *Reporter) next(service string) (Status, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.status(service), r.changed
}

// Check implements Health.
func (r *Reporter) Check(_ context.Context, service string) (Status, error) {
	return r.Status(service), nil
}

// Watch implements Health. It returns when ctx is done, or out fails.
func (r *Reporter) Watch(ctx context.Context, service string, out rpc.SendStream[Status]) error {
	return r.watch(ctx, service, out, nil)
}

// Ping implements Health.
func (r *Reporter) Ping(context.Context) error {
	if r.Status("") != StatusServing {
		return rpc.NewError(rpc.Unavailable, "the server is not serving")
	}
	return nil
}
