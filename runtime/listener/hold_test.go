package listener

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
)

// keeper is an output whose memory is needed back at once: Hold puts a copy in its place and spoils it.
type keeper struct {
	*testConn

	mu   sync.Mutex
	left int // of bytes, which count from 0
	sent uint32
	bufs [][]byte
	held int
}

func (k *keeper) Next(int) [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left == 0 {
		return nil
	}
	k.left--
	k.bufs = [][]byte{make([]byte, 1000), make([]byte, 100_000)}
	for _, b := range k.bufs {
		for i := range len(b) / 4 {
			binary.BigEndian.PutUint32(b[4*i:], k.sent)
			k.sent++
		}
	}
	return k.bufs
}

func (k *keeper) Hold() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, b := range k.bufs {
		k.bufs[i] = bytes.Clone(b)
		clear(b)
	}
	k.held++
}

func (k *keeper) Written() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range k.bufs {
		clear(b)
	}
	k.bufs = nil
}

// TestHold: while the socket is full, and where a write blocks, what is written is what Hold has put there.
func TestHold(t *testing.T) {
	const messages = 200 // 20 MB, more than sockets hold
	for _, secure := range []bool{false, true} {
		var k *keeper
		setup := func(c *testConn) {
			k = &keeper{testConn: c, left: messages}
			c.instead = k
		}
		var s *testServer
		var nc io.Reader
		if secure {
			tls := serveTLS(t, Options{}, setup)
			s = tls.testServer
			nc, _ = tls.dialTLS(nil)
		} else {
			s = serve(t, Options{Window: 300_000}, setup)
			nc = dial(t, s)
		}
		c := s.next()
		c.conn.Flush()
		eventually(t, "the socket is full", func() bool {
			k.mu.Lock()
			defer k.mu.Unlock()
			return k.held > 0
		})
		b := make([]byte, messages*101_000)
		if _, err := io.ReadFull(nc, b); err != nil {
			t.Fatal(err)
		}
		for i := range len(b) / 4 {
			if got := binary.BigEndian.Uint32(b[4*i:]); got != uint32(i) {
				t.Fatalf("number %d is %d", i, got)
			}
		}
	}
}

// placer is a Session of messages that begin with their length, 4 bytes, which are read into place.
type placer struct {
	*testConn
	head   []byte
	body   []byte // under assembly; its capacity is its size
	placed int    // bytes
	got    chan []byte
}

func (p *placer) Feed(b []byte) error {
	for len(b) > 0 {
		if p.body == nil {
			p.head, b = append(p.head, b[0]), b[1:]
			if len(p.head) == 4 {
				p.body, p.head = make([]byte, 0, binary.BigEndian.Uint32(p.head)), nil
			}
			continue
		}
		n := min(cap(p.body)-len(p.body), len(b))
		p.body, b = append(p.body, b[:n]...), b[n:]
		p.complete()
	}
	return nil
}

func (p *placer) complete() {
	if len(p.body) == cap(p.body) {
		p.got <- p.body
		p.body = nil
	}
}

func (p *placer) Place() []byte { return p.body[len(p.body):cap(p.body)] }

func (p *placer) Placed(n int) error {
	p.placed += n
	p.body = p.body[:len(p.body)+n]
	p.complete()
	return nil
}

// TestPlace: input that is read into place arrives as it would by Feed, wherever it is cut.
func TestPlace(t *testing.T) {
	const messages = 300
	p := &placer{got: make(chan []byte, messages)}
	s := serve(t, Options{}, func(c *testConn) {
		p.testConn = c
		c.instead = p
	})
	nc := dial(t, s)
	rng := rand.New(rand.NewPCG(1, 2))
	sizes, stream := make([]int, messages), []byte(nil)
	for i := range sizes {
		sizes[i] = 1 + rng.IntN([]int{10, 1000, 20_000, 200_000}[rng.IntN(4)])
		stream = binary.BigEndian.AppendUint32(stream, uint32(sizes[i]))
		stream = append(stream, bytes.Repeat([]byte{byte(i)}, sizes[i])...)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for rest := stream; len(rest) > 0; {
			n := min(1+rng.IntN([]int{10, 70_000, 1 << 20}[rng.IntN(3)]), len(rest))
			if _, err := nc.Write(rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
	})
	for i, size := range sizes {
		if b := <-p.got; len(b) != size || bytes.Count(b, []byte{byte(i)}) != size {
			t.Fatalf("message %d has %d bytes, %d of them right, want %d", i, len(b), bytes.Count(b, []byte{byte(i)}), size)
		}
	}
	wg.Wait()
	nc.Close()
	if err := p.wait(); err != io.EOF {
		t.Errorf("the end: %v", err)
	}
	if p.placed == 0 {
		t.Error("nothing was read into place")
	}
}
