package stream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// A window grows when it holds the sender up and the reader keeps up, as far as memory goes.
func TestGrowth(t *testing.T) {
	run := func(memory *flow.Budget, reads bool) uint64 {
		p := newPair(t, Config{Memory: memory, ConnWindow: 16 << 20})
		c, s := p.open(1)
		p.move(p.server, p.client)
		message := strings.Repeat("x", 100<<10)
		for range 1000 {
			if c.Pending() == 0 {
				send(t, c, message)
			}
			f, ok := p.client.Next()
			if !ok { // a long way: credit comes when all that there was is used up
				if p.move(p.server, p.client) == "" {
					break
				}
				continue
			}
			put(t, p.server, f)
			for reads {
				if _, err := s.Recv(); err != nil {
					break
				}
			}
		}
		if held := s.memory.Held(); held < s.received.Window() {
			t.Errorf("%v", s)
		}
		return s.received.Window()
	}
	if got := run(flow.NewBudget(nil, 1<<30), true); got != DefaultMaxWindow {
		t.Errorf("the window becomes %d", got)
	}
	if got := run(flow.NewBudget(nil, 1<<30), false); got != DefaultWindow {
		t.Errorf("without a reader it becomes %d", got)
	}
	if got := run(flow.NewBudget(nil, 2<<20), true); got != 2*DefaultWindow { // the client has a window of it too
		t.Errorf("with little memory it becomes %d", got)
	}
}

// Under pressure a stream gets the least window, and then none.
func TestOpenWithoutMemory(t *testing.T) {
	m := NewMux(Config{Memory: flow.NewBudget(nil, 2*DefaultWindow+2*wire.MinWindow)}, 1<<20)
	const floor = wire.MinWindow
	for i, want := range []uint64{DefaultWindow, floor, floor, floor, floor, floor, floor, 0} { // half is kept for many
		s, err := m.Open(Options{Receives: true})
		if want == 0 {
			var e *rpc.Error
			if !errors.As(err, &e) || e.Code != rpc.ResourceExhausted || e.Execution != rpc.NotExecuted {
				t.Errorf("%v", err)
			}
		} else if err != nil || s.Window() != want {
			t.Errorf("stream %d: %v, %v", i, s, err)
		}
	}
}

func TestMaxStreams(t *testing.T) {
	m := NewMux(Config{MaxStreams: 2}, 1<<20)
	first, _ := m.Open(Options{})
	m.Start(first, 1)
	second, _ := m.Open(Options{})
	if _, err := m.Open(Options{}); rpc.CodeOf(err) != rpc.ResourceExhausted {
		t.Errorf("%v", err)
	}
	second.Discard() // it never started
	if _, ok := m.Next(); ok {
		t.Error("a reset for a stream that nobody knows")
	}
	if _, err := m.Open(Options{}); err != nil {
		t.Error(err)
	}
}

// A message larger than the memory cannot wait for it, or all could wait for each other.
func TestMessageLargerThanMemory(t *testing.T) {
	p := newPair(t, Config{Memory: flow.NewBudget(nil, 3*DefaultWindow)}) // one window is left
	c, s := p.open(1)
	p.move(p.server, p.client)
	send(t, c, strings.Repeat("x", 3*DefaultWindow))
	for range 10 {
		p.move(p.client, p.server)
		s.Recv()
		p.move(p.server, p.client)
	}
	wantError(t, s, rpc.ResourceExhausted)
	wantError(t, c, rpc.ResourceExhausted)
}

// Nobody reads 1000 streams, which are sent as much as they take; another one goes on as if they were not there.
func TestUnreadStreams(t *testing.T) {
	memory := flow.NewBudget(nil, 2*1001*wire.MinWindow) // of both sides
	p := newPair(t, Config{Memory: memory, Window: wire.MinWindow, MaxWindow: wire.MinWindow})
	for id := range uint64(1000) {
		c, _ := p.open(id + 1)
		c.Send(make([]byte, 2*wire.MinWindow), false)
	}
	for p.move(p.client, p.server) != "" {
		p.move(p.server, p.client)
	}
	c, s := p.open(1001)
	message := strings.Repeat("x", 10_000)
	for range 1000 {
		send(t, c, message)
		p.move(p.client, p.server)
		wantMessage(t, s, message)
		p.move(p.server, p.client)
	}
	if memory.Used() != memory.Limit() || s.received.Received() < 1000*10_000 {
		t.Errorf("%v, %v", memory, s)
	}
}

