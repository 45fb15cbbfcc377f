package stream

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// pair is two ends in the test's own hands: nothing moves by itself.
type pair struct {
	t              *testing.T
	client, server *Mux
	memory         *flow.Budget // of both
}

func newPair(t *testing.T, c Config) *pair {
	p := &pair{t: t, memory: flow.NewBudget(nil, 64<<20)}
	if c.Memory == nil {
		c.Memory = p.memory
	}
	c.ConnWindow = max(c.ConnWindow, 1<<20)
	p.client = NewMux(c, c.ConnWindow)
	c.Server = true
	p.server = NewMux(c, c.ConnWindow)
	return p
}

func (p *pair) open(id uint64) (client, server *Stream) {
	p.t.Helper()
	client, err := p.client.Open(Options{Sends: true, Receives: true})
	if err != nil {
		p.t.Fatal(err)
	}
	p.client.Start(client, id)
	server, err = p.server.Open(Options{Sends: true, Receives: true, Limit: client.Window()})
	if err != nil {
		p.t.Fatal(err)
	}
	p.server.Start(server, id)
	return client, server
}

// put gives a frame to m and returns the Wake.
func put(t *testing.T, m *Mux, f Frame) Wake {
	t.Helper()
	w, err := tryPut(m, f)
	if err != nil {
		t.Fatalf("%v: %v", &f, err)
	}
	return w
}

func tryPut(m *Mux, f Frame) (Wake, error) {
	switch f.Kind {
	case wire.KindData:
		return m.Data(wire.FrameHeader{Length: uint32(len(f.Payload)), Kind: f.Kind, Flags: f.Flags, Stream: f.ID}, f.Payload, false)
	case wire.KindCredit:
		return Wake{}, m.Credit(f.ID, f.limit)
	case wire.KindReset:
		return m.Reset(f.ID, f.reset)
	}
	return m.Finished(f.ID, nil), nil
}

// move takes everything from one side to the other, and says what that was.
func (p *pair) move(from, to *Mux) string {
	p.t.Helper()
	var names []string
	for f, ok := from.Next(); ok; f, ok = from.Next() {
		name := f.Kind.String()
		if f.Flags&wire.FlagEnd != 0 {
			name = "end"
		}
		names = append(names, name)
		put(p.t, to, f)
	}
	return strings.Join(names, " ")
}

func data(id uint64, n int, flags wire.Flags) Frame {
	return Frame{Kind: wire.KindData, ID: id, Flags: flags, Payload: make([]byte, n)}
}

func send(t *testing.T, s *Stream, b string) {
	t.Helper()
	if err := s.Send([]byte(b), false); err != nil {
		t.Fatal(err)
	}
}

func wantMessage(t *testing.T, s *Stream, want string) {
	t.Helper()
	m, err := s.Recv()
	if err != nil || string(m.Bytes()) != want {
		t.Fatalf("%v: %.20q, %v; want %.20q", s, m.Bytes(), err, want)
	}
}

func wantError(t *testing.T, s *Stream, code rpc.Code) {
	t.Helper()
	if _, err := s.Recv(); err == nil || err == ErrWait || err == io.EOF || rpc.CodeOf(err) != code {
		t.Errorf("%v: %v, want %v", s, err, code)
	}
	if s.State() != StateReset && s.State() != StateClosed || s.Err() == nil {
		t.Errorf("%v goes on", s)
	}
}

func TestLifeOfAStream(t *testing.T) {
	p := newPair(t, Config{})
	c, s := p.open(1)
	states := func(client, server State) {
		t.Helper()
		if c.State() != client || s.State() != server {
			t.Errorf("%v and %v, want %v and %v", c.State(), s.State(), client, server)
		}
	}
	if got := p.move(p.server, p.client); got != "credit" { // from what every stream starts with to the whole window
		t.Errorf("the server begins with %q", got)
	}
	if _, err := s.Recv(); err != ErrWait {
		t.Errorf("%v", err)
	}
	send(t, c, "hello")
	send(t, c, "")
	if err := c.CloseSend(); err != nil || c.Pending() != 2 || c.PendingBytes() != 5 {
		t.Errorf("%v, %v", err, c)
	}
	states(StateHalfClosedLocal, StateOpen)
	if err := c.Send([]byte("x"), false); err != ErrSendClosed {
		t.Errorf("%v", err)
	}
	if got := p.move(p.client, p.server); got != "data data end" {
		t.Errorf("the client sends %q", got)
	}
	states(StateHalfClosedLocal, StateHalfClosedRemote)
	wantMessage(t, s, "hello")
	wantMessage(t, s, "")
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("%v", err)
	}
	send(t, s, "answer")
	if err := s.CloseSend(); err != nil {
		t.Error(err)
	}
	states(StateHalfClosedLocal, StateTrailing)
	if !s.Finish(reply(1)) || s.Finish(reply(1)) {
		t.Error("a stream finishes just once")
	}
	s.Discard()
	states(StateHalfClosedLocal, StateClosed)
	if got := p.move(p.server, p.client); got != "data reply" {
		t.Errorf("the server ends with %q", got)
	}
	states(StateClosed, StateClosed)
	wantMessage(t, c, "answer") // it came before the end
	if _, err := c.Recv(); err != io.EOF {
		t.Errorf("%v", err)
	}
	if p.memory.Used() != 0 || p.client.Len()+p.server.Len() != 0 {
		t.Errorf("%v, %d and %d streams", p.memory, p.client.Len(), p.server.Len())
	}
	c.Discard()
	states(StateClosed, StateClosed)
}

