package client

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
)

// gated is a connection from which nothing is read any more once it is shut, until the gate is open.
type gated struct {
	net.Conn
	shut atomic.Bool
	gate chan struct{}
}

func (g *gated) Read(b []byte) (int, error) {
	if g.shut.Load() {
		<-g.gate
	}
	return g.Conn.Read(b)
}

// TestSendBytesLends: the memory of a message is its sender's again when SendBytes returns, also where the socket has taken only
// a part of it.
func TestSendBytesLends(t *testing.T) {
	const messages, window = 400, 16 << 20 // 26 MB, with credit for half of that: more than sockets hold
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	gate := make(chan struct{})
	got := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		nc, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		g := &gated{Conn: nc, gate: gate}
		host := newHost(t, g, stream.Config{Window: window, MaxWindow: window, ConnWindow: window}, func(h *hosted) {
			g.shut.Store(true) // it has its credit
			<-gate
			for i := range messages {
				b, err := h.recv()
				if err != nil || len(b) != 64<<10 || bytes.Count(b, []byte{byte(i)}) != len(b) {
					t.Errorf("message %d: %d bytes, %d of them right, %v", i, len(b), bytes.Count(b, []byte{byte(i)}), err)
					break
				}
			}
			h.reply("")
		})
		host.wg.Wait()
	})
	c, err := Dial(context.Background(), "tcp://"+ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, c, upload, "")
	wg.Go(func() {
		b := make([]byte, 64<<10)
		for i := range messages {
			for j := range b {
				b[j] = byte(i)
			}
			if err := s.SendBytes(context.Background(), b); err != nil {
				got <- err
				return
			}
		}
		got <- nil
	})
	deadline := time.Now().Add(time.Minute)
	for full := false; !full; time.Sleep(time.Millisecond) { // the kernel tells nobody
		if time.Now().After(deadline) {
			t.Fatal("the socket does not fill up")
		}
		s.conn.mu.Lock()
		full = s.conn.writing && s.conn.streams.bulk >= bulkRoom
		s.conn.mu.Unlock()
	}
	close(gate)
	if err := <-got; err != nil {
		t.Error(err)
	}
	finish(t, s, "")
	c.Close()
	wg.Wait()
}
