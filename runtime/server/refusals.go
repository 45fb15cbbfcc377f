package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// refusals logs connections that were closed at once because of a limit, at most one line a second: who runs into a limit
// tries again, and says nothing new.
type refusals struct {
	log      *slog.Logger
	throttle throttle
}

func (r *refusals) report(peer *rpc.Peer, limit listener.Limit, now time.Time) {
	suppressed, ok := r.throttle.admit(now, 1)
	if !ok {
		return
	}
	attrs := []slog.Attr{slog.String("limit", string(limit)), slog.String("network", peer.Network), slog.String("peer", peer.Address)}
	if peer.Network == "unix" {
		attrs = append(attrs, slog.Int("uid", peer.UID), slog.Int("pid", peer.PID))
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	r.log.LogAttrs(context.Background(), slog.LevelWarn, "server: connection refused", attrs...)
}
