package peer

import (
	"math/bits"
	"sync"

	"google.golang.org/grpc/experimental"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
)

const minPooled = 256

// bufferPool has a tier for each power of two and does not clear buffers. gRPC's own pool has the tiers 256 B, 4 KiB,
// 16 KiB, 32 KiB and 1 MiB and clears each buffer it hands out, so a message of 64 KiB costs it 1 MiB of clearing at
// either end.
type bufferPool struct{ tiers [31]sync.Pool }

// Get implements mem.BufferPool.
func (p *bufferPool) Get(n int) *[]byte {
	tier := bits.Len(uint(max(n, minPooled) - 1))
	if tier >= len(p.tiers) {
		b := make([]byte, n)
		return &b
	}
	if b, ok := p.tiers[tier].Get().(*[]byte); ok {
		*b = (*b)[:n]
		return b
	}
	b := make([]byte, n, 1<<tier)
	return &b
}

// Put implements mem.BufferPool.
func (p *bufferPool) Put(b *[]byte) {
	size := cap(*b)
	if tier := bits.Len(uint(size)) - 1; size >= minPooled && size == 1<<tier && tier < len(p.tiers) {
		p.tiers[tier].Put(b)
	}
}

// withBufferPool makes a gRPC peer use a bufferPool. gRPC's encoder takes its buffers from the process's default pool,
// so that is what has to be replaced; a process of a measurement runs one peer only.
func withBufferPool(p Peer) Peer {
	set := sync.OnceFunc(func() { experimental.SetDefaultBufferPool(&bufferPool{}) })
	serve, dial, connect := p.Serve, p.Dial, p.Connect
	p.Serve = func(addr string) error {
		set()
		return serve(addr)
	}
	p.Dial = func(addr string, callers, conns int, m *payload.Message) ([]Call, error) {
		set()
		return dial(addr, callers, conns, m)
	}
	p.Connect = func(addr string, m *payload.Message) (*Conn, error) {
		set()
		return connect(addr, m)
	}
	return p
}
