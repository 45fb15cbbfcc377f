package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// audit writes a line for each call that was denied, up to maxDenials in a second; the next line says how many were left
// out.
type audit struct {
	log      *slog.Logger
	throttle throttle
}

const maxDenials = 100

// wrap returns an authorizer that decides as next does.
func (a *audit) wrap(next rpc.Authorizer) rpc.Authorizer {
	return func(ctx context.Context, id rpc.Identity, m *rpc.Method) error {
		err := next(ctx, id, m)
		if err != nil {
			a.denied(rpc.CallFrom(ctx), id, m, err)
		}
		return err
	}
}

func (a *audit) denied(c *rpc.Call, id rpc.Identity, m *rpc.Method, reason error) {
	suppressed, ok := a.throttle.admit(time.Now(), maxDenials)
	if !ok {
		return
	}
	attrs := []slog.Attr{slog.String("identity", id.String()), slog.String("method", m.FullName), slog.Any("reason", reason)}
	if c != nil && c.Peer != nil {
		attrs = append(attrs, slog.String("network", c.Peer.Network), slog.String("peer", c.Peer.Address))
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	a.log.LogAttrs(context.Background(), slog.LevelWarn, "server: a call was denied", attrs...)
}
