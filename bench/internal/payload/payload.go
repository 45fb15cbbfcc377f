// Package payload makes the messages that every peer carries, and checks what comes back.
package payload

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// Message is the struct of the echo call, before it becomes each framework's own type.
type Message struct {
	ID         int64
	Body       string
	Tags       []string
	Attributes map[string]string
}

// Sizes are the names that New takes, smallest first.
func Sizes() []string { return []string{"64B", "1k", "64k"} }

// New makes a message of a size: "64B" has a body of 64 bytes and nothing else; "1k" and "64k" have three tags, two
// attributes and a body that brings the message to about 1 KiB, or is 64 KiB long itself. The text is random, which no
// compressor shortens by much, and the same in every process.
func New(size string) (*Message, error) {
	random := rand.New(rand.NewPCG(42, 42))
	m := &Message{ID: 1 << 40}
	switch size {
	case "64B":
		m.Body = text(random, 64)
		return m, nil
	case "1k":
		m.Body = text(random, 841)
	case "64k":
		m.Body = text(random, 64<<10)
	default:
		return nil, fmt.Errorf("no payload %q; there are %q", size, Sizes())
	}
	m.Tags = []string{text(random, 24), text(random, 24), text(random, 24)}
	m.Attributes = map[string]string{"trace-id": text(random, 32), "tenant-name": text(random, 32)}
	return m, nil
}

func text(random *rand.Rand, n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[random.IntN(len(letters))]
	}
	return string(b)
}

// ErrMismatch means that a reply is not what was sent.
var ErrMismatch = errors.New("the reply differs from the request")

// Check compares a reply to m, sent with the given id. It looks at the id and the lengths of every reply, which takes
// next to nothing, and at every byte of one reply in 1024, each caller's first among them.
func (m *Message) Check(id int64, reply Message) error {
	if reply.ID != id || len(reply.Body) != len(m.Body) || len(reply.Tags) != len(m.Tags) ||
		len(reply.Attributes) != len(m.Attributes) {
		return ErrMismatch
	}
	if id%1024 != 0 {
		return nil
	}
	if reply.Body != m.Body || !slices.Equal(reply.Tags, m.Tags) || !maps.Equal(reply.Attributes, m.Attributes) {
		return ErrMismatch
	}
	return nil
}

// Piece returns n bytes of text for a stream, the same in every process. Nobody may change them: all that ask for the
// same number share them.
func Piece(n int) []byte {
	pieces.Lock()
	defer pieces.Unlock()
	if pieces.bySize[n] == nil {
		if pieces.bySize == nil {
			pieces.bySize = make(map[int][]byte)
		}
		pieces.bySize[n] = []byte(text(rand.New(rand.NewPCG(43, 43)), n))
	}
	return pieces.bySize[n]
}

var pieces struct {
	sync.Mutex
	bySize map[int][]byte
}
