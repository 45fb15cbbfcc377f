package peer

import (
	"context"
	"errors"
	"fmt"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/echo"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

const (
	methodsPrefix = "kuafu-methods-"
	maxMethods    = 10_000
)

// Methods is kuafu with a service of n methods, each the echo, which every caller calls in turn.
func Methods(n int) Peer {
	methods := make([]*rpc.Method, n)
	for i := range methods {
		name := fmt.Sprintf("echo%d", i)
		methods[i] = &rpc.Method{Service: "Methods", Name: name, FullName: "Methods." + name, Retry: rpc.RetryIdempotent}
	}
	return Peer{
		Name: fmt.Sprintf("%s%d", methodsPrefix, n), Title: fmt.Sprintf("Kuafu, %d methods", n), Kind: Ours, Shares: true, Optional: true,
		Serve: func(addr string) error {
			original := echo.NewEchoService(kuafuEcho{}).Handlers[0]
			s := server.New()
			service := &rpc.Service{Name: "Methods"}
			for _, m := range methods {
				h := original
				h.Method = m
				service.Handlers = append(service.Handlers, h)
			}
			return errors.Join(s.Register(service), s.ListenAndServe("tcp://"+addr))
		},
		Dial: func(addr string, callers, conns int, m *payload.Message) ([]Call, error) {
			c, err := client.Dial(context.Background(), "tcp://"+addr, client.WithConnections(conns))
			if err != nil {
				return nil, err
			}
			calls := make([]Call, callers)
			for i := range calls {
				under := &alias{Caller: c}
				call := kuafuCall(echo.NewEchoClient(under), m)
				calls[i] = func(id int64) error {
					under.method = methods[(uint64(i)+uint64(id))%uint64(n)]
					return call(id)
				}
			}
			return calls, nil
		},
	}
}

// alias calls another method than the generated client asks for. It belongs to one caller.
type alias struct {
	rpc.Caller
	method *rpc.Method
}

func (a *alias) Call(ctx context.Context, _ *rpc.Method, args codec.Encodable, reply codec.Decodable) error {
	return a.Caller.Call(ctx, a.method, args, reply)
}
