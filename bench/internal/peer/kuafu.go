package peer

import (
	"context"
	"errors"
	"slices"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/bulk"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/echo"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

type kuafuEcho struct{}

func (kuafuEcho) Echo(_ context.Context, m *echo.Message) (*echo.Message, error) { return m, nil }

func kuafuMessage(m *payload.Message) *echo.Message {
	return &echo.Message{ID: m.ID, Body: m.Body, Tags: m.Tags, Attributes: m.Attributes}
}

// kuafu is the native protocol with the defaults of a user who sets no options.
func kuafu(name, title string) Peer {
	return kuafuWith(name, title, nil, nil)
}

// kuafuPlain does not try to compress, as no other peer does. It differs for payloads above the threshold only.
func kuafuPlain() Peer {
	return kuafuWith("kuafu-plain", "Kuafu, compression off",
		[]server.Option{server.WithCompression(-1)}, []client.Option{client.WithCompression(-1)})
}

// kuafuInline says that the method is short, so that the server runs it where it reads. For calls only.
func kuafuInline() Peer {
	p := kuafuWith("kuafu-inline", "Kuafu, method inline", []server.Option{server.WithInline("Echo.echo")}, nil)
	p.Connect = nil
	return p
}

func kuafuWith(name, title string, so []server.Option, co []client.Option) Peer {
	return Peer{
		Name: name, Title: title, Kind: Ours, Shares: true,
		Serve: func(addr string) error { return kuafuServe(addr, so...) },
		Dial: func(addr string, callers, conns int, m *payload.Message) ([]Call, error) {
			// A client spreads calls over its connections itself, up to 64.
			clients, each := 1, conns
			if conns > 64 {
				clients, each = conns, 1
			}
			opts := append(slices.Clone(co), client.WithConnections(each), client.WithMaxFrame(maxMessage))
			dialed, err := dialEach(clients, func() (*echo.EchoClient, error) {
				c, err := client.Dial(context.Background(), "tcp://"+addr, opts...)
				if err != nil {
					return nil, err
				}
				e := echo.NewEchoClient(c)
				if len(m.Body) > 8<<20 {
					// Until the server has said what it accepts, which comes with its first reply, a client keeps to the default.
					_, err = e.Echo(context.Background(), new(echo.Message))
				}
				return e, err
			})
			if err != nil {
				return nil, err
			}
			return spread(dialed, callers, func(c *echo.EchoClient) Call { return kuafuCall(c, m) }), nil
		},
		Connect: kuafuConnect(co),
	}
}

func kuafuCall(c *echo.EchoClient, m *payload.Message) Call {
	request := kuafuMessage(m)
	return func(id int64) error {
		request.ID = id
		r, err := c.Echo(context.Background(), request)
		if err != nil {
			return err
		}
		return m.Check(id, payload.Message{ID: r.ID, Body: r.Body, Tags: r.Tags, Attributes: r.Attributes})
	}
}

// maxMessage is what kuafu and gRPC-go, which refuse messages above 16 and 4 MiB by default, accept here.
const maxMessage = 64 << 20

// kuafuServe serves with limits raised: by default 1,024 connections may come from one address, and the measurement of
// idle connections opens 10,000.
func kuafuServe(addr string, opts ...server.Option) error {
	s := server.New(append(opts, server.WithMaxConns(0, -1), server.WithMaxMessage(maxMessage, maxMessage))...)
	if err := errors.Join(s.Register(echo.NewEchoService(kuafuEcho{})), s.Register(bulk.NewBulkService(kuafuBulk{}))); err != nil {
		return err
	}
	return s.ListenAndServe("tcp://" + addr)
}

// kuafuDialect is the same server, called by Apache Thrift's own client.
func kuafuDialect(name, title string, protocol thrift.TProtocolFactory) Peer {
	return Peer{
		Name: name, Title: title, Kind: Ours,
		Serve: func(addr string) error { return kuafuServe(addr) },
		Dial:  thriftDial(protocol),
	}
}
