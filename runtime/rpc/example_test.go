package rpc_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// lobby answers Count only when the guest arrives. Those who wait hold no worker.
type lobby struct {
	greeter.Greeter
	mu      sync.Mutex
	waiting map[string][]*greeter.GreeterCountDeferral
	queued  chan struct{} // has one element for each call that has come to wait
}

func (l *lobby) Count(ctx context.Context, name string) (int64, error) {
	d, err := greeter.DeferGreeterCount(ctx)
	if err != nil {
		return 0, err // too many wait already
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[name] = append(l.waiting[name], d)
	l.queued <- struct{}{}
	return 0, rpc.ErrDeferred
}

func (l *lobby) Greet(_ context.Context, guest *greeter.Guest) (*greeter.Greeting, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.waiting[guest.Name] {
		d.Reply(int64(len(l.waiting[guest.Name])))
	}
	delete(l.waiting, guest.Name)
	return &greeter.Greeting{Text: "Hello, " + guest.Name + "!"}, nil
}

func ExampleDeferralOf() {
	l := &lobby{waiting: make(map[string][]*greeter.GreeterCountDeferral), queued: make(chan struct{}, 1)}
	s, err := rpctest.NewServer(rpctest.Options{}, greeter.NewGreeterService(l))
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

	c := greeter.NewGreeterClient(conn)
	call := c.CountAsync(ctx, "Ada")
	<-l.queued
	greeting, err := c.Greet(ctx, &greeter.Guest{Name: "Ada"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(greeting.Text)
	fmt.Println(call.Wait(ctx))
	// Output:
	// Hello, Ada!
	// 1 <nil>
}
