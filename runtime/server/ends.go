package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"syscall"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// ends logs why connections end. What happens all day goes to Debug: a peer that closed or vanished, an idle
// connection, the server's own end. A peer that stopped inside a frame goes to Info. What a peer was cut off for goes
// to Warn, at most warnings lines a second, so that whoever abuses the server does not fill its disk.
type ends struct {
	log      *slog.Logger
	throttle throttle
}

const warnings = 20

func (e *ends) report(peer *rpc.Peer, reason error) {
	level := levelOf(reason)
	if !e.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.String("network", peer.Network), slog.String("peer", peer.Address), slog.Any("reason", reason)}
	if peer.Network == "unix" {
		attrs = append(attrs, slog.Int("uid", peer.UID), slog.Int("pid", peer.PID))
	}
	if level > slog.LevelDebug {
		suppressed, ok := e.throttle.admit(time.Now(), warnings)
		if !ok {
			return
		}
		if suppressed > 0 {
			attrs = append(attrs, slog.Int("suppressed", suppressed))
		}
	}
	e.log.LogAttrs(context.Background(), level, "server: connection ended", attrs...)
}

func levelOf(reason error) slog.Level {
	var errno syscall.Errno
	switch {
	case reason == io.EOF, errors.Is(reason, listener.ErrClosed), errors.Is(reason, reader.ErrIdle), errors.As(reason, &errno):
		return slog.LevelDebug
	case errors.Is(reason, reader.ErrTruncated):
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
