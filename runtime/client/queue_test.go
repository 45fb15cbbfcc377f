package client

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// only returns the client's one connection.
func only(t *testing.T, c *Client) *conn {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.conns) != 1 {
		t.Fatalf("%d connections", len(c.conns))
	}
	for cn := range c.conns {
		return cn
	}
	return nil
}

func (cn *conn) queuedBytes() int {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	return cn.queued
}

// A server that does not read holds up callers, not memory.
func TestQueueLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10_000
		c, s := newPipes(t).connect(WithMaxQueue(limit), WithKeepalive(0, 0))
		defer c.Close()
		cn := only(t, c)
		body := strings.Repeat("x", 900)
		var calls []<-chan outcome
		for range 50 {
			calls = append(calls, start(context.Background(), c, body))
		}
		synctest.Wait()
		if n := cn.queuedBytes(); n > limit || n < limit-1000 {
			t.Errorf("%d bytes queued, the limit is %d", n, limit)
		}

		// These wait their turn, and may give up: by context, by timeout, and asynchronous ones before Go returns.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantError(t, (<-start(ctx, c, body)).err, rpc.DeadlineExceeded, rpc.NotExecuted, "room in the outgoing queue")
		short := *echo
		short.Timeout = time.Second
		wantError(t, c.Call(context.Background(), &short, &text{body}, new(text)), rpc.DeadlineExceeded, rpc.NotExecuted, "timeout of 1s ended the wait for room")
		wantError(t, c.Go(context.Background(), &short, &text{body}, new(text)).Wait(context.Background()), rpc.DeadlineExceeded, rpc.NotExecuted, "room")

		// One that is larger than the limit gets in when the queue is empty, before those that came later.
		huge := start(context.Background(), c, strings.Repeat("y", 3*limit))
		synctest.Wait()
		last := start(context.Background(), c, body)
		go s.serve(func(g got) string { return g.text[:1] })
		for _, o := range calls {
			wantText(t, <-o, "x")
		}
		wantText(t, <-huge, "y")
		wantText(t, <-last, "x")
		synctest.Wait() // the reply may be faster than the end of the write
		if n := cn.queuedBytes(); n != 0 {
			t.Errorf("%d bytes queued at the end", n)
		}
	})
}

// Giving up at the head of the line lets in what is behind it, and a grant that comes too late is handed on.
func TestQueueGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect(WithMaxQueue(10_000), WithKeepalive(0, 0), WithCompression(-1))
		defer c.Close()
		first := start(context.Background(), c, strings.Repeat("x", 6000))
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		large := start(ctx, c, strings.Repeat("y", 6000)) // does not fit
		synctest.Wait()
		small := start(context.Background(), c, strings.Repeat("z", 1000)) // would, but is behind
		synctest.Wait()
		if n := only(t, c).queuedBytes(); n > 7000 {
			t.Errorf("%d bytes queued: the line was jumped", n)
		}
		cancel()
		wantError(t, (<-large).err, rpc.Canceled, rpc.NotExecuted, "room")
		synctest.Wait()
		if n := only(t, c).queuedBytes(); n < 7000 {
			t.Errorf("%d bytes queued: what fits was not let in", n)
		}
		go s.serve(func(g got) string { return g.text[:1] })
		wantText(t, <-first, "x")
		wantText(t, <-small, "z")
	})
}

// Callers that wait for room are told when the connection goes, and try the next.
func TestQueueLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect(WithMaxQueue(1000))
		defer c.Close()
		first := start(context.Background(), c, strings.Repeat("x", 900))
		synctest.Wait()
		second := start(context.Background(), c, strings.Repeat("y", 900))
		synctest.Wait()
		s.nc.Read(make([]byte, 10))
		s.nc.Close()
		wantError(t, (<-first).err, rpc.Unavailable, rpc.MaybeExecuted, "")
		next := <-p.peers
		next.greet()
		next.reply(next.call().id, "Y")
		wantText(t, <-second, "Y")
	})
}

