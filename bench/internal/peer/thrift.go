package peer

import (
	"context"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/techo"
)

var (
	thriftConfig    = &thrift.TConfiguration{}
	binaryProtocol  = thrift.NewTBinaryProtocolFactoryConf(thriftConfig)
	compactProtocol = thrift.NewTCompactProtocolFactoryConf(thriftConfig)
	framedTransport = thrift.NewTFramedTransportFactoryConf(thrift.NewTTransportFactory(), thriftConfig)
)

type thriftEcho struct{}

func (thriftEcho) Echo(_ context.Context, m *techo.Msg) (*techo.Msg, error) { return m, nil }

func thriftMessage(m *payload.Message) *techo.Msg {
	return &techo.Msg{ID: m.ID, Msg: m.Body, Tags: m.Tags, Meta: m.Attributes}
}

// apacheThrift is the library's simple server, which has a goroutine for each connection.
func apacheThrift(name, title string, protocol thrift.TProtocolFactory) Peer {
	return Peer{
		Name: name, Title: title, Kind: Framework,
		Serve: func(addr string) error {
			socket, err := thrift.NewTServerSocket(addr)
			if err != nil {
				return err
			}
			processor := techo.NewEchoProcessor(thriftEcho{})
			return thrift.NewTSimpleServer4(processor, socket, framedTransport, protocol).Serve()
		},
		Dial: thriftDial(protocol),
	}
}

// thriftDial returns a Dial that gives each caller a connection: a Thrift client has one call at a time.
func thriftDial(protocol thrift.TProtocolFactory) func(string, int, int, *payload.Message) ([]Call, error) {
	return func(addr string, callers, _ int, m *payload.Message) ([]Call, error) {
		clients, err := dialEach(callers, func() (*techo.EchoClient, error) { return thriftClient(addr, protocol) })
		if err != nil {
			return nil, err
		}
		return spread(clients, callers, func(c *techo.EchoClient) Call {
			request := thriftMessage(m)
			return func(id int64) error {
				request.ID = id
				r, err := c.Echo(context.Background(), request)
				if err != nil {
					return err
				}
				return m.Check(id, payload.Message{ID: r.ID, Body: r.Msg, Tags: r.Tags, Attributes: r.Meta})
			}
		}), nil
	}
}

func thriftClient(addr string, protocol thrift.TProtocolFactory) (*techo.EchoClient, error) {
	transport, err := framedTransport.GetTransport(thrift.NewTSocketConf(addr, thriftConfig))
	if err != nil {
		return nil, err
	}
	if err := transport.Open(); err != nil {
		return nil, err
	}
	return techo.NewEchoClient(thrift.NewTStandardClient(protocol.GetProtocol(transport), protocol.GetProtocol(transport))), nil
}
