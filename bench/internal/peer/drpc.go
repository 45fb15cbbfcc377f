package peer

import (
	"context"
	"net"

	"storj.io/drpc/drpcconn"
	"storj.io/drpc/drpcmux"
	"storj.io/drpc/drpcserver"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/pb"
)

type drpcEcho struct{ pb.DRPCEchoUnimplementedServer }

func (drpcEcho) Echo(_ context.Context, m *pb.Msg) (*pb.Msg, error) { return m, nil }

// drpcPeer is drpc with the vtprotobuf codec. A connection carries one call at a time, so each caller has its own.
func drpcPeer() Peer {
	return Peer{
		Name: "drpc", Title: "drpc (vtproto)", Kind: Framework,
		Serve: func(addr string) error {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			mux := drpcmux.New()
			if err := pb.DRPCRegisterEcho(mux, &drpcEcho{}); err != nil {
				return err
			}
			return drpcserver.New(mux).Serve(context.Background(), l)
		},
		Dial: func(addr string, callers, _ int, m *payload.Message) ([]Call, error) {
			clients, err := dialEach(callers, func() (pb.DRPCEchoClient, error) {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return nil, err
				}
				return pb.NewDRPCEchoClient(drpcconn.New(c)), nil
			})
			if err != nil {
				return nil, err
			}
			return spread(clients, callers, func(c pb.DRPCEchoClient) Call {
				request := protoMessage(m)
				return func(id int64) error {
					request.Id = id
					r, err := c.Echo(context.Background(), request)
					if err != nil {
						return err
					}
					return checkProto(m, id, r)
				}
			}), nil
		},
		Connect: drpcConnect,
	}
}
