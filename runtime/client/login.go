package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// login logs in on cn, which takes no other calls yet. On an error cn has failed.
func (c *config) login(ctx context.Context, cn *conn, address string) *rpc.Error {
	if c.credentials == nil {
		return nil
	}
	cause := c.credentials.Login(ctx, cn.call, binding(cn.nc))
	if cause == nil {
		return nil
	}
	err := &rpc.Error{Code: rpc.CodeOf(cause), Message: cause.Error(), Execution: rpc.NotExecuted, Cause: cause}
	var e *rpc.Error
	if errors.As(cause, &e) {
		err.Message = e.Message
	}
	err.Message = "logging in to " + address + " as " + c.credentials.String() + ": " + err.Message
	cn.fail(err)
	return err
}

// call makes one call on cn, whatever other connections there are.
func (cn *conn) call(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
	k := &call{method: m, bounds: patience{ctx: ctx}, ended: make(chan struct{}, 1)}
	k.bounds.deadline, _ = ctx.Deadline()
	if err := cn.proto.send(cn, k, args); err != nil {
		return err
	}
	if err := cn.wait(k); err != nil {
		return err
	}
	return cn.proto.decode(m, &k.reply, result)
}

// binding returns what names nc's keys, nil if it is no TLS connection or has no such name.
func binding(nc net.Conn) []byte {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	state := tc.ConnectionState()
	b, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return nil
	}
	return b
}
