package faults

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// TestStopMidStream freezes a server while it sends on streams. Waits for a message end when their contexts do, and lose
// nothing; keepalive ends a stream for good; and one that nobody has given up goes on when the server does.
func TestStopMidStream(t *testing.T) {
	t.Parallel()
	const (
		wait = 300 * time.Millisecond
		idle = time.Second // a busy machine takes its time over a pong, too
		size = 10_000
	)
	p := start(t, config{Address: home(t)})
	open := func(opts ...client.Option) rpc.ClientStream {
		s, err := dial(t, p.address, opts...).Open(t.Context(), pour, &order{Size: size})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Cancel)
		return s
	}
	receive := func(s rpc.ClientStream, d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		b, err := s.RecvBytes(ctx)
		if err == nil && len(b) != size {
			t.Errorf("a message of %d bytes", len(b))
		}
		return err
	}
	flows := func(s rpc.ClientStream) {
		t.Helper()
		for n := range 1000 { // more than is on its way
			if err := receive(s, soon); err != nil {
				t.Fatalf("message %d: %v", n, err)
			}
		}
	}
	patient, watchful := open(), open(client.WithKeepalive(idle, idle))
	flows(patient)
	flows(watchful)
	p.signal(syscall.SIGSTOP)
	stopped := time.Now()
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil { // what has come is received first
			err = receive(watchful, soon)
		}
		ended <- err
	}()
	for range 3 { // nobody is waited for longer than he wants
		var err error
		var begin time.Time
		for err == nil {
			begin = time.Now()
			err = receive(patient, wait)
		}
		if took := time.Since(begin); failure(t, err).Code != rpc.DeadlineExceeded || took < wait || took > wait+promptly {
			t.Errorf("a wait of %v ended after %v: %v", wait, took, err)
		}
	}
	err := <-ended
	if took := time.Since(stopped); failure(t, err).Code != rpc.Unavailable || took > 2*idle+promptly {
		t.Errorf("keepalive ended a stream after %v: %v", took, err)
	}
	if e := failure(t, watchful.Finish(t.Context(), nil)); e.Code != rpc.Unavailable || e.Execution != rpc.MaybeExecuted {
		t.Errorf("it finished with %v, want unavailable, maybe executed", e)
	}
	p.signal(syscall.SIGCONT)
	flows(patient)
}