// Over a real socket whose buffers fill: writes are cut anywhere, nothing blocks the callers, and all arrives in order.
func TestSlowServer(t *testing.T) {
	noLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	read := make(chan struct{})
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		s := &peer{t, nc}
		s.greet()
		<-read
		var last uint64
		s.serve(func(g got) string {
			if g.id <= last {
				t.Errorf("id %d after %d", g.id, last)
			}
			last = g.id
			return g.text[:min(len(g.text), 10)]
		})
	}()
	c, err := Dial(context.Background(), "tcp://"+ln.Addr().String(), WithCompression(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var pend []rpc.Pending
	results := make([]text, 300)
	for i := range results {
		size := []int{10, 1000, linkSize, 200_000}[i%4] // 15 MB in all
		pend = append(pend, c.Go(ctx, echo, &text{strings.Repeat(string(rune('a'+i%26)), size)}, &results[i]))
	}
	// With nothing read a caller's deadline still works.
	short, cancelShort := context.WithTimeout(ctx, time.Second) // time enough to be queued
	defer cancelShort()
	wantError(t, (<-start(short, c, "x")).err, rpc.DeadlineExceeded, rpc.MaybeExecuted, "the reply")
	if only(t, c).queuedBytes() == 0 {
		t.Error("the socket took everything: the test is too small")
	}
	close(read)
	for i, p := range pend {
		if err := p.Wait(context.Background()); err != nil || results[i].s != strings.Repeat(string(rune('a'+i%26)), 10) {
			t.Fatalf("call %d: got %q, %v", i, results[i].s, err)
		}
	}
	cancel()
}

// A connection that is reset in the middle of a batch.
func TestReset(t *testing.T) {
	noLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		ln.Close()
		io.CopyN(io.Discard, nc, 100_000)
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
	}()
	c, err := Dial(context.Background(), "tcp://"+ln.Addr().String(), WithCompression(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			err := c.Call(context.Background(), echo, &text{strings.Repeat("x", 200_000)}, new(text))
			if e, ok := err.(*rpc.Error); !ok || e.Code != rpc.Unavailable {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
}

func TestTable(t *testing.T) {
	var tab table
	long := &call{}
	first := tab.next()
	tab.add(first, long)
	last := first
	var live []uint64
	for i := range 100_000 {
		id := tab.next()
		if id <= last {
			t.Fatalf("id %d after %d", id, last)
		}
		last = id
		c := &call{id: id}
		tab.add(id, c)
		live = append(live, id)
		if e := tab.find(id); e == nil || e.call != c {
			t.Fatalf("id %d is not found", id)
		}
		if i%3000 > 100 || len(live) > 40 { // up to 140 at a time, in bursts
			old := live[0]
			live = live[1:]
			tab.remove(tab.find(old))
			if tab.find(old) != nil {
				t.Fatalf("id %d is still found", old)
			}
		}
	}
	if e := tab.find(first); e == nil || e.call != long {
		t.Error("the long call is lost")
	}
	if len(tab.slots) > 1024 {
		t.Errorf("%d slots for %d calls", len(tab.slots), tab.n)
	}
	for _, id := range []uint64{0, last + 1, 1 << 63} {
		if tab.find(id) != nil {
			t.Errorf("found id %d", id)
		}
	}
	if n := len(tab.removeAbove(0)); n != len(live)+1 || tab.n != 0 {
		t.Errorf("removed %d of %d, %d are left", n, len(live)+1, tab.n)
	}
}

// The ring shrinks again after a burst.
func TestTableShrinks(t *testing.T) {
	var tab table
	for range 50_000 {
		tab.add(tab.next(), &call{})
	}
	for id := uint64(1); id <= 50_000; id++ {
		tab.remove(tab.find(id))
	}
	if len(tab.slots) != minSlots {
		t.Errorf("%d slots are left", len(tab.slots))
	}
	if id := tab.next(); id != 50_001 {
		t.Errorf("next id %d", id)
	}
}

func TestGreetingLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client()
		defer c.Close()
		a := start(context.Background(), c, "a")
		s := <-p.peers
		s.hear()
		s.call()
		b := wire.AppendPreamble(nil, wire.Preamble{MaxFrame: 1})
		s.write(b)
		wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, "frame limit of 1 bytes")
	})
}
