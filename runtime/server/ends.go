package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
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
	log *slog.Logger

	mu         sync.Mutex
	second     time.Time // when the current one began
	count      int       // lines in it
	suppressed int       // lines left out since the last one
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
		suppressed, ok := e.admit(time.Now())
		if !ok {
			return
		}
		if suppressed > 0 {
			attrs = append(attrs, slog.Int("suppressed", suppressed))
		}
	}
	e.log.LogAttrs(context.Background(), level, "server: connection ended", attrs...)
}

// admit reports whether a line may be written, and how many were not since the last one.
func (e *ends) admit(now time.Time) (suppressed int, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.second) >= time.Second {
		e.second, e.count = now, 0
	}
	if e.count == warnings {
		e.suppressed++
		return 0, false
	}
	e.count++
	suppressed, e.suppressed = e.suppressed, 0
	return suppressed, true
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