// Streams take turns, by bytes: one with large messages does not keep those with small ones waiting, nor the reverse.
func TestFairness(t *testing.T) {
	p := newPair(t, Config{ConnWindow: 8 << 20})
	bytes := map[uint64]int{}
	for id := uint64(1); id <= 3; id++ {
		c, _ := p.open(id)
		p.move(p.server, p.client)
		p.client.Credit(id, 4<<20)
		if id == 1 {
			send(t, c, strings.Repeat("x", 2<<20))
			continue
		}
		for range 2000 {
			send(t, c, strings.Repeat("y", 1000))
		}
	}
	for range 400 { // six turns or so
		f, ok := p.client.Next()
		if !ok {
			t.Fatal("nothing to send")
		}
		bytes[f.ID] += len(f.Payload)
	}
	for id, n := range bytes {
		if n < 100<<10 || n > 400<<10 {
			t.Errorf("stream %d has sent %d: %v", id, n, bytes)
		}
	}
}

// Credit and ends of streams do not wait for the connection's credit.
func TestUrgentFramesPassBulk(t *testing.T) {
	p := newPair(t, Config{})
	p.client.sent, p.client.least = flow.NewSender(100), 100
	bulk, _ := p.open(1)
	other, _ := p.open(2)
	send(t, bulk, "more than there is credit for: "+strings.Repeat("x", 100))
	if f, _ := p.client.Next(); len(f.Payload) != 100-wire.DataOverhead || f.Flags != wire.FlagMore {
		t.Errorf("%v", &f)
	}
	other.CloseSend()
	if f, ok := p.client.Next(); !ok || f.ID != 2 || f.Flags != wire.FlagEnd {
		t.Errorf("%v, %v", &f, ok)
	}
	if f, ok := p.client.Next(); ok {
		t.Errorf("%v without credit", &f)
	}
	if p.client.Ready() {
		t.Error("ready for nothing")
	}
	p.client.Credit(0, 1000)
	if f, ok := p.client.Next(); !ok || f.ID != 1 || !f.Drained || bulk.Pending() != 0 {
		t.Errorf("%v after credit came", &f)
	}
}

