// Package peer has one echo server and one echo client for each framework that is measured.
package peer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
)

// Kind tells frameworks from what they are compared with.
type Kind string

const (
	Ours      Kind = "ours"
	Framework Kind = "framework"
	Limit     Kind = "limit" // no framework: what the machine can do
)

// Call makes one echo call with an id and checks the reply. It belongs to one goroutine.
type Call func(id int64) error

// Peer is one framework in one configuration. Its servers and connections last until the process ends.
type Peer struct {
	Name     string // as on the command line
	Title    string // as in the tables
	Kind     Kind
	Base     bool // other peers' figures are given as multiples of this one's
	Shares   bool // any number of callers share a connection; otherwise each caller has its own
	Optional bool // measured only when it is named

	// Serve listens on a TCP address and answers echo calls. It returns only when that fails.
	Serve func(addr string) error

	// Dial connects to the server and returns a Call for each caller, all sending m. A peer that Shares spreads them
	// over conns connections; others ignore conns. nil for peers that are there for their streams only.
	Dial func(addr string, callers, conns int, m *payload.Message) ([]Call, error)

	// Connect opens a connection for streams, and for calls that send m. nil for peers without streams.
	Connect func(addr string, m *payload.Message) (*Conn, error)

	// Hold, where set, opens n connections that have carried a call each. It stands in for n times Dial where a client
	// would share or cost too much.
	Hold func(addr string, n int, m *payload.Message) error
}

// All returns every peer, in the order in which they are measured.
func All() []Peer {
	return []Peer{
		kuafu("kuafu", "Kuafu"),
		kuafuPlain(),
		kuafuInline(),
		kuafuStructs(),
		kuafuDialect("kuafu-binary", "Kuafu's server, Apache client, binary", binaryProtocol),
		kuafuDialect("kuafu-compact", "Kuafu's server, Apache client, compact", compactProtocol),
		grpcDefault(),
		grpcPool(),
		grpcTuned(),
		kitexMux(),
		kitexPooled(),
		kitexStream(),
		apacheThrift("thrift-binary", "Apache Thrift framed, binary", binaryProtocol),
		apacheThrift("thrift-compact", "Apache Thrift framed, compact", compactProtocol),
		drpcPeer(),
		connectPeer(),
		netRPC(),
		gnetDirect(),
		gnetMux(),
		netDirect(),
		netMux(),
		tcpBytes(),
		codecMuxInline(),
		codecMuxSpawn(),
	}
}

// Find returns the peer with a name, one of All or a Methods.
func Find(name string) (Peer, error) {
	all := All()
	if i := slices.IndexFunc(all, func(p Peer) bool { return p.Name == name }); i >= 0 {
		return all[i], nil
	}
	if digits, ok := strings.CutPrefix(name, methodsPrefix); ok {
		if n, err := strconv.Atoi(digits); err == nil && n >= 1 && n <= maxMethods {
			return Methods(n), nil
		}
	}
	return Peer{}, fmt.Errorf("no framework %q; -list shows them", name)
}

// HoldConns opens n connections to a server, makes a call on each, and keeps them.
func (p Peer) HoldConns(addr string, n int, m *payload.Message) error {
	if p.Hold != nil {
		return p.Hold(addr, n, m)
	}
	for range n {
		calls, err := p.Dial(addr, 1, 1, m)
		if err != nil {
			return err
		}
		if err := calls[0](0); err != nil {
			return err
		}
		held = append(held, calls[0])
	}
	return nil
}

// held keeps what HoldConns opened from being collected; some clients close themselves then.
var held []Call

// spread makes the Calls of callers that share clients. Where there are more clients than callers, each caller goes
// from one of its clients to the next with every call.
func spread[C any](clients []C, callers int, call func(C) Call) []Call {
	calls := make([]Call, callers)
	for i := range calls {
		if len(clients) <= callers {
			calls[i] = call(clients[i%len(clients)])
			continue
		}
		var own []Call
		for j := i; j < len(clients); j += callers {
			own = append(own, call(clients[j]))
		}
		calls[i] = func(id int64) error { return own[uint64(id)%uint64(len(own))](id) }
	}
	return calls
}

// dialEach calls dial n times.
func dialEach[C any](n int, dial func() (C, error)) ([]C, error) {
	clients := make([]C, n)
	for i := range clients {
		c, err := dial()
		if err != nil {
			return nil, err
		}
		clients[i] = c
	}
	return clients, nil
}
