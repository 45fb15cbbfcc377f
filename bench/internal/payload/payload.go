// Package payload makes the messages that every peer carries, and checks what comes back.
package payload

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Message is the struct of the echo call, before it becomes each framework's own type.
type Message struct {
	ID         int64
	Body       string
	Tags       []string
	Attributes map[string]string
}

// Sizes are the names that the measurements of calls use, smallest first.
func Sizes() []string { return []string{"64B", "1k", "64k"} }

// maxSize is the largest that New takes.
const maxSize = 32 << 20

// New makes a message of a size, such as "64B", "1k" or "16M": up to 512 bytes it has a body of that length and nothing
// else; above, also three tags and two attributes, which are a part of the size up to 32 KiB and come on top from there
// on. The text is random, which no compressor shortens by much, and the same in every process.
func New(size string) (*Message, error) {
	n, err := parse(size)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(42, 42))
	m := &Message{ID: 1 << 40}
	switch {
	case n <= 512:
		m.Body = text(random, n)
		return m, nil
	case n <= 32<<10:
		m.Body = text(random, n-rest)
	default:
		m.Body = text(random, n)
	}
	m.Tags = []string{text(random, 24), text(random, 24), text(random, 24)}
	m.Attributes = map[string]string{"trace-id": text(random, 32), "tenant-name": text(random, 32)}
	return m, nil
}

// rest is what the tags, the attributes and the encoding of a message take, about.
const rest = 183

func parse(size string) (int, error) {
	digits, unit := size, 1
	for suffix, n := range map[string]int{"B": 1, "k": 1 << 10, "M": 1 << 20} {
		if d, ok := strings.CutSuffix(size, suffix); ok {
			digits, unit = d, n
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > maxSize/unit {
		return 0, fmt.Errorf("no payload %q: it must be like 64B, 1k or 16M, and %d MiB at most", size, maxSize>>20)
	}
	return n * unit, nil
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
