package suite

import (
	"context"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// counter counts the calls that go through it.
type counter struct {
	caller rpc.Caller
	calls  atomic.Int64
}

var _ rpc.Caller = (*counter)(nil)

// Call implements rpc.Caller.
func (c *counter) Call(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
	c.calls.Add(1)
	return c.caller.Call(ctx, m, args, result)
}

// Go implements rpc.Caller.
func (c *counter) Go(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) rpc.Pending {
	c.calls.Add(1)
	return c.caller.Go(ctx, m, args, result)
}
