package client

import (
	"fmt"
	"math/rand/v2"
)

// Balancer says which of several servers a call goes to.
type Balancer uint8

const (
	// FailoverOrder sends all calls to one server, the first of the list at first, and connects to no other. When it
	// refuses a call as a standby or cannot be reached, the client moves on to the next: see FailoverPolicy.
	FailoverOrder Balancer = iota

	// RoundRobin connects to all servers and asks one after the other.
	RoundRobin

	// LeastPending connects to all servers and asks, of two at random, the one that owes fewer replies. So a slow server
	// gets fewer calls, and no two clients pick on the same one.
	LeastPending
)

// String returns "failover order", "round robin" or "least pending".
func (b Balancer) String() string {
	switch b {
	case FailoverOrder:
		return "failover order"
	case RoundRobin:
		return "round robin"
	case LeastPending:
		return "least pending"
	}
	return fmt.Sprintf("balancer(%d)", uint8(b))
}

// fleet is the servers of a client at one time. It is not changed once it is published.
type fleet struct {
	all    []*server
	usable []*server // those that calls are balanced over: connected and not ejected, or merely connected in a panic
	panics bool      // too few were left, so ejection is not heeded
}

// ready returns a connection that the balancer chooses, nil if there is none; not to avoid if there is another. ticket
// is a number that rises from call to call.
func (f *fleet) ready(b Balancer, avoid *server, ticket uint64) *conn {
	n := len(f.usable)
	if n == 0 {
		return nil
	}
	var first int
	if b == RoundRobin {
		first = int(ticket % uint64(n))
	} else {
		first = twoChoices(f.usable, rand.IntN(n), rand.IntN(max(n-1, 1)))
	}
	var last *conn
	for i := range n {
		s := f.usable[(first+i)%n]
		cn := s.ready() // nil if the connection is leaving, of which the fleet has not heard
		if cn != nil && s != avoid {
			return cn
		}
		if cn != nil {
			last = cn
		}
	}
	return last
}

// twoChoices returns the index of the server with fewer pending calls: that at i, or another that j < n-1 stands for.
func twoChoices(list []*server, i, j int) int {
	if len(list) == 1 {
		return 0
	}
	if j >= i {
		j++
	}
	if list[j].pending() < list[i].pending() {
		return j
	}
	return i
}
