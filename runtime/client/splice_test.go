package client

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// TestSplicedCalls: calls whose strings are written from where they are arrive whole and in order, among others, over a socket
// whose buffers fill, also where callers have given up by then.
func TestSplicedCalls(t *testing.T) {
	noLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	read := make(chan struct{})
	served := make(chan map[byte]int, 1)
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
		seen := make(map[byte]int)
		s.serve(func(g got) string {
			if g.id <= last {
				t.Errorf("id %d after %d", g.id, last)
			}
			last = g.id
			if n := strings.Count(g.text, g.text[:1]); n != len(g.text) {
				t.Errorf("call %d: %d of %d bytes are its own", g.id, n, len(g.text))
			}
			seen[g.text[0]]++
			return g.text[:1]
		})
		served <- seen
	}()
	c, err := Dial(context.Background(), "tcp://"+ln.Addr().String(), WithCompression(-1))
	if err != nil {
		t.Fatal(err)
	}
	const callers = 26
	var waiting, all sync.WaitGroup
	waiting.Add(callers)
	for i := range callers {
		letter := string(rune('a' + i))
		all.Go(func() {
			// The first one's end comes while its frame, or a part of it, is in the queue.
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			err := c.Call(ctx, echo, &text{strings.Repeat(letter, 300_000)}, new(text))
			if e := (*rpc.Error)(nil); !errors.As(err, &e) || e.Code != rpc.DeadlineExceeded {
				t.Errorf("%s: got %v while nobody read", letter, err)
			}
			waiting.Done()
			for _, size := range []int{10, wire.SpliceSize - 1, wire.SpliceSize, 1000, 200_000} {
				wantText(t, <-start(context.Background(), c, strings.Repeat(letter, size)), letter)
			}
		})
	}
	waiting.Wait()
	close(read)
	all.Wait()
	cn := only(t, c)
	c.Close() // which waits for whoever writes
	if n := cn.queuedBytes(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
	for letter, n := range <-served {
		if n < 5 || n > 6 {
			t.Errorf("%d calls of %c arrived, of 6 of which 5 had to", n, letter)
		}
	}
}

// TestSplicesAreForgotten: a call that was not sent leaves nothing for the next that its slot is used for.
func TestSplicesAreForgotten(t *testing.T) {
	k := new(call)
	d := wire.Dialect{Threshold: -1}
	var err error
	if k.frame, k.splices, err = d.AppendCallSplices(nil, nil, 1, echo, &text{strings.Repeat("x", wire.SpliceSize)}, nil); err != nil || len(k.splices) != 1 {
		t.Fatalf("%d splices, %v", len(k.splices), err)
	}
	if k.forget(); len(k.splices) != 0 || k.splices[:1][0].Text != "" {
		t.Error("a slot that is kept holds a call's string")
	}
}

// TestTakenBackSplicesAreForgotten: strings that were left out of a frame at first, and then were not, because it was compressed or
// could not be encoded, are kept neither in a slot, nor in what users hold of a call.
func TestTakenBackSplicesAreForgotten(t *testing.T) {
	long := strings.Repeat("x", wire.SpliceSize)
	kept := func(list codec.Splices) bool {
		return slices.ContainsFunc(list[:cap(list)], func(s codec.Splice) bool { return s.Text != "" })
	}
	for name, d := range map[string]wire.Dialect{"compressed": {}, "too large": {Threshold: -1, MaxMessage: 100}} {
		k := new(call)
		_, list, _ := d.AppendCallSplices(nil, make(codec.Splices, 0, 4), 1, echo, &text{long}, nil)
		if k.splices = list; len(list) > 0 || !kept(list) {
			t.Fatalf("%s: the string was not taken back", name)
		}
		if k.forget(); kept(k.splices) {
			t.Errorf("%s: a slot that is kept holds a call's string", name)
		}
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		newHost(t, nc, stream.Config{}, func(h *hosted) { h.reply("") }).wg.Wait()
	}()
	ctx := context.Background()
	c, err := Dial(ctx, "tcp://"+ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := c.Go(ctx, echo, &text{long}, new(text)).(*pending)
	if err := p.Wait(ctx); err != nil {
		t.Error(err)
	}
	s := open(t, c, chat, long)
	finish(t, s, "")
	if kept(p.call.splices) || kept(s.call.splices) {
		t.Error("a call that users hold holds the string that it was sent with")
	}
	c.Close()
	<-done
}
