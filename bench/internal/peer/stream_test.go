package peer

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
)

// receiver returns messages one by one, and then io.EOF.
func receiver(messages ...[]byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(messages) == 0 {
			return nil, io.EOF
		}
		m := messages[0]
		messages = messages[1:]
		return m, nil
	}
}

func TestCheckPieces(t *testing.T) {
	good := payload.Piece(100)
	first, last := slices.Clone(good), slices.Clone(good)
	first[0]++
	last[99]++
	var received atomic.Int64
	if err := checkPieces(2, 100, &received, receiver(good, good)); err != nil || received.Load() != 200 {
		t.Errorf("%d bytes, %v", received.Load(), err)
	}
	for name, receive := range map[string]func() ([]byte, error){
		"one too few":           receiver(good),
		"one too many":          receiver(good, good, good),
		"a short one":           receiver(good, good[:99]),
		"a changed first byte":  receiver(first, good),
		"a changed last byte":   receiver(good, last),
		"a changed byte within": receiver(append(slices.Clone(good[:50]), first[:50]...), good),
		"an error":              func() ([]byte, error) { return nil, io.ErrUnexpectedEOF },
	} {
		if err := checkPieces(2, 100, new(atomic.Int64), receive); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := checkSum(99, 100); err == nil {
		t.Error("a byte is missing, and nobody says so")
	}
}

func TestSendPieces(t *testing.T) {
	sent := 0
	if err := sendPieces(3, 10, func(b []byte) error { sent += len(b); return nil }); err != nil || sent != 30 {
		t.Errorf("%d bytes, %v", sent, err)
	}
	if err := sendPieces(3, 10, func([]byte) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	for _, size := range []int64{-1, 0, maxPiece + 1} {
		if err := sendPieces(1, size, func([]byte) error { return nil }); err == nil {
			t.Errorf("messages of %d bytes", size)
		}
	}
}
