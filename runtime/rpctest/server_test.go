package rpctest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// greets implements greeter.Greeter.
type greets struct {
	greeter.Greeter
	greet func(ctx context.Context, name string) (string, error)
}

func (g greets) Greet(ctx context.Context, guest *greeter.Guest) (*greeter.Greeting, error) {
	s, err := g.greet(ctx, guest.Name)
	if err != nil {
		return nil, err
	}
	return &greeter.Greeting{Text: s}, nil
}

func (g greets) Forget(ctx context.Context) error {
	_, err := g.greet(ctx, "")
	return err
}

func (g greets) Farewell(context.Context, string) error { return nil }

// hello is a server of a Greeter.
func hello(t *testing.T, opts rpctest.Options, greet func(ctx context.Context, name string) (string, error)) *rpctest.Server {
	t.Helper()
	s, err := rpctest.NewServer(opts, greeter.NewGreeterService(greets{greet: greet}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func plain(_ context.Context, name string) (string, error) { return "hello " + name, nil }

func dial(t *testing.T, addresses string, opts ...client.Option) (*client.Client, *greeter.GreeterClient) {
	t.Helper()
	c, err := client.Dial(context.Background(), addresses, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c, greeter.NewGreeterClient(c)
}

func TestServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hello(t, rpctest.Options{}, func(ctx context.Context, name string) (string, error) {
			if name == "nobody" {
				return "", &greeter.Unwelcome{Reason: "no name"}
			}
			m := rpc.MetadataFrom(ctx)
			tenant, _ := m.Get("tenant")
			if err := rpc.SetReplyMetadata(ctx, "served", tenant); err != nil {
				return "", err
			}
			return strings.Repeat("hello "+name, 1+len(name)/1000*100), nil
		})
		defer s.Close()
		c, g := dial(t, "tcp://any:1", client.WithDialer(s.Dial))
		defer c.Close()
		for _, name := range []string{"bee", strings.Repeat("long name ", 200)} {
			var reply rpc.Metadata
			ctx := rpc.WithReplyMetadata(rpc.WithMetadata(context.Background(), "tenant", "blue"), &reply)
			r, err := g.Greet(ctx, &greeter.Guest{Name: name})
			if err != nil || !strings.HasPrefix(r.Text, "hello "+name) {
				t.Fatalf("%v", err)
			}
			if v, _ := reply.Get("served"); v != "blue" {
				t.Errorf("reply metadata %q", v)
			}
		}
		var u *greeter.Unwelcome
		if _, err := g.Greet(context.Background(), &greeter.Guest{Name: "nobody"}); !errors.As(err, &u) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Hour) // the client's pings keep the connection
		if _, err := g.Greet(context.Background(), &greeter.Guest{Name: "bee"}); err != nil {
			t.Errorf("after an hour: %v", err)
		}
	})
}

func TestServerSpeaksItsMind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hello(t, rpctest.Options{}, plain)
		defer s.Close()
		for name, opening := range map[string]string{"garbage": "GET / HTTP/1.0\r\n\r\n", "silence": ""} {
			nc, err := s.Dial(context.Background(), "tcp", "any")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := io.WriteString(nc, opening); err != nil {
				t.Fatal(err)
			}
			said, err := io.ReadAll(nc)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if name == "garbage" && !strings.Contains(string(said), "HTTP") {
				t.Errorf("said %q to HTTP", said)
			}
			if d := time.Since(began); name == "silence" && (d < 10*time.Second || d > 11*time.Second) {
				t.Errorf("silence was borne for %v", d)
			}
		}
	})
}

func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n rpctest.Network
		s := hello(t, rpctest.Options{}, func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		n.Put("a:1", s)
		c, g := dial(t, "tcp://a:1", client.WithDialer(n.Dial))
		defer c.Close()
		time.AfterFunc(time.Second, s.Kill)
		_, err := g.Greet(context.Background(), &greeter.Guest{Name: "bee"})
		if rpc.CodeOf(err) != rpc.Unavailable {
			t.Errorf("%v", err)
		}
		s.Close()
		if _, err := s.Dial(context.Background(), "tcp", "any"); err != rpctest.ErrClosed {
			t.Errorf("dialing a closed server: %v", err)
		}
		next := hello(t, rpctest.Options{}, plain)
		defer next.Close()
		n.Put("a:1", next)
		time.Sleep(10 * time.Second)
		if _, err := g.Greet(context.Background(), &greeter.Guest{Name: "bee"}); err != nil {
			t.Errorf("after the restart: %v", err)
		}
		n.Put("a:1", nil)
		if _, err := client.Dial(context.Background(), "tcp://a:1", client.WithDialer(n.Dial)); rpc.CodeOf(err) != rpc.Unavailable {
			t.Errorf("nobody there: %v", err)
		}
	})
}

