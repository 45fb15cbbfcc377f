package cell

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// serve starts a peer's server on a free port of the loopback interface and returns its address once it accepts
// connections.
func serve(p peer.Peer) (addr string, err error) {
	for range 5 { // somebody else may take the port that was chosen
		if addr, err = tryServe(p); err == nil || !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return addr, err
}

func tryServe(p peer.Peer) (addr string, err error) {
	// Not every framework tells which port it chose, so one is chosen here and set free again.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return "", err
	}
	failed := make(chan error, 1)
	go func() { failed <- p.Serve(addr) }()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	timeout := time.After(time.Minute)
	for {
		select {
		case err := <-failed:
			return "", fmt.Errorf("serving %s: %w", p.Name, err)
		case <-timeout:
			return "", fmt.Errorf("%s does not accept connections at %s", p.Name, addr)
		case <-poll.C:
			if c, err := net.Dial("tcp", addr); err == nil {
				return addr, c.Close()
			}
		}
	}
}
