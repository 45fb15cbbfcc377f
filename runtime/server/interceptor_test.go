package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

func TestInterceptors(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, fmt.Sprintf(format, args...))
	}
	logging := func(name string) rpc.ServerInterceptor {
		return func(next rpc.ServerHandler) rpc.ServerHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
				note("%s before %s", name, m.FullName)
				result, err := next(ctx, m, args)
				note("%s after: %v, %v", name, result != nil, err)
				return result, err
			}
		}
	}
	refusing := func(next rpc.ServerHandler) rpc.ServerHandler {
		return func(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
			switch m.Name {
			case "packed":
				return nil, rpc.NewError(rpc.FailedPrecondition, "not today")
			case "plain":
				panic("in an interceptor")
			case "big":
				return next(context.Background(), m, args)
			}
			return next(context.WithValue(ctx, key{}, 1), m, args)
		}
	}
	h := start(t, server.WithInterceptors(logging("a")), server.WithInterceptors(logging("b"), refusing))
	c := h.echo()
	ctx := t.Context()
	check := func(name string, want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(order, want) {
			t.Errorf("%s: %q, want %q", name, order, want)
		}
		order = nil
	}
	if _, err := c.Echo(ctx, message(1)); err != nil {
		t.Error(err)
	}
	check("a call", "a before Echo.echo", "b before Echo.echo", "b after: true, <nil>", "a after: true, <nil>")
	var refused *echotest.Refused
	if _, err := c.Refuse(ctx, 5); !errors.As(err, &refused) {
		t.Errorf("a declared exception: %v", err)
	}
	mu.Lock()
	if len(order) != 4 || !strings.HasPrefix(order[2], "b after: true, Refused{") {
		t.Errorf("a declared exception: %q", order)
	}
	order = nil
	mu.Unlock()
	_, err := c.Packed(ctx, "x")
	wantError(t, err, rpc.FailedPrecondition, rpc.Executed, "not today")
	_, err = c.Plain(ctx, 10)
	wantError(t, err, rpc.Internal, rpc.Executed, "panicked")
	_, err = c.Big(ctx, 10)
	wantError(t, err, rpc.Internal, rpc.Executed, "replaced the call's context")
}

type key struct{}
