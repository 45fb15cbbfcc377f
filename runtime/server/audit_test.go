package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestAuditIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		a := &audit{log: slog.New(slog.NewTextHandler(&log, nil))}
		m := &rpc.Method{FullName: "A.b"}
		no := a.wrap(func(context.Context, rpc.Identity, *rpc.Method) error { return errors.New("no") })
		yes := a.wrap(func(context.Context, rpc.Identity, *rpc.Method) error { return nil })
		for range maxDenials + 7 {
			if no(t.Context(), rpc.Identity{}, m) == nil || yes(t.Context(), rpc.Identity{}, m) != nil {
				t.Fatal("the decision was changed")
			}
		}
		if n := strings.Count(log.String(), "\n"); n != maxDenials {
			t.Errorf("%d lines, want %d", n, maxDenials)
		}
		time.Sleep(time.Second)
		_ = no(t.Context(), rpc.Identity{Kind: rpc.IdentityTLS, Name: "x\ny"}, m)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(last, "suppressed=7") || !strings.Contains(last, `identity="tls:x\ny"`) ||
			!strings.Contains(last, "method=A.b") || !strings.Contains(last, "reason=no") {
			t.Errorf("the next line is %s", last)
		}
	})
}
