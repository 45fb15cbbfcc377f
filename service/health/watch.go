package health

import (
	"context"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// farewell is how long the end of a watch waits for a client that does not read.
const farewell = time.Second

// served is a Reporter as one server serves it.
type served struct {
	*Reporter
	serving context.Context // until the server shuts down
}

// NewService makes r a service that a server can register beside its own. It is auxiliary: if another service has a
// method called ping, check or watch, that is the one that a stock Thrift client gets under the plain name. When the
// server shuts down, those who watch are told NOT_SERVING, and their streams end.
//
// Several servers may have services of one Reporter. Each needs its own NewService.
func NewService(r *Reporter) *rpc.Service {
	serving, end := context.WithCancel(context.Background())
	s := NewHealthService(&served{r, serving})
	s.Auxiliary = true
	s.OnShutdown = end
	return s
}

// Watch implements Health.
func (s *served) Watch(ctx context.Context, service string, out rpc.SendStream[Status]) error {
	// A client that does not read keeps Send waiting, and would keep Shutdown.
	patient, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.serving, func() { time.AfterFunc(farewell, cancel) })
	defer stop()
	err := s.watch(patient, service, out, s.serving.Done())
	if s.serving.Err() != nil && ctx.Err() == nil {
		return rpc.NewError(rpc.Unavailable, "the server is shutting down")
	}
	return err
}

// watch sends the status of a service whenever it differs from the one sent last, until ctx or out ends it; once ending is
// closed, a last NOT_SERVING. What changes while Send waits for the client is looked at after that, so the client misses
// statuses that have passed, and never the present one.
func (r *Reporter) watch(ctx context.Context, service string, out rpc.SendStream[Status], ending <-chan struct{}) error {
	last := Status(-1) // none has been sent
	for {
		status, changed := r.next(service)
		if status != last {
			if err := out.Send(ctx, status); err != nil {
				return err
			}
			last = status
		}
		select {
		case <-changed:
		case <-ending:
			if last == StatusServing {
				return out.Send(ctx, StatusNotServing)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
