package faults

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// bulk is how long small calls take on a connection beside one stream that fills it with messages of 64 KiB, which is in
// another process.
type bulk struct {
	idle, down, up         time.Duration // p99
	downSpeed, upSpeed     float64       // of the stream meanwhile, MB/s
	idleMid, downMid, up50 time.Duration // p50
}

func (b bulk) String() string {
	return fmt.Sprintf("p99 (p50) of a call: idle %v (%v), beside a download %v (%v) of %.0f MB/s, beside an upload %v (%v) of %.0f MB/s",
		b.idle, b.idleMid, b.down, b.downMid, b.downSpeed, b.up, b.up50, b.upSpeed)
}

const bulkMessage = 64 << 10

func measureBulk(t *testing.T, d time.Duration) (b bulk) {
	p := start(t, config{Address: home(t)})
	c := dial(t, p.address)
	b.idle, b.idleMid, _ = callsBeside(t, c, d, nil, nil)
	b.down, b.downMid, b.downSpeed = callsBeside(t, c, d, pour, func(s rpc.ClientStream) error {
		m, err := s.RecvBytes(t.Context())
		rpc.Recycle(m)
		return err
	})
	message := make([]byte, bulkMessage)
	b.up, b.up50, b.upSpeed = callsBeside(t, c, d, soak, func(s rpc.ClientStream) error {
		return s.SendBytes(t.Context(), message)
	})
	return b
}

// callsBeside makes calls for as long as d beside one stream of m, nil for none, on which step moves a message.
func callsBeside(t *testing.T, c *client.Client, d time.Duration, m *rpc.Method, step func(rpc.ClientStream) error) (p99, p50 time.Duration, speed float64) {
	moved := make(chan int, 1)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	begin := time.Now()
	if m == nil {
		moved <- 0
	} else {
		s, err := c.Open(t.Context(), m, &order{Size: bulkMessage})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Cancel()
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				if err := step(s); err != nil {
					t.Errorf("%s: %v", m.FullName, err)
					break
				}
			}
			moved <- n
		}()
	}
	var took times
	repeat(ctx, t, c, methodRead, order{ID: 1}, 200*time.Microsecond, &took)
	n := <-moved
	return took.quantile(0.99), took.quantile(0.5), float64(n) * bulkMessage / 1e6 / time.Since(begin).Seconds()
}

func figuresOfBulk(t *testing.T) {
	all := five(t, func() bulk { return measureBulk(t, span(2*time.Second)) })
	idle := medianOf(all, func(b bulk) time.Duration { return b.idle })
	down, up := medianOf(all, func(b bulk) time.Duration { return b.down }), medianOf(all, func(b bulk) time.Duration { return b.up })
	t.Logf("medians: p99 of a call %v idle, %v beside a download (%.2f x) of %.0f MB/s, %v beside an upload (%.2f x) of %.0f MB/s; the bar is %v",
		idle, down, float64(down)/float64(idle), medianOf(all, func(b bulk) float64 { return b.downSpeed }),
		up, float64(up)/float64(idle), medianOf(all, func(b bulk) float64 { return b.upSpeed }), max(300*time.Microsecond, 3*idle))
}

// unread is what a thousand streams that nobody reads, half in each direction, cost a stream on the same connection that
// goes to and fro, and what memory they hold.
type unread struct {
	idle, beside   time.Duration // p99 of a message's way there and back
	client, server int64         // bytes that the live heaps grew by
}

func (u unread) String() string {
	return fmt.Sprintf("p99 of a message and its echo: idle %v, beside %d unread streams %v; live heap of the client %+d KiB, of the server %+d KiB",
		u.idle, unreadStreams, u.beside, u.client>>10, u.server>>10)
}

const (
	unreadStreams = 1000
	clientBudget  = 256 << 20 // the defaults of WithStreamMemory
	serverBudget  = 128 << 20
	perStream     = 24 << 10 // goroutines, their stacks, what is known about a stream; its blocked message is its sender's
	perSide       = 4 << 20  // what senders are ahead of a connection, and buffers in pools
)

func measureUnread(t *testing.T, d time.Duration) (u unread) {
	p := start(t, config{Address: home(t)})
	c := dial(t, p.address)
	u.idle = echoes(t, c, d)
	client, server := liveHeap(), p.report().Heap
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	message := make([]byte, bulkMessage)
	for i := range unreadStreams {
		m := pour
		if i%2 == 1 {
			m = ignore
		}
		s, err := c.Open(ctx, m, &order{Size: bulkMessage})
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		if m == ignore {
			go func() {
				for s.SendBytes(ctx, message) == nil {
				}
			}()
		}
	}
	p.await(unreadStreams + 1)
	echoes(t, c, d/2) // until every window is full
	u.beside = echoes(t, c, d)
	u.client, u.server = liveHeap()-client, p.report().Heap-server
	return u
}

// echoes returns the p99 of a message's way to the server and back on a stream of its own.
func echoes(t *testing.T, c *client.Client, d time.Duration) time.Duration {
	s, err := c.Open(t.Context(), mirror, &order{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Cancel()
	var took times
	message := make([]byte, 1<<10)
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(200 * time.Microsecond) { // as often as callers call
		sent := time.Now()
		if err := s.SendBytes(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		if _, err := s.RecvBytes(t.Context()); err != nil {
			t.Fatal(err)
		}
		took.add(time.Since(sent))
	}
	return took.quantile(0.99)
}

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func figuresOfUnread(t *testing.T) {
	all := five(t, func() unread { return measureUnread(t, span(time.Second)) })
	idle, beside := medianOf(all, func(u unread) time.Duration { return u.idle }), medianOf(all, func(u unread) time.Duration { return u.beside })
	t.Logf("medians: p99 %v idle, %v beside %d unread streams, %.2f x; the client holds %d KiB of %d, the server %d KiB of %d", idle, beside,
		unreadStreams, float64(beside)/float64(idle),
		medianOf(all, func(u unread) int64 { return u.client >> 10 }), (clientBudget+unreadStreams*perStream+perSide)>>10,
		medianOf(all, func(u unread) int64 { return u.server >> 10 }), (serverBudget+unreadStreams*perStream+perSide)>>10)
}

// TestUnreadStreams: a thousand streams that nobody reads stay within the memory that is set aside for streams, and those
// that are read go on.
func TestUnreadStreams(t *testing.T) {
	var u unread
	for range attempts {
		u = measureUnread(t, span(time.Second))
		t.Log(u)
		unreadWithinBudget(t, u)
		if u.beside <= 2*u.idle+50*time.Millisecond {
			return
		}
	}
	t.Errorf("an echo takes %v in place of %v", u.beside, u.idle)
}

func unreadWithinBudget(t *testing.T, u unread) {
	t.Helper()
	if most := int64(clientBudget + unreadStreams*perStream + perSide); u.client > most {
		t.Errorf("the client holds %d bytes, more than %d", u.client, most)
	}
	if most := int64(serverBudget + unreadStreams*perStream + perSide); u.server > most {
		t.Errorf("the server holds %d bytes, more than %d", u.server, most)
	}
}
