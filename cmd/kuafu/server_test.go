package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/service/health"
	"github.com/kuafu-rpc/kuafu/service/reflection"
)

// concierge does what the example of the same name does.
type concierge struct {
	mu   sync.Mutex
	seen map[string]int64
}

func (c *concierge) Greet(_ context.Context, guest *greeter.Guest) (*greeter.Greeting, error) {
	switch guest.Name {
	case "":
		return nil, rpc.NewError(rpc.InvalidArgument, "a guest has a name")
	case "Mallory":
		return nil, &greeter.Unwelcome{Reason: "we know what you did"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[guest.Name]++
	text := "Hello, " + guest.Name + "!"
	if guest.Manner == greeter.MannerFormal {
		text = "Welcome, " + guest.Name + "."
	}
	return &greeter.Greeting{Text: text, Count: c.seen[guest.Name]}, nil
}

func (c *concierge) Count(_ context.Context, name string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.seen[name]
	if !ok {
		return 0, rpc.NewError(rpc.NotFound, fmt.Sprintf("nobody called %q was here", name))
	}
	return n, nil
}

func (c *concierge) Forget(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.seen)
	return nil
}

func (c *concierge) Farewell(_ context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, name)
	return nil
}

// serve runs a greeter, and more services, until the test ends, and returns its address.
func serve(t *testing.T, more func(*server.Server) []*rpc.Service) string {
	t.Helper()
	return serveAt(t, "tcp://127.0.0.1:0", more)
}

// serveAt is serve for any address and any server.
func serveAt(t *testing.T, address string, more func(*server.Server) []*rpc.Service, opts ...server.Option) string {
	t.Helper()
	srv := server.New(opts...)
	services := []*rpc.Service{greeter.NewGreeterService(&concierge{seen: make(map[string]int64)})}
	if more != nil {
		services = append(services, more(srv)...)
	}
	if err := srv.Register(services...); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return strings.TrimPrefix(strings.TrimPrefix(address, "tcp://"), "tls://")
}

// sights are the services that let others look into a server.
func sights(srv *server.Server) []*rpc.Service {
	status := new(health.Reporter)
	status.Set("Greeter", health.StatusServing)
	return []*rpc.Service{health.NewService(status), reflection.NewService(srv)}
}

// kuafu runs the command.
func kuafu(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

// slow is a service whose only method waits for the end of its context. No code is generated for it.
func slow() *rpc.Service {
	return &rpc.Service{
		Name: "Slow",
		File: &rpc.IDLFile{Path: "m/slow.idl", Source: "service Slow { void wait() }"},
		Handlers: []rpc.Handler{{
			Method:  &rpc.Method{Service: "Slow", Name: "wait", FullName: "Slow.wait"},
			NewArgs: func() codec.Decodable { return new(nothing) },
			Invoke: func(ctx context.Context, _ codec.Decodable) (codec.Encodable, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}},
	}
}

// moody is a service whose only method throws a transient exception so many times before it answers.
func moody(times int64) *rpc.Service {
	var asked atomic.Int64
	return &rpc.Service{
		Name: "Moody",
		File: &rpc.IDLFile{Path: "m/moody.idl", Source: `exception Busy { 1: i64 asked } (failure = "transient")
service Moody { i64 ask() throws (1: Busy busy) (retry = "idempotent") }`},
		Handlers: []rpc.Handler{{
			Method:  &rpc.Method{Service: "Moody", Name: "ask", FullName: "Moody.ask"},
			NewArgs: func() codec.Decodable { return new(nothing) },
			Invoke: func(context.Context, codec.Decodable) (codec.Encodable, error) {
				n := asked.Add(1)
				return mood{n, n <= times}, nil
			},
		}},
	}
}

// mood is a reply of a moody service.
type mood struct {
	asked int64
	busy  bool
}

func (m mood) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	if m.busy {
		e.Field(1, codec.Struct)
		inner := e.BeginStruct()
		e.I64Field(1, m.asked)
		e.EndStruct(inner)
	} else {
		e.I64Field(0, m.asked)
	}
	e.EndStruct(outer)
}

// nothing reads any struct and keeps none of it.
type nothing struct{}

func (*nothing) DecodeThrift(d *codec.Decoder) { d.Skip(codec.Struct) }
