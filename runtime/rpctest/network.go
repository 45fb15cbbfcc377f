package rpctest

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Network is a set of servers by address. The zero value has none. Its methods may be called concurrently.
type Network struct {
	mu      sync.Mutex
	servers map[string]*Server
}

// Put makes s the server at an address, as dialers see it: "host:port". A nil s leaves nobody there.
func (n *Network) Put(address string, s *Server) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.servers == nil {
		n.servers = make(map[string]*Server)
	}
	n.servers[address] = s
}

// Dial connects to the server at address. It is what client.WithDialer takes.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	s := n.servers[address]
	n.mu.Unlock()
	if s == nil {
		return nil, fmt.Errorf("dial %s %s: connection refused", network, address)
	}
	return s.Dial(ctx, network, address)
}
