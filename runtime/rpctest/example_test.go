package rpctest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// regular is code to be tested: it makes calls, and asks for no more than the generated interface.
func regular(ctx context.Context, g greeter.Greeter, name string) bool {
	n, err := g.Count(ctx, name)
	return err == nil && n > 3
}

// mock implements the generated interface. The embedded nil makes methods that are not expected panic.
type mock struct {
	greeter.Greeter
	counts map[string]int64
}

func (m mock) Count(_ context.Context, name string) (int64, error) {
	n, ok := m.counts[name]
	if !ok {
		return 0, errors.New("never heard of")
	}
	return n, nil
}

// A mock is a plain struct: generated clients implement the same interface as servers do.
func Example_mock() {
	g := mock{counts: map[string]int64{"Ann": 4, "Bob": 1}}
	for _, name := range []string{"Ann", "Bob", "Eve"} {
		fmt.Println(name, regular(context.Background(), g, name))
	}
	// Output:
	// Ann true
	// Bob false
	// Eve false
}

// The same mock behind a server in memory and a link that loses everything: now there is a network to be tested, too.
func Example_faults() {
	s, err := rpctest.NewServer(rpctest.Options{}, greeter.NewGreeterService(mock{counts: map[string]int64{"Ann": 4}}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	var link rpctest.Link
	c, err := client.Dial(context.Background(), "tcp://any:1", client.WithDialer(link.Dialer(s.Dial)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	g := greeter.NewGreeterClient(c)
	fmt.Println(regular(context.Background(), g, "Ann"))

	link.Partition(true)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = g.Count(ctx, "Ann")
	fmt.Println(rpc.CodeOf(err))
	// Output:
	// true
	// deadline_exceeded
}

// What goes over a connection, frame by frame.
func ExampleTranscript() {
	s, err := rpctest.NewServer(rpctest.Options{}, greeter.NewGreeterService(mock{counts: map[string]int64{"Ann": 4}}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	var transcript rpctest.Transcript
	c, err := client.Dial(context.Background(), "tcp://any:1", client.WithDialer(transcript.Dialer(s.Dial)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	g := greeter.NewGreeterClient(c)
	g.Count(context.Background(), "Ann") // whatever comes first, such as who is at the other end
	before := len(transcript.String())

	ctx := rpc.WithMetadata(context.Background(), "tenant", "blue")
	g.Count(ctx, "Ann")
	g.Count(ctx, "Eve")
	fmt.Print(transcript.String()[before:])
	// Output:
	// > call 2 Greeter.count metadata tenant=blue, 11 bytes
	// < reply 2, 12 bytes
	// > call 3 Greeter.count metadata tenant=blue, 11 bytes
	// < error 3 unknown, executed: never heard of
}
