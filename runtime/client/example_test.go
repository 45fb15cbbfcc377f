package client_test

import (
	"context"
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// desk is a Greeter that may be a mere standby.
type desk struct {
	greeter.Greeter
	name    string
	standby bool
}

func (d *desk) Greet(ctx context.Context, guest *greeter.Guest) (*greeter.Greeting, error) {
	if d.standby {
		return nil, rpc.Standby(d.name + " is a standby")
	}
	m := rpc.MetadataFrom(ctx)
	if lang, _ := m.Get("lang"); lang == "fr" {
		return &greeter.Greeting{Text: d.name + " says: bonjour, " + guest.Name}, nil
	}
	return &greeter.Greeting{Text: d.name + " says: hello, " + guest.Name}, rpc.SetReplyMetadata(ctx, "desk", d.name)
}

// desks serves them in memory. In a real program client.WithDialer is not needed.
func desks(list ...*desk) (network *rpctest.Network, end func()) {
	services := make(map[string]greeter.Greeter)
	for _, d := range list {
		services[d.name] = d
	}
	return serve(services)
}

// serve serves each Greeter at its name and port 9090.
func serve(services map[string]greeter.Greeter) (network *rpctest.Network, end func()) {
	network = new(rpctest.Network)
	var servers []*rpctest.Server
	for name, impl := range services {
		s, err := rpctest.NewServer(rpctest.Options{}, greeter.NewGreeterService(impl))
		if err != nil {
			panic(err)
		}
		servers = append(servers, s)
		network.Put(name+":9090", s)
	}
	return network, func() {
		for _, s := range servers {
			s.Close()
		}
	}
}

// Two servers of which one is active. Calls find out which.
func ExampleFailoverOrder() {
	north, south := &desk{name: "north", standby: true}, &desk{name: "south"}
	network, end := desks(north, south)
	defer end()
	c, err := client.Dial(context.Background(), "tcp://north:9090,tcp://south:9090", client.WithDialer(network.Dial))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	r, err := greeter.NewGreeterClient(c).Greet(context.Background(), &greeter.Guest{Name: "Ann"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Text)
	// Output: south says: hello, Ann
}

// An interceptor sees each call once, around its retries, and may add to what is sent.
func ExampleWithInterceptors() {
	network, end := desks(&desk{name: "front"})
	defer end()
	log := func(next rpc.ClientHandler) rpc.ClientHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
			err := next(rpc.WithMetadata(ctx, "lang", "fr"), m, args, result)
			fmt.Println(m.FullName, err)
			return err
		}
	}
	c, err := client.Dial(context.Background(), "tcp://front:9090", client.WithDialer(network.Dial), client.WithInterceptors(log))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	r, err := greeter.NewGreeterClient(c).Greet(context.Background(), &greeter.Guest{Name: "Ann"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Text)
	// Output:
	// Greeter.greet <nil>
	// front says: bonjour, Ann
}

// Metadata travels in both directions.
func ExampleClient_metadata() {
	network, end := desks(&desk{name: "front"})
	defer end()
	c, err := client.Dial(context.Background(), "tcp://front:9090", client.WithDialer(network.Dial))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	var reply rpc.Metadata
	ctx := rpc.WithMetadata(context.Background(), "lang", "en")
	ctx = rpc.WithReplyMetadata(ctx, &reply)
	if _, err := greeter.NewGreeterClient(c).Greet(ctx, &greeter.Guest{Name: "Ann"}); err != nil {
		fmt.Println(err)
		return
	}
	for k, v := range reply.All() {
		fmt.Println(k, v)
	}
	// Output: desk front
}

// Servers that are found by name, and balanced over. Slow replies to idempotent calls are asked for a second time.
func ExampleDialResolver() {
	network, end := desks(&desk{name: "10.0.0.1"}, &desk{name: "10.0.0.2"})
	defer end()
	service := client.DNS{
		Address:  "tcp://greeter.example:9090",
		Interval: 10 * time.Second,
		LookupHost: func(context.Context, string) ([]string, error) { // in place of the machine's resolver
			return []string{"10.0.0.2", "10.0.0.1"}, nil
		},
	}
	c, err := client.DialResolver(context.Background(), service,
		client.WithBalancer(client.LeastPending),
		client.WithHedging(client.Hedging{Percentile: 0.99, Delay: 5 * time.Millisecond, Extra: 1}),
		client.WithDialer(network.Dial))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, err = greeter.NewGreeterClient(c).Greet(context.Background(), &greeter.Guest{Name: "Ann"})
	fmt.Println(err)
	// Output: <nil>
}
