package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/service/health"
)

// heard is a stream whose client reads when the test does.
type heard chan health.Status

func (h heard) Send(ctx context.Context, s health.Status) error {
	select {
	case h <- s:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestWatch: the present status first, then each change and nothing else, over a connection.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(health.Reporter)
		conn, err := client.Dial(t.Context(), "tcp://any:1", client.WithDialer(serve(t, health.NewService(r)).Dial))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := health.NewHealthClient(conn)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		echo, err := c.Watch(ctx, "Echo")
		if err != nil {
			t.Fatal(err)
		}
		all, err := c.Watch(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		expect := func(what string, w *health.HealthWatchStream, want health.Status) {
			t.Helper()
			if got, err := w.Recv(ctx); got != want || err != nil {
				t.Errorf("%s: %v, %v, want %v", what, got, err, want)
			}
		}
		silent := func(what string, w *health.HealthWatchStream) {
			t.Helper()
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if got, err := w.Recv(ctx); rpc.CodeOf(err) != rpc.DeadlineExceeded {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
		expect("unknown", echo, health.StatusUnknown)
		expect("the server", all, health.StatusServing)
		r.Set("Echo", health.StatusServing) // it has appeared
		expect("appeared", echo, health.StatusServing)
		silent("another service has changed", all)
		r.Set("Echo", health.StatusServing)
		r.Set("Other", health.StatusNotServing)
		silent("nothing has changed", echo)
		r.Drain()
		expect("draining", echo, health.StatusNotServing)
		expect("draining", all, health.StatusNotServing)
		r.Set("Echo", health.StatusNotServing)
		r.Resume()
		expect("resumed", all, health.StatusServing)
		silent("not serving either way", echo)
		r.Set("Echo", health.StatusUnknown)
		expect("forgotten", echo, health.StatusUnknown)
		echo.Cancel()
		all.Cancel()
		synctest.Wait()
	})
}

// TestWatchCoalesces: a client that is slow misses what has passed, and gets what is.
func TestWatchCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(health.Reporter)
		ctx, cancel := context.WithCancel(t.Context())
		out, ended := make(heard), make(chan error, 1)
		go func() { ended <- r.Watch(ctx, "Echo", out) }()
		synctest.Wait() // it wants to say UNKNOWN
		for range 100 {
			r.Set("Echo", health.StatusServing)
			synctest.Wait()
			r.Set("Echo", health.StatusNotServing)
			synctest.Wait()
		}
		got := []health.Status{<-out, <-out}
		if want := []health.Status{health.StatusUnknown, health.StatusNotServing}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		r.Set("Echo", health.StatusServing)
		r.Set("Echo", health.StatusNotServing)
		synctest.Wait()
		select {
		case s := <-out:
			t.Errorf("%v, though nothing has changed in the end", s)
		default:
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestWatchEndsAtShutdown: a service's shutdown ends its watches, and nobody else's.
func TestWatchEndsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(health.Reporter)
		r.Set("Bad", health.StatusNotServing)
		s, other := health.NewService(r), health.NewService(r)
		open := func(s *rpc.Service, service string, out heard) <-chan error {
			conn, err := client.Dial(t.Context(), "tcp://any:1", client.WithDialer(serve(t, s).Dial))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			ended := make(chan error, 1)
			w, err := health.NewHealthClient(conn).Watch(t.Context(), service)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					status, err := w.Recv(t.Context())
					if err != nil {
						if err == io.EOF {
							err = w.Finish(t.Context())
						}
						ended <- err
						return
					}
					out <- status
				}
			}()
			return ended
		}
		good, bad, elsewhere := make(heard, 9), make(heard, 9), make(heard, 9)
		endOfGood, endOfBad, endElsewhere := open(s, "", good), open(s, "Bad", bad), open(other, "", elsewhere)
		synctest.Wait()
		s.OnShutdown()
		for _, ended := range []<-chan error{endOfGood, endOfBad} {
			if err := <-ended; rpc.CodeOf(err) != rpc.Unavailable {
				t.Errorf("ended with %v", err)
			}
		}
		if len(good) != 2 || <-good != health.StatusServing || <-good != health.StatusNotServing {
			t.Error("who watched did not hear SERVING, NOT_SERVING")
		}
		if len(bad) != 1 || <-bad != health.StatusNotServing {
			t.Error("who was told NOT_SERVING before did not hear it once")
		}
		synctest.Wait()
		if len(elsewhere) != 1 || len(endElsewhere) != 0 || r.Status("") != health.StatusServing {
			t.Error("another server's watch has heard of it")
		}
	})
}

// stuck is a stream whose client does not read.
type stuck struct{ rpc.Stream }

func (stuck) Send(ctx context.Context, _ codec.Encodable) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestShutdownEndsStuckWatches: a client that does not read cannot keep a server from its end for longer than a second.
func TestShutdownEndsStuckWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := health.NewService(new(health.Reporter))
		i := slices.IndexFunc(s.Handlers, func(h rpc.Handler) bool { return h.Method.Name == "watch" })
		ended := make(chan error, 1)
		go func() {
			_, err := s.Handlers[i].Open(t.Context(), s.Handlers[i].NewArgs(), stuck{})
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		s.OnShutdown()
		if err := <-ended; rpc.CodeOf(err) != rpc.Unavailable || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// serve runs a service in memory until the test ends.
func serve(t *testing.T, services ...*rpc.Service) *rpctest.Server {
	t.Helper()
	s, err := rpctest.NewServer(rpctest.Options{}, services...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestShutdownDoesNotWaitForWatches: Server.Shutdown ends those that are open and loses no message of theirs.
func TestShutdownDoesNotWaitForWatches(t *testing.T) {
	status := new(health.Reporter)
	srv := server.New()
	if err := srv.Register(health.NewService(status)); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	conn, err := client.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w, err := health.NewHealthClient(conn).Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.Recv(t.Context()); got != health.StatusServing || err != nil {
		t.Fatalf("%v, %v", got, err)
	}
	if err := srv.Shutdown(t.Context()); err != nil { // the context never ends: it would hang
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, server.ErrClosed) {
		t.Error(err)
	}
	if got, err := w.Recv(t.Context()); got != health.StatusNotServing || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := w.Recv(t.Context()); rpc.CodeOf(err) != rpc.Unavailable {
		t.Error(err)
	}
}

func ExampleReporter_Watch() {
	status := new(health.Reporter)
	s, err := rpctest.NewServer(rpctest.Options{}, health.NewService(status))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx := context.Background()
	conn, err := client.Dial(ctx, "tcp://any:1", client.WithDialer(s.Dial))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	w, err := health.NewHealthClient(conn).Watch(ctx, "Greeter")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Cancel()
	fmt.Println(w.Recv(ctx)) // nobody knows it yet
	status.Set("Greeter", health.StatusServing)
	fmt.Println(w.Recv(ctx))
	status.Drain()
	fmt.Println(w.Recv(ctx))
	// Output:
	// UNKNOWN <nil>
	// SERVING <nil>
	// NOT_SERVING <nil>
}
