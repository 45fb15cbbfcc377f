package peer

import (
	"context"
	"iter"
	"net"
	"sync/atomic"

	"storj.io/drpc/drpcconn"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/pb"
)

func (drpcEcho) Down(r *pb.DownReq, out pb.DRPCEcho_DownStream) error {
	return sendPieces(r.Total, r.Chunk, func(b []byte) error { return out.Send(&pb.Chunk{Data: b}) })
}

func (drpcEcho) Up(in pb.DRPCEcho_UpStream) error {
	n, err := countPieces(drpcInto(in))
	if err != nil {
		return err
	}
	return in.SendAndClose(&pb.UpRes{Total: n})
}

// drpcInto receives into one and the same message, whose memory vtproto uses again. The generated interfaces lack RecvMsg, their
// implementations have it.
func drpcInto(s any) func() ([]byte, error) {
	into := s.(interface{ RecvMsg(*pb.Chunk) error })
	var m pb.Chunk
	return func() ([]byte, error) { return protoData(&m, into.RecvMsg(&m)) }
}

// drpcConnect opens a connection, which carries one stream or call at a time.
func drpcConnect(addr string, _ *payload.Message) (*Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := drpcStreams{pb.NewDRPCEchoClient(drpcconn.New(conn))}
	return &Conn{Down: c.down, Up: c.up}, nil
}

// drpcStreams are the streams of one connection.
type drpcStreams struct{ client pb.DRPCEchoClient }

func (c drpcStreams) down(ctx context.Context, n, size int, received *atomic.Int64) error {
	s, err := c.client.Down(ctx, &pb.DownReq{Total: int64(n), Chunk: int64(size)})
	if err != nil {
		return err
	}
	defer s.Close()
	return checkPieces(n, size, received, drpcInto(s))
}

func (c drpcStreams) up(ctx context.Context, messages iter.Seq[[]byte]) error {
	s, err := c.client.Up(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	sent, err := sendAll(messages, func(b []byte) error { return s.Send(&pb.Chunk{Data: b}) })
	if err != nil {
		return err
	}
	r, err := s.CloseAndRecv()
	if err != nil {
		return err
	}
	return checkSum(r.Total, sent)
}
