package rpc_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func TestChainStream(t *testing.T) {
	var order []string
	server := func(name string) rpc.StreamServerInterceptor {
		return func(next rpc.StreamServerHandler) rpc.StreamServerHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
				order = append(order, name)
				return next(ctx, m, args, s)
			}
		}
	}
	failed := rpc.NewError(rpc.Aborted, "")
	h := rpc.ChainStreamServer(func(context.Context, *rpc.Method, codec.Decodable, rpc.Stream) (codec.Encodable, error) {
		order = append(order, "handler")
		return nil, failed
	}, server("a"), server("b"))
	if _, err := h(context.Background(), nil, nil, nil); err != failed {
		t.Error(err)
	}
	client := func(name string) rpc.StreamClientInterceptor {
		return func(next rpc.StreamClientHandler) rpc.StreamClientHandler {
			return func(ctx context.Context, m *rpc.Method, args codec.Encodable) (rpc.ClientStream, error) {
				order = append(order, name)
				return next(ctx, m, args)
			}
		}
	}
	c := rpc.ChainStreamClient(func(context.Context, *rpc.Method, codec.Encodable) (rpc.ClientStream, error) {
		order = append(order, "client")
		return nil, failed
	}, client("c"), client("d"))
	if _, err := c(context.Background(), nil, nil); err != failed {
		t.Error(err)
	}
	if got, want := strings.Join(order, " "), "a b handler c d client"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRegisterStreams(t *testing.T) {
	method := func(mode rpc.StreamMode) *rpc.Method {
		return &rpc.Method{Service: "S", Name: "m", FullName: "S.m", Stream: mode}
	}
	args := func() codec.Decodable { return nil }
	invoke := func(context.Context, codec.Decodable) (codec.Encodable, error) { return nil, nil }
	open := func(context.Context, codec.Decodable, rpc.Stream) (codec.Encodable, error) { return nil, nil }
	for _, tt := range []struct {
		name string
		h    rpc.Handler
		ok   bool
	}{
		{"a stream", rpc.Handler{Method: method(rpc.StreamArgs), NewArgs: args, Open: open}, true},
		{"a stream without Open", rpc.Handler{Method: method(rpc.StreamBoth), NewArgs: args, Invoke: invoke}, false},
		{"a stream with Invoke, too", rpc.Handler{Method: method(rpc.StreamResult), NewArgs: args, Invoke: invoke, Open: open}, false},
		{"Open without a stream", rpc.Handler{Method: method(rpc.StreamNone), NewArgs: args, Open: open}, false},
	} {
		var r rpc.Registry
		if err := r.Register(&rpc.Service{Name: "S", Handlers: []rpc.Handler{tt.h}}); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestStreamModeString(t *testing.T) {
	for mode, want := range map[rpc.StreamMode]string{
		rpc.StreamNone: "none", rpc.StreamResult: "result", rpc.StreamArgs: "arguments", rpc.StreamBoth: "both",
	} {
		if got := mode.String(); got != want {
			t.Errorf("%d is %q, want %q", mode, got, want)
		}
	}
}

// handful is a stream of a test's own.
type handful []*int

func (l *handful) Recv(context.Context) (*int, error) {
	if len(*l) == 0 {
		return nil, io.EOF
	}
	first := (*l)[0]
	*l = (*l)[1:]
	return first, nil
}

// TestRecvIntoElsewhere: a stream that can only receive serves RecvInto, too.
func TestRecvIntoElsewhere(t *testing.T) {
	var got int
	s := &handful{new(7)}
	if err := rpc.RecvInto(t.Context(), s, &got); err != nil || got != 7 {
		t.Errorf("received %d: %v", got, err)
	}
	if err := rpc.RecvInto(t.Context(), s, &got); err != io.EOF || got != 7 {
		t.Errorf("after the last message: %d, %v", got, err)
	}
}