// line is an argument or result struct with one string.
type line struct{ s string }

func (m *line) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(0, m.s)
	e.EndStruct(outer)
}

func (m *line) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.Type == codec.String {
			m.s = d.String()
		} else {
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

// store keeps outcomes where the next server finds them.
type store struct {
	mu   sync.Mutex
	kept []*handler.RetryEntry
}

func (s *store) Save(e *handler.RetryEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, e)
	return nil
}

func (s *store) Load(restore func(*handler.RetryEntry)) error {
	s.mu.Lock()
	kept := slices.Clone(s.kept)
	s.mu.Unlock()
	for _, e := range kept {
		restore(e)
	}
	return nil
}

// TestAtMostOnce kills and restarts a server 20 times under load. Every call succeeds, and is executed exactly once; with
// methods that are not marked so, neither holds.
func TestAtMostOnce(t *testing.T) {
	for _, retry := range []rpc.Retry{rpc.RetryAtMostOnce, rpc.RetryIdempotent, rpc.RetryUnset} {
		t.Run(fmt.Sprint(retry), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { atMostOnce(t, retry) })
		})
	}
}

func atMostOnce(t *testing.T, retry rpc.Retry) {
	m := &rpc.Method{Service: "Bank", Name: "pay", FullName: "Bank.pay", Retry: retry}
	var mu sync.Mutex
	paid := make(map[string]int) // what survives: the bank's books
	pay := &rpc.Service{Name: "Bank", Handlers: []rpc.Handler{{
		Method:  m,
		NewArgs: func() codec.Decodable { return new(line) },
		Invoke: func(_ context.Context, args codec.Decodable) (codec.Encodable, error) {
			time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
			name := args.(*line).s
			mu.Lock()
			paid[name]++
			mu.Unlock()
			time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
			return &line{"paid " + name}, nil
		},
	}}}
	kept := new(store)
	launch := func() *rpctest.Server {
		s, err := rpctest.NewServer(rpctest.Options{Handler: handler.Options{Retries: handler.Retries{Store: kept}}}, pay)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var n rpctest.Network
	s := launch()
	n.Put("bank:1", s)
	c, err := client.Dial(context.Background(), "tcp://bank:1", client.WithDialer(n.Dial), client.WithWaitForReady(),
		client.WithTimeout(time.Minute), client.WithConnections(2))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	stop := make(chan struct{})
	var wg sync.WaitGroup
	var calls, lost atomic.Int64
	for i := range 50 {
		wg.Go(func() {
			for j := 0; ; j++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprint(i, "/", j)
				var r line
				calls.Add(1)
				if err := c.Call(context.Background(), m, &line{name}, &r); err != nil || r.s != "paid "+name {
					lost.Add(1)
					if retry == rpc.RetryAtMostOnce {
						t.Errorf("%s: %q, %v", name, r.s, err)
					}
				}
			}
		})
	}
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		n.Put("bank:1", nil)
		s.Close() // the process is gone before the next one starts
		time.Sleep(30 * time.Millisecond)
		s = launch()
		n.Put("bank:1", s)
	}
	time.Sleep(100 * time.Millisecond)
	close(stop)
	wg.Wait()
	s.Close()
	double := 0
	for _, times := range paid {
		if times > 1 {
			double++
		}
	}
	t.Logf("%d calls, %d lost, %d paid, %d of them twice", calls.Load(), lost.Load(), len(paid), double)
	if calls.Load() < 2000 {
		t.Errorf("only %d calls", calls.Load())
	}
	switch retry {
	case rpc.RetryAtMostOnce:
		if lost.Load() != 0 || double != 0 || len(paid) != int(calls.Load()) {
			t.Errorf("%d lost, %d twice, %d paid of %d", lost.Load(), double, len(paid), calls.Load())
		}
	case rpc.RetryIdempotent: // shows that calls are indeed sent again after they were executed
		if double == 0 {
			t.Error("nothing was executed twice, so this test tests nothing")
		}
	default: // and that connections are lost with calls on them
		if lost.Load() == 0 || double != 0 {
			t.Errorf("%d lost, %d twice", lost.Load(), double)
		}
	}
}

func TestNewServerRefuses(t *testing.T) {
	svc := greeter.NewGreeterService(greets{greet: plain})
	if _, err := rpctest.NewServer(rpctest.Options{}, svc, svc); err == nil {
		t.Error("took a service twice")
	}
	if _, err := rpctest.NewServer(rpctest.Options{Handler: handler.Options{Workers: -1, Logger: slog.New(slog.DiscardHandler)}}); err == nil {
		t.Error("took -1 workers")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := hello(t, rpctest.Options{}, plain)
	defer s.Close()
	if _, err := s.Dial(ctx, "tcp", "any"); err != context.Canceled {
		t.Errorf("%v", err)
	}
}
