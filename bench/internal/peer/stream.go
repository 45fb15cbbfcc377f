package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
)

// Conn is one connection of a client, with calls and streams on it. Its functions may be called concurrently, unless
// the framework has one stream at a time on a connection.
type Conn struct {
	// Down has the server send n messages of size bytes each, receives them and adds their bytes to received.
	Down func(ctx context.Context, n, size int, received *atomic.Int64) error

	// Up sends messages and compares what the server has counted.
	Up func(ctx context.Context, messages iter.Seq[[]byte]) error

	// Echo makes the calls of the other measurements, next to the streams; nil where the framework cannot.
	Echo Call

	// Chat opens a stream on which the server sends each message back, and returns a Call that sends one of size bytes
	// and waits for it. nil where it is not measured.
	Chat func(ctx context.Context, size int) (Call, error)

	// Stick opens a stream on which the server sends n messages of size bytes, and receives none of them, ever. nil where
	// it is not measured.
	Stick func(ctx context.Context, n, size int) error
}

// Endless is how many messages last longer than any measurement.
const Endless = 1 << 40

// maxPiece bounds the messages that a server is asked for.
const maxPiece = 64 << 20

// sendPieces sends n messages of size bytes.
func sendPieces(n, size int64, send func([]byte) error) error {
	if size < 1 || size > maxPiece {
		return fmt.Errorf("messages of %d bytes", size)
	}
	b := payload.Piece(int(size))
	for range n {
		if err := send(b); err != nil {
			return err
		}
	}
	return nil
}

// countPieces receives until the stream ends and returns the number of bytes.
func countPieces(receive func() ([]byte, error)) (sum int64, err error) {
	return countAndDrop(receive, func([]byte) {})
}

// countAndDrop is countPieces, and calls drop with each message when it is done with it.
func countAndDrop(receive func() ([]byte, error), drop func([]byte)) (sum int64, err error) {
	for {
		b, err := receive()
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		sum += int64(len(b))
		drop(b)
	}
}

// checkPieces receives until the stream ends, and adds up in received what comes. There must be n messages of size
// bytes; of the first, each byte is looked at, of the others the last.
func checkPieces(n, size int, received *atomic.Int64, receive func() ([]byte, error)) error {
	return checkAndDrop(n, size, received, receive, func([]byte) {})
}

// checkAndDrop is checkPieces, and calls drop with each message when it is done with it.
func checkAndDrop(n, size int, received *atomic.Int64, receive func() ([]byte, error), drop func([]byte)) error {
	want := payload.Piece(size)
	for i := 0; ; i++ {
		b, err := receive()
		if errors.Is(err, io.EOF) {
			if i != n {
				return fmt.Errorf("%d messages came, not %d", i, n)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if len(b) != size || b[size-1] != want[size-1] || i == 0 && string(b) != string(want) {
			return payload.ErrMismatch
		}
		received.Add(int64(size))
		drop(b)
	}
}

// checkPiece receives one message, which must be of size bytes.
func checkPiece(size int, receive func() ([]byte, error)) error {
	b, err := receive()
	if err != nil {
		return err
	}
	if len(b) != size {
		return payload.ErrMismatch
	}
	return nil
}

// sendAll sends messages and returns the number of bytes.
func sendAll(messages iter.Seq[[]byte], send func([]byte) error) (sum int64, err error) {
	for b := range messages {
		if err := send(b); err != nil {
			return sum, err
		}
		sum += int64(len(b))
	}
	return sum, nil
}

// checkSum compares what a server has counted with what was sent.
func checkSum(counted, sent int64) error {
	if counted != sent {
		return fmt.Errorf("the server has counted %d bytes of %d", counted, sent)
	}
	return nil
}
