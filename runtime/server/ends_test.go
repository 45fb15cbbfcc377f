package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/responder"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

func TestLevelsOfReasons(t *testing.T) {
	for _, tc := range []struct {
		reason error
		level  slog.Level
	}{
		{io.EOF, slog.LevelDebug},
		{listener.ErrClosed, slog.LevelDebug},
		{os.NewSyscallError("read", syscall.ECONNRESET), slog.LevelDebug},
		{fmt.Errorf("%w: 10m", reader.ErrIdle), slog.LevelDebug},
		{reader.ErrTruncated, slog.LevelInfo},
		{fmt.Errorf("%w: HTTP", reader.ErrProtocol), slog.LevelWarn},
		{reader.ErrFirstFrameTimeout, slog.LevelWarn},
		{responder.ErrSlowConsumer, slog.LevelWarn},
		{listener.ErrSlowConsumer, slog.LevelWarn},
		{listener.ErrPanic, slog.LevelWarn},
		{&wire.ConnError{Code: rpc.InvalidArgument, Reason: "x"}, slog.LevelWarn},
		{errors.New("anything else"), slog.LevelWarn},
	} {
		if got := levelOf(tc.reason); got != tc.level {
			t.Errorf("%v: %v, want %v", tc.reason, got, tc.level)
		}
	}
}

func TestWarningsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		e := ends{log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		peer := &rpc.Peer{Network: "unix", UID: 7, PID: 99}
		lines := func() int { return strings.Count(log.String(), "\n") }
		for range 100 {
			e.report(peer, reader.ErrTooSlow)
		}
		if n := lines(); n != warnings {
			t.Errorf("%d lines", n)
		}
		if !strings.Contains(log.String(), "uid=7 pid=99") {
			t.Errorf("the peer is not named: %s", log.String())
		}
		for range 100 {
			e.report(peer, io.EOF) // debugging is not limited
		}
		if n := lines(); n != warnings+100 {
			t.Errorf("%d lines", n)
		}
		log.Reset()
		time.Sleep(time.Second)
		e.report(peer, reader.ErrTooSlow)
		if s := log.String(); lines() != 1 || !strings.Contains(s, "suppressed=80") {
			t.Errorf("after a second: %q", s)
		}
		log.Reset()
		e.report(peer, reader.ErrTooSlow)
		if s := log.String(); lines() != 1 || strings.Contains(s, "suppressed") {
			t.Errorf("and then: %q", s)
		}
	})
}
