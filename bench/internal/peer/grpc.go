package peer

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/pb"
)

type grpcEcho struct{ pb.UnimplementedEchoServer }

func (grpcEcho) Echo(_ context.Context, m *pb.Msg) (*pb.Msg, error) { return m, nil }

func protoMessage(m *payload.Message) *pb.Msg {
	return &pb.Msg{Id: m.ID, Msg: m.Body, Tags: m.Tags, Meta: m.Attributes}
}

func checkProto(m *payload.Message, id int64, r *pb.Msg) error {
	return m.Check(id, payload.Message{ID: r.Id, Body: r.Msg, Tags: r.Tags, Attributes: r.Meta})
}

// grpcDefault is gRPC-go as it comes.
func grpcDefault() Peer {
	return grpcWith("grpc", "gRPC-go", nil, nil)
}

// grpcPool is gRPC-go with a buffer pool that fits the messages.
func grpcPool() Peer {
	return withBufferPool(grpcWith("grpc-pool", "gRPC-go, fitting buffer pool", nil, nil))
}

// grpcTuned is gRPC-go with every option that was found to help: the fitting pool, server goroutines that are used
// again, windows that need no probing.
func grpcTuned() Peer {
	const stream, conn = 4 << 20, 16 << 20
	p := withBufferPool(grpcWith("grpc-tuned", "gRPC-go, tuned",
		[]grpc.ServerOption{
			grpc.NumStreamWorkers(64),
			grpc.InitialWindowSize(stream), grpc.InitialConnWindowSize(conn),
		},
		[]grpc.DialOption{
			grpc.WithInitialWindowSize(stream), grpc.WithInitialConnWindowSize(conn),
		}))
	p.Optional = true
	return p
}

func grpcWith(name, title string, so []grpc.ServerOption, do []grpc.DialOption) Peer {
	so = append(so, grpc.MaxRecvMsgSize(maxMessage))
	do = append(do, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	return Peer{
		Name: name, Title: title, Kind: Framework, Base: true, Shares: true,
		Serve: func(addr string) error {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			s := grpc.NewServer(so...)
			pb.RegisterEchoServer(s, grpcEcho{})
			return s.Serve(l)
		},
		Dial: func(addr string, callers, conns int, m *payload.Message) ([]Call, error) {
			clients, err := dialEach(conns, func() (pb.EchoClient, error) {
				c, err := grpc.NewClient("passthrough:///"+addr, do...)
				return pb.NewEchoClient(c), err
			})
			if err != nil {
				return nil, err
			}
			return spread(clients, callers, func(c pb.EchoClient) Call { return grpcCall(c, m) }), nil
		},
		Connect: grpcConnect(do),
	}
}

func grpcCall(c pb.EchoClient, m *payload.Message) Call {
	request := protoMessage(m)
	return func(id int64) error {
		request.Id = id
		r, err := c.Echo(context.Background(), request)
		if err != nil {
			return err
		}
		return checkProto(m, id, r)
	}
}
