package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// concierge implements the generated interface. Its methods run concurrently, one goroutine for each call.
type concierge struct {
	mu   sync.Mutex
	seen map[string]int64
}

var _ greeter.Greeter = (*concierge)(nil)

func newConcierge() *concierge { return &concierge{seen: make(map[string]int64)} }

// Greet shows the three ways to end a call: a result, a declared exception and a coded error.
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
	name := strings.Join(append(guest.Titles, guest.Name), " ")
	text := "Hello, " + name + "!"
	if guest.Manner == greeter.MannerFormal {
		text = "Welcome, " + name + "."
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
