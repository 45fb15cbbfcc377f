package peer

import (
	"context"
	"iter"
	"net"
	"sync/atomic"
	"time"

	"github.com/cloudwego/kitex/client"
	"github.com/cloudwego/kitex/pkg/klog"
	"github.com/cloudwego/kitex/server"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/kstream"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/kstream/bulk"
)

type kitexBulk struct{}

func (*kitexBulk) Down(ctx context.Context, r *kstream.DownReq, out kstream.Bulk_DownServer) error {
	return sendPieces(r.Total, r.Chunk, func(b []byte) error { return out.Send(ctx, &kstream.Chunk{Data: b}) })
}

func (*kitexBulk) Up(ctx context.Context, in kstream.Bulk_UpServer) error {
	n, err := countPieces(func() ([]byte, error) { return kitexData(in.Recv(ctx)) })
	if err != nil {
		return err
	}
	return in.SendAndClose(ctx, &kstream.UpRes{Total: n})
}

func kitexData(m *kstream.Chunk, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// kitexStream is Kitex with streams on TTHeader, which have a server of their own.
func kitexStream() Peer {
	return Peer{
		Name: "kitex-stream", Title: "Kitex TTHeader streaming", Kind: Framework,
		Serve: func(addr string) error {
			klog.SetLevel(klog.LevelError)
			tcp, err := net.ResolveTCPAddr("tcp", addr)
			if err != nil {
				return err
			}
			return bulk.NewServer(&kitexBulk{}, server.WithServiceAddr(tcp)).Run()
		},
		Connect: func(addr string, _ *payload.Message) (*Conn, error) {
			klog.SetLevel(klog.LevelError)
			k, err := bulk.NewClient("bulk", client.WithHostPorts(addr), client.WithConnectTimeout(5*time.Second))
			if err != nil {
				return nil, err
			}
			c := kitexStreams{k}
			return &Conn{Down: c.down, Up: c.up}, nil
		},
	}
}

// kitexStreams are the streams of one client.
type kitexStreams struct{ client bulk.Client }

func (c kitexStreams) down(ctx context.Context, n, size int, received *atomic.Int64) error {
	s, err := c.client.Down(ctx, &kstream.DownReq{Total: int64(n), Chunk: int64(size)})
	if err != nil {
		return err
	}
	return checkPieces(n, size, received, func() ([]byte, error) { return kitexData(s.Recv(ctx)) })
}

func (c kitexStreams) up(ctx context.Context, messages iter.Seq[[]byte]) error {
	s, err := c.client.Up(ctx)
	if err != nil {
		return err
	}
	sent, err := sendAll(messages, func(b []byte) error { return s.Send(ctx, &kstream.Chunk{Data: b}) })
	if err != nil {
		return err
	}
	r, err := s.CloseAndRecv(ctx)
	if err != nil {
		return err
	}
	return checkSum(r.Total, sent)
}
