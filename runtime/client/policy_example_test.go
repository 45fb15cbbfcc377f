package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/client/internal/librarytest"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// stuck is a Greeter that answers all calls but the first.
type stuck struct {
	greeter.Greeter
	calls   atomic.Int64
	dropped chan error // how the first call's context ended
}

func (s *stuck) Count(ctx context.Context, name string) (int64, error) {
	if s.calls.Add(1) > 1 {
		return 4, nil
	}
	<-ctx.Done()
	s.dropped <- ctx.Err()
	return 0, ctx.Err()
}

// A call of an idempotent method that is not answered in time is made once more, elsewhere. The first reply counts, and the
// other attempt is canceled.
func ExampleWithHedging() {
	slow := &stuck{dropped: make(chan error, 1)}
	network, end := serve(map[string]greeter.Greeter{"east": slow, "west": slow})
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, "tcp://east:9090,tcp://west:9090", client.WithDialer(network.Dial),
		client.WithBalancer(client.LeastPending),
		client.WithHedging(client.Hedging{Delay: 10 * time.Millisecond, Extra: 1}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(greeter.NewGreeterClient(c).Count(ctx, "Ann"))
	fmt.Println(<-slow.dropped)
	// Output:
	// 4 <nil>
	// context canceled
}

// clerk is a Greeter that says who it is. With Ann it talks without end.
type clerk struct {
	greeter.Greeter
	name string
	busy chan string // gets the name of who talks with Ann
}

func (c *clerk) Greet(ctx context.Context, guest *greeter.Guest) (*greeter.Greeting, error) {
	if guest.Name == "Ann" {
		c.busy <- c.name
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &greeter.Greeting{Text: c.name}, nil
}

// Calls go to the server that owes fewer replies, past one that is busy.
func ExampleWithBalancer() {
	busy := make(chan string, 1)
	network, end := serve(map[string]greeter.Greeter{"east": &clerk{name: "east", busy: busy}, "west": &clerk{name: "west", busy: busy}})
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, "tcp://east:9090,tcp://west:9090", client.WithDialer(network.Dial), client.WithBalancer(client.LeastPending))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	g := greeter.NewGreeterClient(c)
	greet := func() string {
		r, err := g.Greet(ctx, &greeter.Guest{Name: "Bob"})
		if err != nil {
			return err.Error()
		}
		return r.Text
	}

	seen := make(map[string]bool)
	for len(seen) < 2 { // both are connected before one gets busy
		seen[greet()] = true
	}
	g.GreetAsync(ctx, &greeter.Guest{Name: "Ann"})
	occupied := <-busy
	here := 0
	for range 100 {
		if greet() == occupied {
			here++
		}
	}
	fmt.Println(len(seen), "servers,", here, "of 100 calls went to the busy one")
	// Output: 2 servers, 0 of 100 calls went to the busy one
}

// counter is a Library with a queue in front of it, which gets shorter with each call.
type counter struct {
	librarytest.Library
	queue atomic.Int32
}

func (c *counter) Find(_ context.Context, title string) (int64, error) {
	if n := c.queue.Add(-1); n > 0 {
		return 0, &librarytest.Busy{Queue: n}
	}
	return 12, nil
}

// An exception that the IDL marks with (failure = "transient") makes a client ask again, if the method is idempotent:
//
//	exception Busy { 1: i32 queue } (failure = "transient")
//	i64 find(1: string title) throws (1: Busy busy) (retry = "idempotent")
//
// If that is not enough, the caller gets the exception.
func ExampleWithRetry() {
	library := new(counter)
	s, err := rpctest.NewServer(rpctest.Options{}, librarytest.NewLibraryService(library))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	policy := client.DefaultRetry
	policy.Attempts = 3
	conn, err := client.Dial(ctx, "tcp://any:1", client.WithDialer(s.Dial), client.WithRetry(policy))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	c := librarytest.NewLibraryClient(conn)

	library.queue.Store(3)
	fmt.Println(c.Find(ctx, "Ulysses"))

	library.queue.Store(7)
	_, err = c.Find(ctx, "Ulysses")
	var busy *librarytest.Busy
	fmt.Println(errors.As(err, &busy), busy.Queue, rpc.IsTransient(err))
	// Output:
	// 12 <nil>
	// true 4 true
}
