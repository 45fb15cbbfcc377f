package cell

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// side is what a client's one connection is asked to carry for a window: a caller, and a bulk stream beside it.
type side struct {
	Chat bool      // the caller sends messages of 1 KiB on a stream that returns them; otherwise it makes calls
	Bulk Direction `json:",omitempty"` // Down or Up; "" for no stream
	Size int       // bytes of each message of the bulk stream
}

// chatSize is how long the messages of a chat are.
const chatSize = 1 << 10

// bulkStream is a stream that carries as much as it can until it is stopped.
type bulkStream struct {
	carried atomic.Int64 // bytes
	cancel  context.CancelFunc
	ended   chan error // capacity 1
}

// beside starts a caller on the child's connection, and a bulk stream if s has one.
func (c *child) beside(s side) error {
	if err := c.connect(); err != nil {
		return err
	}
	if c.conn.Echo == nil || c.conn.Chat == nil {
		return fmt.Errorf("%s has no calls beside streams", c.peer.Name)
	}
	if s.Bulk != "" {
		bulk, err := startBulk(c.conn, s)
		if err != nil {
			return err
		}
		c.bulk = bulk
	}
	call := c.conn.Echo
	if s.Chat {
		ctx, cancel := context.WithCancel(context.Background())
		c.endChat = cancel
		chat, err := c.conn.Chat(ctx, chatSize)
		if err != nil {
			return err
		}
		call = chat
	}
	c.load = newCallers([]peer.Call{call})
	return nil
}

func startBulk(conn *peer.Conn, s side) (*bulkStream, error) {
	ctx, cancel := context.WithCancel(context.Background())
	b := &bulkStream{cancel: cancel, ended: make(chan error, 1)}
	switch s.Bulk {
	case Down:
		go func() { b.ended <- conn.Down(ctx, peer.Endless, s.Size, &b.carried) }()
	case Up:
		go func() { b.ended <- conn.Up(ctx, b.messages(ctx, s.Size)) }()
	default:
		cancel()
		return nil, fmt.Errorf("there is no bulk stream %q", s.Bulk)
	}
	return b, nil
}

// messages yields messages until ctx ends. What it counts has been taken by the framework.
func (b *bulkStream) messages(ctx context.Context, size int) iter.Seq[[]byte] {
	message := payload.Piece(size)
	return func(yield func([]byte) bool) {
		for ctx.Err() == nil && yield(message) {
			b.carried.Add(int64(size))
		}
	}
}

// stop ends the stream; it must not have ended before.
func (b *bulkStream) stop() error {
	select {
	case err := <-b.ended:
		return errors.Join(errors.New("the bulk stream has ended before the window"), err)
	default:
	}
	b.cancel()
	select {
	case <-b.ended: // with whatever error a canceled stream has
		return nil
	case <-time.After(drainTimeout):
		return fmt.Errorf("the bulk stream goes on %v after it was canceled", drainTimeout)
	}
}

// endSide ends what beside has started, except for the caller.
func (c *child) endSide() error {
	if c.endChat != nil {
		c.endChat()
		c.endChat = nil
	}
	if c.bulk == nil {
		return nil
	}
	err := c.bulk.stop()
	c.bulk = nil
	return err
}

// stuckBytes is what the server has to send on each stream that nobody reads. A window that does not grow without a
// reader is full long before. One that does needs so much memory for each stream, and a thousand of them gigabytes if
// there were no end.
const stuckBytes = 1 << 20

// stick opens n streams that nobody reads.
func (c *child) stick(n, size int) error {
	if err := c.connect(); err != nil {
		return err
	}
	if c.conn.Stick == nil {
		return fmt.Errorf("%s has no streams that can be left alone", c.peer.Name)
	}
	for i := range n {
		if err := c.conn.Stick(context.Background(), stuckBytes/size, size); err != nil {
			return fmt.Errorf("stream %d: %w", i, err)
		}
	}
	return nil
}
