package faults

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
)

// drip is a connection whose owner reads 1 KiB/s.
type drip struct {
	net.Conn
	read *atomic.Int64 // bytes
}

const (
	dripBytes = 256
	dripPause = time.Second / (1024 / dripBytes)
)

func (d drip) Read(b []byte) (int, error) {
	time.Sleep(dripPause) // that is what makes it slow
	n, err := d.Conn.Read(b[:min(len(b), dripBytes)])
	d.read.Add(int64(n))
	return n, err
}

// dripping is client.WithDialer's way to slow readers. The kernel does not read ahead for them either.
func dripping(read *atomic.Int64) client.Option {
	return client.WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if err := nc.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			return nil, err
		}
		return drip{nc, read}, nil
	})
}

// neighbours is how long the calls of normal clients take beside slow readers.
type neighbours struct {
	alone, beside time.Duration // 99th percentiles
	calls         int           // beside them
	read          int64         // bytes, by all slow readers
	readFor       time.Duration
}

func (n neighbours) String() string {
	return fmt.Sprintf("p99 %v alone, %v beside 50 slow readers (%.2f x, %d calls); these read %.0f bytes/s each",
		n.alone, n.beside, float64(n.beside)/float64(n.alone), n.calls, float64(n.read)/50/n.readFor.Seconds())
}

// measureNeighbours measures for d each.
func measureNeighbours(t testing.TB, d time.Duration) (n neighbours) {
	const each = 50
	p := start(t, config{Address: "tcp://127.0.0.1:0"})
	clients := make([]*client.Client, each)
	for i := range clients {
		clients[i] = dial(t, p.address)
	}
	normal := func() *times {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		var took times
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() { repeat(ctx, t, c, methodRead, order{Size: 1000}, 20*time.Millisecond, &took) })
		}
		wg.Wait()
		return &took
	}
	n.alone = normal().quantile(0.99)

	var read atomic.Int64
	slow := make([]*client.Client, each)
	ctx, cancel := context.WithCancel(t.Context())
	before := p.report().Begun
	begin := time.Now()
	for i := range slow {
		slow[i] = dial(t, p.address, dripping(&read))
		for range 8 { // 2 MiB for each, which it would take half an hour to read
			slow[i].Go(ctx, methodRead, &order{Size: 256 << 10}, new(receipt))
		}
	}
	p.await(before + 8*each)
	took := normal()
	n.beside, n.calls = took.quantile(0.99), took.count()
	n.read, n.readFor = read.Load(), time.Since(begin)
	cancel()
	var wg sync.WaitGroup
	for _, c := range slow {
		wg.Go(func() { c.Close() })
	}
	wg.Wait()
	return n
}

// TestSlowReaders: 50 clients that read 1 KiB/s do not hold up 50 others.
func TestSlowReaders(t *testing.T) {
	var n neighbours
	for range attempts {
		n = measureNeighbours(t, span(1200*time.Millisecond))
		t.Log(n)
		if n.read == 0 || n.read > int64(2*50*1024*n.readFor.Seconds()) {
			t.Fatalf("%v: these are no slow readers", n)
		}
		if n.beside <= 2*n.alone+20*time.Millisecond {
			return
		}
	}
	t.Errorf("%v: want at most twice as long, and 20 ms", n)
}