func TestControlFloods(t *testing.T) {
	flood := func(f func(m *Mux, i int) error) bool {
		p := newPair(t, Config{MaxStreams: 10})
		p.open(1)
		for i := range 5000 {
			if err := f(p.server, i); err != nil {
				var broken *wire.ConnError
				return errors.As(err, &broken) && broken.Code == rpc.ResourceExhausted && i >= maxControl
			}
		}
		return false
	}
	if !flood(func(m *Mux, i int) error { return m.Credit(1, 5) }) {
		t.Error("old credit for ever")
	}
	if !flood(func(m *Mux, i int) error { _, err := m.Reset(77, wire.Reset{}); return err }) {
		t.Error("resets of nothing for ever")
	}
	if !flood(func(m *Mux, i int) error {
		s, err := m.Open(Options{Receives: true, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		m.Start(s, uint64(i+100))
		_, err = m.Data(wire.FrameHeader{Kind: wire.KindData, Flags: wire.FlagEnd, Stream: s.id}, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Data(wire.FrameHeader{Kind: wire.KindData, Flags: wire.FlagEnd, Stream: s.id}, nil, false)
		return err
	}) {
		t.Error("streams that have to be reset for ever")
	}
}

// However greedy those are who come first, there is a smallest window for every stream that may be opened.
func TestEveryStreamHasAWindow(t *testing.T) {
	const streams = 100
	memory := flow.NewBudget(nil, 2*streams*wire.MinWindow)
	p := newPair(t, Config{ConnWindow: 16 << 20})
	p.server.config.Memory, p.server.config.MaxStreams = memory, streams
	p.client.config.Memory, p.client.config.MaxStreams = nil, streams
	for id := uint64(1); id <= streams; id++ {
		c, s := p.open(id)
		if id > 2 {
			continue
		}
		for range 1000 { // a long way, and a fast reader
			if c.Pending() == 0 {
				send(t, c, strings.Repeat("x", 100<<10))
			}
			f, ok := p.client.Next()
			if !ok {
				p.move(p.server, p.client)
				continue
			}
			put(t, p.server, f)
			for _, err := s.Recv(); err == nil; {
				_, err = s.Recv()
			}
		}
		if s.received.Window() <= DefaultWindow {
			t.Errorf("the window of stream %d is %d", id, s.received.Window())
		}
	}
	if used := memory.Used(); used > memory.Limit() {
		t.Errorf("%d bytes are reserved of %d", used, memory.Limit())
	}
}

// A client that sends on a stream that was refused, or has ended, does nothing wrong as long as it keeps within the
// stream's limit, in however small messages. Beyond that it is a flood.
func TestStrayData(t *testing.T) {
	empty := wire.FrameHeader{Kind: wire.KindData, Stream: 99}
	flood := func(m *Mux) (n int) {
		for ; n < 100_000; n++ {
			if _, err := m.Data(empty, nil, false); err != nil {
				return n
			}
			m.arrived.Advertise()
		}
		return n
	}
	c := Config{Server: true, MaxStreams: 10}
	slack := maxControl + 4*c.MaxStreams
	if n := flood(NewMux(c, 1<<20)); n != slack {
		t.Errorf("%d frames for no stream", n)
	}
	refused := NewMux(c, 1<<20)
	for range 20 {
		refused.Refused()
	}
	if n, want := flood(refused), slack+20*wire.MinWindow/wire.DataOverhead; n != want {
		t.Errorf("%d frames after 20 refusals, want %d", n, want)
	}
	ended := NewMux(c, 1<<20)
	s, err := ended.Open(Options{Receives: true})
	if err != nil {
		t.Fatal(err)
	}
	ended.Start(s, 99)
	for ok := true; ok; { // the limit becomes that of the window
		_, ok = ended.Next()
	}
	if _, err := ended.Data(empty, make([]byte, 1000-wire.DataOverhead), false); err != nil {
		t.Fatal(err)
	}
	s.Finish([]byte("reply"))
	s.Discard()
	for ok := true; ok; {
		_, ok = ended.Next()
	}
	if n, want := flood(ended), slack+(DefaultWindow-1000)/wire.DataOverhead; n != want {
		t.Errorf("%d frames after the end of a stream, want %d", n, want)
	}
}

// A stream has stalled when it had something to send, and no credit, at all looks of a certain time.
func TestStalled(t *testing.T) {
	p := newPair(t, Config{})
	now := time.Unix(1000, 0)
	look := func(after time.Duration, want ...*Stream) {
		t.Helper()
		now = now.Add(after)
		got := p.server.Stalled(now, 10*time.Second)
		if len(got) != len(want) || len(got) == 1 && got[0] != want[0] {
			t.Errorf("after %v: %v", now.Sub(time.Unix(1000, 0)), got)
		}
	}
	c, s := p.open(1)
	p.open(2) // has nothing to send
	send(t, s, strings.Repeat("x", 2*DefaultWindow))
	look(time.Hour) // there is credit
	p.move(p.server, p.client)
	look(0)
	look(9 * time.Second)
	p.client.Next() // the connection's limit, perhaps
	if raised, err := s.credit(DefaultWindow + 100); !raised || err != nil {
		t.Fatal(raised, err)
	}
	look(time.Second) // some credit has come, if too little for a piece
	look(9 * time.Second)
	look(time.Second, s)
	s.Abandon(&rpc.Error{Code: rpc.ResourceExhausted, Message: "stalled"})
	look(time.Hour)
	p.move(p.server, p.client)
	wantError(t, c, rpc.ResourceExhausted)

	_, s = p.open(3) // its trailer waits behind what was given
	if err := s.Give(make([]byte, 2*DefaultWindow)); err != nil {
		t.Fatal(err)
	}
	p.move(p.server, p.client)
	s.Finish([]byte("reply"))
	s.Discard()
	look(0)
	look(10*time.Second, s)
	s.Abandon(&rpc.Error{Code: rpc.ResourceExhausted})
	s.Abandon(&rpc.Error{Code: rpc.ResourceExhausted}) // does nothing
	if p.server.Lookup(3) != nil || p.server.GivenBytes() != 0 {
		t.Errorf("stream 3 is still there: %v", s)
	}
	if f, ok := p.server.Next(); !ok || f.Kind != wire.KindReset || f.ID != 3 {
		t.Errorf("%v, %v", &f, ok)
	}
}
