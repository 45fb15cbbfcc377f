package peer

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/bulk"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/echo"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

type kuafuBulk struct{}

func (kuafuBulk) Down(ctx context.Context, messages, size int64, out rpc.SendStream[[]byte]) error {
	return sendPieces(messages, size, func(b []byte) error { return out.Send(ctx, b) })
}

func (kuafuBulk) Up(ctx context.Context, messages rpc.RecvStream[[]byte]) (int64, error) {
	return countAndDrop(func() ([]byte, error) { return messages.Recv(ctx) }, rpc.Recycle)
}

func (kuafuBulk) DownChunks(ctx context.Context, messages, size int64, out rpc.SendStream[*bulk.Chunk]) error {
	return sendPieces(messages, size, func(b []byte) error { return out.Send(ctx, &bulk.Chunk{Data: b}) })
}

func (kuafuBulk) UpChunks(ctx context.Context, messages rpc.RecvStream[*bulk.Chunk]) (int64, error) {
	var m bulk.Chunk
	return countPieces(func() ([]byte, error) { return chunkData(&m, rpc.RecvInto(ctx, messages, &m)) })
}

func (kuafuBulk) Chat(ctx context.Context, messages rpc.RecvStream[*bulk.Chunk], out rpc.SendStream[*bulk.Chunk]) error {
	_, err := countPieces(func() ([]byte, error) {
		m, err := messages.Recv(ctx)
		if err != nil {
			return nil, err
		}
		return nil, out.Send(ctx, m)
	})
	return err
}

func chunkData(m *bulk.Chunk, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// kuafuStructs streams structs, as the other frameworks do; kuafu streams bytes.
func kuafuStructs() Peer {
	return Peer{
		Name: "kuafu-struct", Title: "Kuafu, stream of structs", Kind: Ours,
		Serve: func(addr string) error { return kuafuServe(addr) },
		Connect: func(addr string, m *payload.Message) (*Conn, error) {
			conn, err := client.Dial(context.Background(), "tcp://"+addr)
			if err != nil {
				return nil, err
			}
			c := kuafuStreams{bulk.NewBulkClient(conn)}
			return &Conn{Down: c.downChunks, Up: c.upChunks, Echo: kuafuCall(echo.NewEchoClient(conn), m)}, nil
		},
	}
}

func kuafuConnect(co []client.Option) func(string, *payload.Message) (*Conn, error) {
	return func(addr string, m *payload.Message) (*Conn, error) {
		conn, err := client.Dial(context.Background(), "tcp://"+addr, co...)
		if err != nil {
			return nil, err
		}
		c := kuafuStreams{bulk.NewBulkClient(conn)}
		return &Conn{
			Down: c.down, Up: c.up, Chat: c.chat, Stick: c.stick,
			Echo: kuafuCall(echo.NewEchoClient(conn), m),
		}, nil
	}
}

// kuafuStreams are the streams of one connection.
type kuafuStreams struct{ client *bulk.BulkClient }

func (c kuafuStreams) down(ctx context.Context, n, size int, received *atomic.Int64) error {
	s, err := c.client.Down(ctx, int64(n), int64(size))
	if err != nil {
		return err
	}
	defer s.Cancel()
	if err := checkAndDrop(n, size, received, func() ([]byte, error) { return s.Recv(ctx) }, rpc.Recycle); err != nil {
		return err
	}
	return s.Finish(ctx)
}

func (c kuafuStreams) up(ctx context.Context, messages iter.Seq[[]byte]) error {
	s, err := c.client.Up(ctx)
	if err != nil {
		return err
	}
	defer s.Cancel()
	sent, err := sendAll(messages, func(b []byte) error { return s.Send(ctx, b) })
	if err != nil {
		return err
	}
	counted, err := s.Finish(ctx)
	if err != nil {
		return err
	}
	return checkSum(counted, sent)
}

func (c kuafuStreams) downChunks(ctx context.Context, n, size int, received *atomic.Int64) error {
	s, err := c.client.DownChunks(ctx, int64(n), int64(size))
	if err != nil {
		return err
	}
	defer s.Cancel()
	var m bulk.Chunk
	if err := checkPieces(n, size, received, func() ([]byte, error) { return chunkData(&m, s.RecvInto(ctx, &m)) }); err != nil {
		return err
	}
	return s.Finish(ctx)
}

func (c kuafuStreams) upChunks(ctx context.Context, messages iter.Seq[[]byte]) error {
	s, err := c.client.UpChunks(ctx)
	if err != nil {
		return err
	}
	defer s.Cancel()
	sent, err := sendAll(messages, func(b []byte) error { return s.Send(ctx, &bulk.Chunk{Data: b}) })
	if err != nil {
		return err
	}
	counted, err := s.Finish(ctx)
	if err != nil {
		return err
	}
	return checkSum(counted, sent)
}

func (c kuafuStreams) chat(ctx context.Context, size int) (Call, error) {
	s, err := c.client.Chat(ctx)
	if err != nil {
		return nil, err
	}
	m := &bulk.Chunk{Data: payload.Piece(size)}
	return func(int64) error {
		if err := s.Send(ctx, m); err != nil {
			return err
		}
		return checkPiece(size, func() ([]byte, error) { return chunkData(s.Recv(ctx)) })
	}, nil
}

func (c kuafuStreams) stick(ctx context.Context, n, size int) error {
	_, err := c.client.Down(ctx, int64(n), int64(size))
	return err
}
