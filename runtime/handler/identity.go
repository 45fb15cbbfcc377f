package handler

import (
	"net"
	"strconv"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Identity returns the name of a call's caller, for fair queueing and limits. It sees the call's header only and runs on
// event loops: it must be quick, and must not block or keep c. Calls of one name share a place in the queue.
type Identity func(c *rpc.Call) string

// ByUser tells callers apart by what they have proved to be; those that have proved nothing by their address.
func ByUser(c *rpc.Call) string {
	switch p := c.Peer; {
	case p == nil:
		return ""
	case p.Identity.Kind != "":
		return p.Identity.String()
	case p.Network == "unix" && p.UID >= 0:
		return "uid:" + strconv.Itoa(p.UID)
	}
	return ByAddress(c)
}

// ByAddress tells callers apart by the address they call from, without the port. Those on Unix sockets count as one.
func ByAddress(c *rpc.Call) string {
	if c.Peer == nil {
		return ""
	}
	if c.Peer.Network == "unix" {
		return "unix"
	}
	host, _, err := net.SplitHostPort(c.Peer.Address)
	if err != nil {
		return c.Peer.Address
	}
	return host
}

// ByClient tells callers apart by the client id that they give themselves, which is one for each client process. A caller
// can take any number of ids; use it among friends. Stock Thrift clients, which have none, are told apart as ByAddress
// does.
func ByClient(c *rpc.Call) string {
	if c.ClientID == (rpc.ClientID{}) {
		return ByAddress(c)
	}
	return string(c.ClientID[:])
}

// ByMetadata tells callers apart by the first value of a metadata key, such as a tenant's name that a trusted gateway
// sets. Calls without one are told apart as ByUser does.
func ByMetadata(key string) Identity {
	return func(c *rpc.Call) string {
		if v, ok := rpc.DecodeMetadata(c.Metadata).Get(key); ok {
			return key + "=" + v
		}
		return ByUser(c)
	}
}

// Usage is what one call has used.
type Usage struct {
	Queue    time.Duration // waiting for a worker
	Handler  time.Duration // holding one
	Deferred time.Duration // after that, until it was answered
}

// Cost returns what a finished call counts in its caller's share; negative is 0. It runs under the stage's lock: it must
// be quick and must not block.
type Cost func(m *rpc.Method, u Usage) int64

// CostTime counts the microseconds that a call has held a worker, and 1. Waiting is not held against anybody, neither in
// the queue nor deferred.
func CostTime(_ *rpc.Method, u Usage) int64 { return 1 + u.Handler.Microseconds() }

// CostCall counts every call the same.
func CostCall(*rpc.Method, Usage) int64 { return 1 }