func reply(id uint64) []byte {
	return wire.AppendFrameHeader(nil, wire.FrameHeader{Kind: wire.KindReply, Stream: id})
}

// An empty message is not free: it has its place in the window.
func TestEmptyMessagesAreBounded(t *testing.T) {
	p := newPair(t, Config{})
	c, s := p.open(1)
	n := 0
	for {
		send(t, c, "")
		f, ok := p.client.Next()
		if !ok {
			break
		}
		put(t, p.server, f)
		n++
	}
	if want := wire.MinWindow / wire.DataOverhead; n != want || s.whole != want {
		t.Errorf("%d empty messages, want %d", n, want)
	}
}

func TestWakes(t *testing.T) {
	p := newPair(t, Config{})
	c, s := p.open(1)
	if w := put(t, p.server, data(1, 5, 0)); w.Stream != nil {
		t.Errorf("somebody is woken who does not wait: %+v", w)
	}
	wantMessage(t, s, "\x00\x00\x00\x00\x00")
	s.Recv()
	if w := put(t, p.server, data(1, 5, wire.FlagMore)); w.Stream != nil {
		t.Errorf("half a message wakes: %+v", w)
	}
	if w := put(t, p.server, data(1, 5, 0)); w != (Wake{Stream: s, Recv: true}) {
		t.Errorf("a message wakes %+v", w)
	}
	s.Recv()
	if w := put(t, p.server, Frame{Kind: wire.KindData, ID: 1, Flags: wire.FlagEnd}); w != (Wake{Stream: s, Recv: true}) {
		t.Errorf("the end wakes %+v", w)
	}
	send(t, c, "x")
	if f, _ := p.client.Next(); !f.Drained || f.Stream != c {
		t.Errorf("%+v", f)
	}
	if w := p.client.Finished(1, nil); w != (Wake{c, true, true}) {
		t.Errorf("the reply wakes %+v", w)
	}
	if w := p.client.Finished(1, nil); w.Stream != nil {
		t.Errorf("a second reply wakes %+v", w)
	}
}

// What breaks a stream only resets it.
func TestStreamErrors(t *testing.T) {
	end := Frame{Kind: wire.KindData, ID: 1, Flags: wire.FlagEnd}
	for _, tc := range []struct {
		name   string
		config Config
		frames []Frame
		code   rpc.Code
	}{
		{"data after the end", Config{}, []Frame{end, data(1, 1, 0)}, rpc.InvalidArgument},
		{"a second end", Config{}, []Frame{end, end}, rpc.InvalidArgument},
		{"an end in a message", Config{}, []Frame{data(1, 1, wire.FlagMore), end}, rpc.InvalidArgument},
		{"a message over the limit", Config{MaxMessage: 10}, []Frame{data(1, 11, 0)}, rpc.ResourceExhausted},
		{"a message over the limit in pieces", Config{MaxMessage: 10}, []Frame{data(1, 10, wire.FlagMore), data(1, 1, wire.FlagMore)}, rpc.ResourceExhausted},
		{"a reset", Config{}, []Frame{{Kind: wire.KindReset, ID: 1, reset: wire.Reset{Code: rpc.Aborted}}}, rpc.Aborted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPair(t, tc.config)
			_, s := p.open(1)
			p.move(p.server, p.client)
			var w Wake
			for _, f := range tc.frames {
				w = put(t, p.server, f)
			}
			wantError(t, s, tc.code)
			if w != (Wake{s, true, true}) {
				t.Errorf("it wakes %+v", w)
			}
			if p.server.Len() != 0 || s.memory.Held() != 0 {
				t.Errorf("%v is kept", s)
			}
			_, told := p.server.Next()
			if remote := tc.name == "a reset"; told == remote {
				t.Errorf("the other side is told: %v", told)
			}
		})
	}
}

