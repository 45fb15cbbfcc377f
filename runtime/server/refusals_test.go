package server_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// The operator hears of connections for which there was no room: of each by an event, and of the first of a second by a
// line in the log, which names the limit and the peer.
func TestRefusedConnections(t *testing.T) {
	for limit, option := range map[string]server.Option{
		"connections":             server.WithMaxConns(2, 0),
		"connections_per_address": server.WithMaxConns(0, 2),
	} {
		t.Run(limit, func(t *testing.T) {
			refused := make(chan observe.ConnRefused, 100)
			h := start(t, option, server.WithEvents(observe.Events{ConnRefused: func(c observe.ConnRefused) { refused <- c }}))
			for range 2 {
				nc := h.raw()
				if _, err := nc.Write(preamble()); err != nil {
					t.Fatal(err)
				}
				greeted(t, nc)
			}
			const flood = 50
			begin := time.Now()
			for range flood {
				nc := h.raw()
				drained(t, nc)
				c := next(t, refused)
				if c.Limit != limit || c.Peer.Address != nc.LocalAddr().String() || c.Peer.Network != "tcp" || c.Time.Before(begin) {
					t.Errorf("%+v of %+v, want %s", c, c.Peer, limit)
				}
			}
			seconds := int(time.Since(begin)/time.Second) + 1
			if n := h.log.count(slog.LevelWarn); n > seconds {
				t.Errorf("%d lines in the log in %d s", n, seconds)
			}
			h.log.wants(t, slog.LevelWarn, "connection refused", "limit="+limit, "network=tcp peer=127.0.0.1:")
			if n := h.srv.Snapshot(0).Conns.Refused; n != flood {
				t.Errorf("%d are counted", n)
			}
		})
	}
}
