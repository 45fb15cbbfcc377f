package responder

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// conn counts what a Responder asks of it.
type conn struct {
	mu      sync.Mutex
	wakes   int
	flushes int
	reason  error
	woken   chan struct{} // buffered, 1
}

func newConn() *conn { return &conn{woken: make(chan struct{}, 1)} }

func (c *conn) Wake() {
	c.mu.Lock()
	c.wakes++
	c.mu.Unlock()
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

func (c *conn) Flush() {
	c.mu.Lock()
	c.flushes++
	c.mu.Unlock()
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

func (c *conn) Abort(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reason = reason
}

// text is a dialect whose replies are given strings.
type text struct{ reply []byte }

func (text) Open(*rpc.Call) error { return nil }
func (d text) AppendReply(dst []byte, _ *rpc.Call, _ rpc.Reply) []byte {
	return append(dst, d.reply...)
}

func call(reply []byte) *rpc.Call { return &rpc.Call{Dialect: text{reply}} }

func newResponder(t *testing.T, c Conn, o Options) *Responder {
	t.Helper()
	f, err := NewFactory(o)
	if err != nil {
		t.Fatal(err)
	}
	return f.New(c)
}

func TestRepliesAreCoalesced(t *testing.T) {
	c := newConn()
	r := newResponder(t, c, Options{})
	var want []byte
	for i := range 100 {
		b := fmt.Appendf(nil, "reply %d;", i)
		want = append(want, b...)
		r.Reply(call(b), rpc.Reply{})
	}
	if c.flushes != 0 || c.wakes != 0 {
		t.Errorf("%d flushes and %d wake-ups before Flush", c.flushes, c.wakes)
	}
	r.Flush()
	if c.flushes != 1 || c.wakes != 0 {
		t.Errorf("%d flushes and %d wake-ups after Flush", c.flushes, c.wakes)
	}
	got := r.Next(1 << 20)
	if len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("%d buffers: %q", len(got), got)
	}
	r.Written()
	if n := r.Pending(); n != 0 {
		t.Errorf("%d bytes pending", n)
	}
	if r.Next(1<<20) != nil && len(r.Next(1<<20)) != 0 {
		t.Error("there is more")
	}
}

func TestLimitOfNext(t *testing.T) {
	r := newResponder(t, newConn(), Options{})
	big := bytes.Repeat([]byte("x"), shareLimit+1)
	for range 4 {
		r.Reply(call(big), rpc.Reply{})
	}
	for _, want := range []int{2, 1, 1, 0} {
		limit := len(big) - 1 // less than one buffer: one comes all the same
		if want == 2 {
			limit = 2*len(big) + 10
		}
		if got := len(r.Next(limit)); got != want {
			t.Fatalf("%d buffers, want %d", got, want)
		}
		r.Written()
	}
}

func TestNoReplyToOneway(t *testing.T) {
	c := newConn()
	r := newResponder(t, c, Options{})
	oneway := call([]byte("no"))
	oneway.Oneway = true
	r.Reply(oneway, rpc.Reply{})
	declared := call([]byte("no"))
	declared.Handler = &rpc.Handler{Method: &rpc.Method{Oneway: true}}
	r.Reply(declared, rpc.Reply{})
	if r.Pending() != 0 || c.wakes != 0 {
		t.Errorf("%d bytes, %d wake-ups", r.Pending(), c.wakes)
	}
	if declared.Context().Err() == nil {
		t.Error("the call's context goes on")
	}
}

func TestSlowConsumer(t *testing.T) {
	c := newConn()
	r := newResponder(t, c, Options{MaxPending: 100})
	r.Reply(call(make([]byte, 60)), rpc.Reply{})
	r.Next(1000) // being written, and so still pending
	r.Reply(call(make([]byte, 40)), rpc.Reply{})
	if c.reason != nil {
		t.Fatalf("aborted at the bound: %v", c.reason)
	}
	r.Reply(call(make([]byte, 1)), rpc.Reply{})
	if !errors.Is(c.reason, ErrSlowConsumer) {
		t.Fatalf("aborted with %v", c.reason)
	}
	r.Written()
	r.Reply(call([]byte("late")), rpc.Reply{})
	if got := r.Next(1000); len(got) != 0 || r.Pending() != 0 {
		t.Errorf("%d buffers, %d bytes after the end", len(got), r.Pending())
	}
}

func TestCloseDropsOutput(t *testing.T) {
	r := newResponder(t, newConn(), Options{})
	r.Send([]byte("a"))
	r.Close()
	r.Send([]byte("b"))
	if got := r.Next(1000); len(got) != 0 || r.Pending() != 0 {
		t.Errorf("%d buffers, %d bytes after Close", len(got), r.Pending())
	}
}

// Every byte of every reply arrives once and whole, whatever the sizes and the number of goroutines, and buffers are not
// given out again while they are being written.
func TestConcurrentReplies(t *testing.T) {
	const writers, each = 8, 300
	c := newConn()
	r := newResponder(t, c, Options{})
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for i := range each {
				size := rng.IntN(64)
				if rng.IntN(20) == 0 {
					size = rng.IntN(3 * shareLimit)
				}
				// one record: writer, serial number, size, and that many bytes of the writer's own
				b := []byte{byte(w), byte(i), byte(i >> 8), byte(size), byte(size >> 8), byte(size >> 16)}
				r.Reply(call(append(b, bytes.Repeat([]byte{byte(w)}, size)...)), rpc.Reply{})
				r.Flush()
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	var stream []byte
	for ended := false; !ended || r.Pending() > 0; {
		select {
		case <-c.woken:
		case <-done:
			ended = true
		}
		for bufs := r.Next(32 << 10); len(bufs) > 0; bufs = r.Next(32 << 10) {
			for _, b := range bufs {
				stream = append(stream, b...)
			}
			r.Written()
		}
	}
	var next [writers]int
	for len(stream) > 0 {
		w, i := stream[0], int(stream[1])|int(stream[2])<<8
		size := int(stream[3]) | int(stream[4])<<8 | int(stream[5])<<16
		if i != next[w] {
			t.Fatalf("writer %d: record %d, want %d", w, i, next[w])
		}
		next[w]++
		if n := bytes.Count(stream[6:6+size], []byte{w}); n != size {
			t.Fatalf("writer %d: record %d: %d of %d bytes are its own", w, i, n, size)
		}
		stream = stream[6+size:]
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d: %d records of %d", w, n, each)
		}
	}
}

// TestIdleHoldsNothing has a connection send a little and much, and looks at what it keeps.
func TestIdleHoldsNothing(t *testing.T) {
	if size := unsafe.Sizeof(Responder{}); size > 80 {
		t.Errorf("Responder has grown to %d bytes", size)
	}
	r := newResponder(t, newConn(), Options{})
	for _, replies := range []int{1, 10 * keepSegments} {
		big := make([]byte, shareLimit+1)
		for range replies {
			r.Reply(call(big), rpc.Reply{})
		}
		for len(r.Next(1<<20)) > 0 {
			r.Written()
		}
		if r.turn != nil || r.pending != nil || r.Pending() != 0 {
			t.Errorf("after %d replies: a turn %v, pending %v, %d bytes", replies, r.turn, r.pending, r.Pending())
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := NewFactory(Options{MaxPending: -1}); err == nil {
		t.Error("a negative bound passed")
	}
}

func BenchmarkReply(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f, err := NewFactory(Options{})
			if err != nil {
				b.Fatal(err)
			}
			r := f.New(newConn())
			c := &rpc.Call{Dialect: text{make([]byte, size)}, Encoding: codec.Binary}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for i := range b.N {
				r.Reply(c, rpc.Reply{})
				if i%32 == 31 {
					r.Next(16 << 20)
					r.Written()
				}
			}
		})
	}
}
