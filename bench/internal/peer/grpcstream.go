package peer

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/pb"
)

func (grpcEcho) Down(r *pb.DownReq, out grpc.ServerStreamingServer[pb.Chunk]) error {
	return sendPieces(r.Total, r.Chunk, func(b []byte) error { return out.Send(&pb.Chunk{Data: b}) })
}

func (grpcEcho) Up(in grpc.ClientStreamingServer[pb.Chunk, pb.UpRes]) error {
	n, err := countPieces(func() ([]byte, error) { return protoData(in.Recv()) })
	if err != nil {
		return err
	}
	return in.SendAndClose(&pb.UpRes{Total: n})
}

func (grpcEcho) Chat(s grpc.BidiStreamingServer[pb.Chunk, pb.Chunk]) error {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}

func protoData(m *pb.Chunk, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

func grpcConnect(do []grpc.DialOption) func(string, *payload.Message) (*Conn, error) {
	return func(addr string, m *payload.Message) (*Conn, error) {
		conn, err := grpc.NewClient("passthrough:///"+addr, do...)
		if err != nil {
			return nil, err
		}
		client := pb.NewEchoClient(conn)
		c := grpcStreams{client}
		return &Conn{Down: c.down, Up: c.up, Echo: grpcCall(client, m), Chat: c.chat, Stick: c.stick}, nil
	}
}

// grpcStreams are the streams of one connection.
type grpcStreams struct{ client pb.EchoClient }

func (c grpcStreams) down(ctx context.Context, n, size int, received *atomic.Int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.client.Down(ctx, &pb.DownReq{Total: int64(n), Chunk: int64(size)})
	if err != nil {
		return err
	}
	return checkPieces(n, size, received, func() ([]byte, error) { return protoData(s.Recv()) })
}

func (c grpcStreams) up(ctx context.Context, messages iter.Seq[[]byte]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.client.Up(ctx)
	if err != nil {
		return err
	}
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

func (c grpcStreams) chat(ctx context.Context, size int) (Call, error) {
	s, err := c.client.Chat(ctx)
	if err != nil {
		return nil, err
	}
	m := &pb.Chunk{Data: payload.Piece(size)}
	return func(int64) error {
		if err := s.Send(m); err != nil {
			return err
		}
		return checkPiece(size, func() ([]byte, error) { return protoData(s.Recv()) })
	}, nil
}

func (c grpcStreams) stick(ctx context.Context, n, size int) error {
	_, err := c.client.Down(ctx, &pb.DownReq{Total: int64(n), Chunk: int64(size)})
	return err
}
