package stream

import (
	"bytes"
	"io"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// A proxy takes chunks off one stream and puts them into another as they are. What the receiver does not read stops the
// sender, and the proxy holds no more than the windows and one chunk.
func TestProxy(t *testing.T) {
	front, back := newPair(t, Config{Chunk: 10_000}), newPair(t, Config{})
	open := func(m *Mux, o Options) *Stream {
		s, err := m.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		m.Start(s, 1)
		return s
	}
	client := open(front.client, Options{Sends: true, Receives: true})
	in := open(front.server, Options{Sends: true, Receives: true, Limit: client.Window(), Opaque: true})
	out := open(back.client, Options{Sends: true, Receives: true, Opaque: true})
	server := open(back.server, Options{Sends: true, Receives: true, Limit: out.Window()})

	ended := false
	move := func() {
		for range 50 {
			front.move(front.client, front.server)
			for !ended && out.Pending() == 0 {
				m, err := in.Recv()
				if err == ErrWait {
					break
				}
				if err == io.EOF {
					ended = true
					err = out.CloseSend()
				} else if err == nil {
					err = out.Send(m.Bytes(), m.More)
				}
				if err != nil {
					t.Fatal(err)
				}
				back.move(back.client, back.server)
			}
			back.move(back.client, back.server)
			back.move(back.server, back.client)
			front.move(front.server, front.client)
		}
	}

	var want [][]byte
	for i, size := range []int{0, 1, 10_000, 10_001, 300_000, 2_000_000, 5} {
		b := body(1, false, i, size)
		want = append(want, b)
		if err := client.Send(b, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.CloseSend(); err != nil {
		t.Fatal(err)
	}
	move()
	if left := client.PendingBytes(); left < 2_311_000-4*DefaultWindow || server.received.Buffered() > DefaultWindow {
		t.Errorf("nobody reads, but only %d bytes wait in the client; %v", left, server)
	}
	for i := 0; i < len(want); {
		m, err := server.Recv()
		if err == ErrWait {
			move()
			continue
		}
		if err != nil || !bytes.Equal(m.Bytes(), want[i]) {
			t.Fatalf("message %d: %d bytes, %v; want %d", i, m.Len(), err, len(want[i]))
		}
		i++
	}
	move()
	if _, err := server.Recv(); err != io.EOF {
		t.Errorf("after the last: %v", err)
	}
}

// What an incomplete message has borrowed is returned when the reply comes within it, and a complete one keeps its own.
func TestReplyWithinALentMessage(t *testing.T) {
	const half = 100 << 10
	for _, complete := range []bool{false, true} {
		p := newPair(t, Config{})
		c, _ := p.open(1)
		if _, err := c.Recv(); err != ErrWait {
			t.Fatal(err)
		}
		put(t, p.client, data(1, half, wire.FlagMore))
		if c.lent != wire.DataCost(half) {
			t.Fatalf("nothing is lent: %v", c)
		}
		want := uint64(0)
		if complete {
			put(t, p.client, data(1, 1, 0))
			put(t, p.client, data(1, 2, wire.FlagMore))
			want = wire.DataCost(half) + wire.DataCost(1)
		}
		p.client.Finished(1, nil)
		if c.memory.Held() != want || c.received.Buffered()+c.lent != want {
			t.Errorf("%v holds %d, want %d", c, c.received.Buffered()+c.lent, want)
		}
		if complete {
			if m, err := c.Recv(); err != nil || m.Len() != half+1 {
				t.Errorf("%d bytes, %v", m.Len(), err)
			}
		}
		wantError(t, c, rpc.Internal)
		if c.memory.Held() != 0 {
			t.Errorf("%v", c)
		}
	}
}
