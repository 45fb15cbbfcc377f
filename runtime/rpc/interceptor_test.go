package rpc_test

import (
	"context"
	"slices"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestChainOrder(t *testing.T) {
	var seen []string
	server := func(name string) rpc.ServerInterceptor {
		return func(next rpc.ServerHandler) rpc.ServerHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Decodable) (codec.Encodable, error) {
				seen = append(seen, name+" in")
				defer func() { seen = append(seen, name+" out") }()
				return next(ctx, m, args)
			}
		}
	}
	client := func(name string) rpc.ClientInterceptor {
		return func(next rpc.ClientHandler) rpc.ClientHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Encodable, result codec.Decodable) error {
				seen = append(seen, name+" in")
				defer func() { seen = append(seen, name+" out") }()
				return next(ctx, m, args, result)
			}
		}
	}
	want := []string{"a in", "b in", "core", "b out", "a out"}

	h := rpc.ChainServer(func(context.Context, *rpc.Method, codec.Decodable) (codec.Encodable, error) {
		seen = append(seen, "core")
		return nil, nil
	}, server("a"), server("b"))
	if _, err := h(context.Background(), nil, nil); err != nil || !slices.Equal(seen, want) {
		t.Errorf("server: %v, %v", seen, err)
	}

	seen = nil
	c := rpc.ChainClient(func(context.Context, *rpc.Method, codec.Encodable, codec.Decodable) error {
		seen = append(seen, "core")
		return nil
	}, client("a"), client("b"))
	if err := c(context.Background(), nil, nil, nil); err != nil || !slices.Equal(seen, want) {
		t.Errorf("client: %v, %v", seen, err)
	}
}
