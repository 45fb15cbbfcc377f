package peer

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/pb"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/pbconnect"
)

type connectEcho struct {
	pbconnect.UnimplementedEchoHandler
}

func (connectEcho) Echo(_ context.Context, r *connect.Request[pb.Msg]) (*connect.Response[pb.Msg], error) {
	return connect.NewResponse(r.Msg), nil
}

// cleartextHTTP2 selects HTTP/2 without TLS.
func cleartextHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// connectPeer is connect over HTTP/2 without TLS, gzip off at both ends, with enough streams for all callers on one
// connection.
func connectPeer() Peer {
	return Peer{
		Name: "connect", Title: "connect h2c", Kind: Framework, Shares: true,
		Serve: func(addr string) error {
			mux := http.NewServeMux()
			mux.Handle(pbconnect.NewEchoHandler(connectEcho{}, connect.WithCompression("gzip", nil, nil)))
			s := &http.Server{
				Addr: addr, Handler: mux, Protocols: cleartextHTTP2(),
				HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 4096},
			}
			return s.ListenAndServe()
		},
		Dial: func(addr string, callers, conns int, m *payload.Message) ([]Call, error) {
			clients, err := dialEach(conns, func() (pbconnect.EchoClient, error) {
				c := pbconnect.NewEchoClient(&http.Client{Transport: &http.Transport{Protocols: cleartextHTTP2()}},
					"http://"+addr, connect.WithAcceptCompression("gzip", nil, nil))
				// The first call makes the connection. Were callers to come first, they would make several.
				_, err := c.Echo(context.Background(), connect.NewRequest(protoMessage(m)))
				return c, err
			})
			if err != nil {
				return nil, err
			}
			return spread(clients, callers, func(c pbconnect.EchoClient) Call {
				request := protoMessage(m)
				return func(id int64) error {
					request.Id = id
					r, err := c.Echo(context.Background(), connect.NewRequest(request))
					if err != nil {
						return err
					}
					return checkProto(m, id, r.Msg)
				}
			}), nil
		},
	}
}
