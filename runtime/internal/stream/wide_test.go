package stream

import (
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// A connection that carries bulk and nothing else gets a wide window, until there is a call, or a small message; then
// nothing of what was promised is taken back, and the bulk goes on.
func TestWideWindow(t *testing.T) {
	const narrow, wide = 1 << 20, 4 << 20
	p := newPair(t, Config{ConnWindow: narrow, WideWindow: wide})
	c, s := p.open(1)
	carry := func(n, size int) {
		t.Helper()
		for range n {
			send(t, c, strings.Repeat("x", size))
			for s.whole == 0 { // a message may wait for credit
				if p.move(p.server, p.client)+p.move(p.client, p.server) == "" {
					t.Fatalf("%v has stopped: %v", c, &p.client.sent)
				}
			}
			if m, err := s.Recv(); err != nil || m.Len() != size {
				t.Fatalf("%d bytes, %v", m.Len(), err)
			}
			p.move(p.server, p.client)
		}
	}
	ahead := func() uint64 { return p.server.arrived.Limit() - p.server.arrived.Received() }
	const enough = calmWindows*narrow>>16 + 1 // messages of 64 KiB until the window is wide

	carry(enough-2, 64<<10)
	if got := ahead(); got > narrow || p.server.arrived.Window() != narrow {
		t.Fatalf("%d may arrive after less than %d windows", got, calmWindows)
	}
	carry(2, 64<<10)
	if got := ahead(); got <= narrow || got > wide || p.server.arrived.Window() != wide {
		t.Fatalf("%d may arrive when there was nothing but bulk", got)
	}
	for name, hurry := range map[string]func(){
		"call":          p.server.Hurry,
		"small message": func() { carry(1, DefaultChunk/4-1) },
	} {
		carry(enough, 64<<10)
		limit := p.server.arrived.Limit()
		hurry()
		if p.server.arrived.Window() != narrow || p.server.arrived.Limit() < limit {
			t.Errorf("%s: %v", name, &p.server.arrived)
		}
		carry(wide>>16, 64<<10) // what was promised is used up with that
		if got := ahead(); got > narrow {
			t.Errorf("%s: %d may arrive", name, got)
		}
		carry(enough, 64<<10)
		if got := ahead(); got <= narrow {
			t.Errorf("%s: only %d may arrive, long after", name, got)
		}
	}
}

// The last piece of a large message is no small message.
func TestWideWindowOfPieces(t *testing.T) {
	m := NewMux(Config{WideWindow: WideWindow, ConnWindow: DefaultWindow}, wire.MinWindow)
	s, err := m.Open(Options{Receives: true})
	if err != nil {
		t.Fatal(err)
	}
	m.Start(s, 1)
	m.calm = 1000
	for _, f := range []struct {
		flags wire.Flags
		size  int
		calm  uint64
	}{
		{wire.FlagMore, 1000, 2064},
		{0, 100, 2228},
		{0, DefaultChunk / 4, 2228 + DefaultChunk/4 + 64},
		{wire.FlagEnd, 0, 2228 + DefaultChunk/4 + 64},
	} {
		h := wire.FrameHeader{Kind: wire.KindData, Flags: f.flags, Stream: 1, Length: uint32(f.size)}
		if _, err := m.Data(h, make([]byte, f.size), true); err != nil || m.calm != f.calm {
			t.Errorf("%d bytes: %v, %d since", f.size, err, m.calm)
		}
	}
}