// A message on a stream that takes none.
func TestStreamWithoutMessages(t *testing.T) {
	p := newPair(t, Config{})
	s, err := p.server.Open(Options{Sends: true, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	p.server.Start(s, 1)
	if p.memory.Used() != 0 {
		t.Errorf("memory for nothing: %v", p.memory)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("%v", err)
	}
	put(t, p.server, data(1, 1, 0))
	wantError(t, s, rpc.InvalidArgument)
	one, err := p.client.Open(Options{Receives: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Send([]byte("x"), false); err != ErrSendClosed {
		t.Errorf("%v", err)
	}
}

// What breaks the rules that bound memory ends the connection.
func TestConnectionErrors(t *testing.T) {
	for _, tc := range []struct {
		name   string
		frames []Frame
		code   rpc.Code
	}{
		{"data beyond the stream's limit", []Frame{data(1, 200_000, 0), data(1, DefaultWindow-200_000-128, 0), data(1, 0, 0)}, rpc.ResourceExhausted},
		{"data beyond the connection's", []Frame{data(2, 262_080, 0), data(3, 262_080, 0), data(4, 262_080, 0), data(5, 262_080, 0), data(6, 0, 0)}, rpc.ResourceExhausted},
		{"credit beyond all bounds", []Frame{{Kind: wire.KindCredit, ID: 1, limit: flow.MaxOffset + 1}}, rpc.InvalidArgument},
		{"the connection's credit beyond all bounds", []Frame{{Kind: wire.KindCredit, limit: flow.MaxOffset + 1}}, rpc.InvalidArgument},
		{"a final offset that goes back", []Frame{data(1, 1, 0), {Kind: wire.KindReset, ID: 1, reset: wire.Reset{Final: 64}}}, rpc.InvalidArgument},
		{"a final offset beyond the limit", []Frame{{Kind: wire.KindReset, ID: 1, reset: wire.Reset{Final: 300_000}}}, rpc.InvalidArgument},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPair(t, Config{})
			p.open(1)
			p.move(p.server, p.client)
			for i, f := range tc.frames {
				_, err := tryPut(p.server, f)
				var broken *wire.ConnError
				if last := i == len(tc.frames)-1; !last && err != nil || last && (!errors.As(err, &broken) || broken.Code != tc.code) {
					t.Errorf("frame %d: %v", i, err)
				}
			}
		})
	}
}

// A sender that gave up Data it had paid for gets the connection's credit back.
func TestResetReturnsCredit(t *testing.T) {
	p := newPair(t, Config{})
	p.open(1)
	p.move(p.server, p.client)
	put(t, p.server, data(1, 1000, 0))
	before := p.server.arrived.Received()
	put(t, p.server, Frame{Kind: wire.KindReset, ID: 1, reset: wire.Reset{Final: 5000, Code: rpc.Canceled}})
	if got := p.server.arrived.Received() - before; got != 5000-1064 || p.server.arrived.Buffered() != 0 {
		t.Errorf("%d counted, %v", got, &p.server.arrived)
	}
}

func TestWithdraw(t *testing.T) {
	p := newPair(t, Config{})
	c, s := p.open(1)
	if c.Withdraw() {
		t.Error("nothing is withdrawn")
	}
	send(t, c, "one")
	send(t, c, "two")
	if !c.Withdraw() || c.Pending() != 1 || c.PendingBytes() != 3 {
		t.Errorf("%v", c)
	}
	send(t, c, "three")
	p.move(p.client, p.server)
	wantMessage(t, s, "one")
	wantMessage(t, s, "three")

	send(t, c, strings.Repeat("x", 300<<10)) // more than the window
	p.client.Next()
	if c.Withdraw() || c.Pending() != 0 || c.Send(nil, false) != ErrSendClosed || c.CloseSend() != ErrSendClosed {
		t.Errorf("%v goes on after half a message", c)
	}
	if c.Reset(rpc.NewError(rpc.Canceled, "too slow")); p.move(p.client, p.server) != "reset" {
		t.Error("the reset is not sent")
	}
}

// The pieces that a proxy passes on make a message that must be ended too.
func TestWithdrawPieces(t *testing.T) {
	p := newPair(t, Config{})
	c, _ := p.open(1)
	c.Send([]byte("a"), true)
	if c.CloseSend() != ErrSendClosed {
		t.Error("an end within a message")
	}
	p.client.Next()
	if c.CloseSend() != ErrSendClosed {
		t.Error("an end within a message that has left")
	}
	c.Send([]byte("b"), false)
	if c.Withdraw() {
		t.Error("the end of a message whose beginning has left was withdrawn")
	}
}

func TestReplyWithinAMessage(t *testing.T) {
	p := newPair(t, Config{})
	c, _ := p.open(1)
	put(t, p.client, data(1, 3, 0))
	put(t, p.client, data(1, 3, wire.FlagMore))
	send(t, c, "never sent")
	p.client.Finished(1, nil)
	wantMessage(t, c, "\x00\x00\x00")
	wantError(t, c, rpc.Internal)
	if c.Pending() != 0 || c.memory.Held() != 0 {
		t.Errorf("%v", c)
	}
}

// An Error comes after the messages that were sent before it.
func TestErrorAfterMessages(t *testing.T) {
	p := newPair(t, Config{})
	c, _ := p.open(1)
	put(t, p.client, data(1, 1, 0))
	p.client.Finished(1, &rpc.Error{Code: rpc.NotFound, Remote: true})
	if c.memory.Held() != wire.DataCost(1) {
		t.Errorf("%v: only the message needs memory", c)
	}
	wantMessage(t, c, "\x00")
	wantError(t, c, rpc.NotFound)
	if err := c.Send(nil, false); rpc.CodeOf(err) != rpc.NotFound {
		t.Errorf("%v", err)
	}
}

// A Reset that crosses the reply, after Data that was ignored, still has a true offset.
func TestResetCrossesReply(t *testing.T) {
	p := newPair(t, Config{})
	c, s := p.open(1)
	s.Finish(reply(1))
	send(t, c, "late")
	c.Reset(rpc.NewError(rpc.Canceled, "enough"))
	put(t, p.server, data(1, 4, 0))
	put(t, p.server, Frame{Kind: wire.KindReset, ID: 1, reset: wire.Reset{Final: wire.DataCost(4), Code: rpc.Canceled}})
	if got := p.server.arrived.Received(); got != wire.DataCost(4) {
		t.Errorf("%d counted", got)
	}
	if _, ok := p.server.Next(); ok || p.server.Len() != 0 {
		t.Error("a reply that nobody waits for")
	}
}

func TestMessageBytes(t *testing.T) {
	kept := []byte("kept")
	p := newPair(t, Config{})
	_, s := p.open(1)
	p.server.Data(wire.FrameHeader{Kind: wire.KindData, Stream: 1}, kept, true)
	m, err := s.Recv()
	if b := m.Bytes(); err != nil || &b[0] != &kept[0] {
		t.Errorf("what may be kept was copied: %v", err)
	}
	for _, part := range []string{"he", "ll", "o"} {
		flags := wire.FlagMore
		if part == "o" {
			flags = 0
		}
		p.server.Data(wire.FrameHeader{Kind: wire.KindData, Flags: flags, Stream: 1}, []byte(part), true)
	}
	m, err = s.Recv()
	if err != nil || m.Len() != 5 || !bytes.Equal(m.Bytes(), []byte("hello")) || !bytes.Equal(m.Bytes(), []byte("hello")) {
		t.Errorf("%q, %v", m.Bytes(), err)
	}
}

func TestStrings(t *testing.T) {
	p := newPair(t, Config{})
	c, _ := p.open(7)
	if got := c.String(); !strings.HasPrefix(got, "stream 7: open, sent 0 of 65536, pending 0, received 0") {
		t.Error(got)
	}
	for s := StateOpen; s <= StateReset; s++ {
		if strings.HasPrefix(s.String(), "state(") {
			t.Error(s)
		}
	}
	if State(99).String() != "state(99)" {
		t.Error(State(99))
	}
}

// What is given goes out after its sender has finished, and counts until then; what is lent is taken back.
func TestGive(t *testing.T) {
	p := newPair(t, Config{})
	c, s := p.open(1)
	given := append(make([]byte, 0, 100), "given"...)
	if err := s.Give(given); err != nil {
		t.Fatal(err)
	}
	send(t, s, "lent")
	if s.GivenBytes() != 5 || p.server.GivenBytes() != 5 || !s.Lent() {
		t.Errorf("%d bytes are given, lent %v", s.GivenBytes(), s.Lent())
	}
	for s.Lent() {
		s.Withdraw()
	}
	s.Finish([]byte("reply"))
	s.Discard()
	f, ok := p.server.Next()
	for ok && f.Kind != wire.KindData {
		f, ok = p.server.Next()
	}
	if !ok || string(f.Payload) != "given" || !f.Own || cap(f.Given) != 100 || len(f.Given) != 0 {
		t.Fatalf("%v, %v: %q, own %v, given %d of %d", &f, ok, f.Payload, f.Own, len(f.Given), cap(f.Given))
	}
	if s.GivenBytes() != 0 || p.server.GivenBytes() != 0 {
		t.Errorf("%d bytes are left", p.server.GivenBytes())
	}
	put(t, p.client, f)
	wantMessage(t, c, "given")
	if f, ok := p.server.Next(); !ok || f.Kind != wire.KindReply {
		t.Errorf("%v, %v after it", &f, ok)
	}

	_, s = p.open(2)
	if err := s.Give(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	s.Reset(&rpc.Error{Code: rpc.Canceled})
	if s.GivenBytes() != 0 || p.server.GivenBytes() != 0 {
		t.Errorf("%d bytes are left of a stream that was reset", p.server.GivenBytes())
	}
}
