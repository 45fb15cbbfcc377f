package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// sim is two Muxes and the link between them, whose every step is chosen by rnd. Frames travel as bytes.
type sim struct {
	t      testing.TB
	rnd    *rand.Rand
	client *end
	server *end
	nextID uint64
	log    []string
}

// end is one side, with its application and what it has written and the other side not yet read.
type end struct {
	sim     *sim
	name    string
	server  bool
	peer    *end
	mux     *Mux
	memory  *flow.Budget
	room    int // bytes that the link takes
	link    [][]byte
	linked  int
	streams map[uint64]*app
	limits  map[uint64]uint64 // the last limits announced, by stream
}

// app is what the application of one side knows about one stream.
type app struct {
	end      *end
	s        *Stream
	id       uint64
	sent     [][]byte // whole messages
	got      int      // messages received
	part     []byte   // if opaque: of the message that is coming in
	stuck    bool     // it never reads
	finished bool     // on a server: has sent its trailer
	aborted  bool     // one of the sides gave the stream up, so not all has to arrive
	eof      bool
	err      error
	discard  bool
}

type simConfig struct {
	window, maxWindow uint64
	floor             uint64
	conn              uint32
	chunk             int
	maxMessage        int
	memory            uint64
	room              int
	opaque            bool
	largest           int // message that is sent
}

func newSim(t testing.TB, seed uint64, c simConfig) *sim {
	s := &sim{t: t, rnd: rand.New(rand.NewPCG(seed, 7))}
	make := func(name string, server bool) *end {
		e := &end{sim: s, name: name, server: server, room: c.room, memory: flow.NewBudget(nil, c.memory),
			streams: map[uint64]*app{}, limits: map[uint64]uint64{}}
		e.mux = NewMux(Config{ConnWindow: c.conn, WideWindow: 4 * c.conn, Chunk: c.chunk, MaxMessage: c.maxMessage, Memory: e.memory, Server: server}, c.conn)
		e.mux.floor, e.mux.config.Window, e.mux.config.MaxWindow = c.floor, c.window, c.maxWindow
		e.mux.soon = 2 * uint64(c.conn)
		return e
	}
	s.client, s.server = make("client", false), make("server", true)
	s.client.peer, s.server.peer = s.server, s.client
	return s
}

func (s *sim) fatalf(format string, args ...any) {
	s.t.Helper()
	for _, line := range s.log[max(0, len(s.log)-40):] {
		s.t.Log(line)
	}
	for _, e := range []*end{s.client, s.server} {
		for _, a := range e.streams {
			s.t.Logf("%s %v, discarded %v, stuck %v", e.name, a.s, a.discard, a.stuck)
		}
		s.t.Logf("%s: conn %v; %v; link %d", e.name, &e.mux.sent, &e.mux.arrived, len(e.link))
	}
	s.t.Fatalf(format, args...)
}

func (s *sim) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// body is message n of a stream and direction: anything that is mixed up or cut shows.
func body(id uint64, server bool, n, size int) []byte {
	b := make([]byte, size)
	seed := id*1000003 + uint64(n)*7919
	if server {
		seed += 13
	}
	for i := range b {
		b[i] = byte(seed + uint64(i)*31 + uint64(i)>>8)
	}
	if size >= 8 {
		binary.BigEndian.PutUint64(b, seed)
	}
	return b
}

// open opens a stream from the client; stuck says that the readers of the two sides never read.
func (s *sim) open(opaque bool, stuck [2]bool) *app {
	st, err := s.client.mux.Open(Options{Sends: true, Receives: true, Opaque: opaque})
	if err != nil {
		if rpc.CodeOf(err) != rpc.ResourceExhausted {
			s.fatalf("open: %v", err)
		}
		return nil
	}
	s.nextID++
	header := binary.BigEndian.AppendUint64(nil, st.Window()) // a real Call could not have one so small
	frame := wire.AppendFrameHeader(nil, wire.FrameHeader{Length: uint32(len(header)), Kind: wire.KindCall, HeaderLen: uint16(len(header)), Stream: s.nextID})
	if stuck[1] {
		frame[5] = 0x80 // tells the server of this test
	}
	if opaque {
		frame[5] |= 0x40
	}
	s.client.write(append(frame, header...))
	s.client.mux.Start(st, s.nextID)
	a := &app{end: s.client, s: st, id: s.nextID, stuck: stuck[0]}
	st.Owner = a
	s.client.streams[a.id] = a
	s.client.limits[a.id] = st.Window()
	s.note("open %d", a.id)
	return a
}

func (e *end) write(frame []byte) {
	e.link = append(e.link, frame)
	e.linked += len(frame)
}

// pump moves a frame from the Mux to the link, if there is room.
func (e *end) pump() bool {
	if e.linked >= e.room {
		return false
	}
	f, ok := e.mux.Next()
	if !ok {
		return false
	}
	e.sim.note("%s: %v", e.name, &f)
	if f.Kind == wire.KindCredit {
		if f.limit <= e.limits[f.ID] && f.ID != 0 {
			e.sim.fatalf("%s: limit of %d goes from %d to %d", e.name, f.ID, e.limits[f.ID], f.limit)
		}
		e.limits[f.ID] = f.limit
	}
	e.write(f.Append(nil))
	return true
}

// deliver takes the next frame from the peer's link.
func (e *end) deliver() bool {
	p := e.peer
	if len(p.link) == 0 {
		return false
	}
	b := p.link[0]
	p.link = p.link[1:]
	p.linked -= len(b)
	h, ok := wire.ParseFrameHeader(b)
	if !ok || int(h.Length) != len(b)-wire.FrameHeaderSize {
		e.sim.fatalf("bad frame %x", b)
	}
	if err := h.Check(0); err != nil {
		e.sim.fatalf("%s sent a frame that %v", p.name, err)
	}
	if err := e.take(h, b[wire.FrameHeaderSize:]); err != nil {
		e.sim.fatalf("%s on %v of stream %d: %v", e.name, h.Kind, h.Stream, err)
	}
	return true
}

func (e *end) take(h wire.FrameHeader, payload []byte) error {
	switch h.Kind {
	case wire.KindCall:
		e.accept(h, payload)
	case wire.KindData:
		keep := e.sim.rnd.IntN(2) == 0
		_, err := e.mux.Data(h, payload, keep)
		if !keep {
			clear(payload) // it must have been copied
		}
		return err
	case wire.KindCredit:
		limit, err := wire.ParseCredit(payload)
		if err != nil {
			return err
		}
		return e.mux.Credit(h.Stream, limit)
	case wire.KindReset:
		r, err := wire.ParseReset(payload)
		if err != nil {
			return err
		}
		if a := e.streams[h.Stream]; a != nil {
			a.aborted = true
		}
		_, err = e.mux.Reset(h.Stream, r)
		return err
	case wire.KindReply:
		e.mux.Finished(h.Stream, nil)
	case wire.KindError:
		e.mux.Finished(h.Stream, wire.ParseError(payload))
	}
	return nil
}

// accept is the server's answer to a Call.
func (e *end) accept(h wire.FrameHeader, payload []byte) {
	st, err := e.mux.Open(Options{Sends: true, Receives: true, Limit: binary.BigEndian.Uint64(payload), Opaque: h.Flags&0x40 != 0})
	if err != nil {
		var refusal *rpc.Error
		if !errors.As(err, &refusal) || refusal.Execution != rpc.NotExecuted {
			e.sim.fatalf("%v", err)
		}
		e.sim.client.streams[h.Stream].aborted = true
		e.write(wire.AppendError(nil, h.Stream, refusal))
		return
	}
	a := &app{end: e, s: st, id: h.Stream, stuck: h.Flags&0x80 != 0}
	st.Owner = a
	e.streams[a.id] = a
	e.limits[a.id] = st.Window()
	e.mux.Start(st, a.id)
}

func (e *end) pick() *app {
	if len(e.streams) == 0 {
		return nil
	}
	// Map order is not the seed's, so count ids.
	n := e.sim.rnd.IntN(len(e.streams))
	for id := uint64(1); id <= e.sim.nextID; id++ {
		if a := e.streams[id]; a != nil {
			if n == 0 {
				return a
			}
			n--
		}
	}
	return nil
}

func (a *app) send(size int) {
	if a.discard || a.finished || a.s.Pending() > 0 {
		return
	}
	b := body(a.id, a.end.server, len(a.sent), size)
	if err := a.s.Send(b, false); err == nil {
		a.sent = append(a.sent, b)
		a.end.sim.note("%s sends %d on %d", a.end.name, size, a.id)
	}
}

// withdraw takes back a message that waits.
func (a *app) withdraw() {
	if a.discard || a.s.Pending() == 0 {
		return
	}
	if a.s.Withdraw() {
		a.sent = a.sent[:len(a.sent)-1]
		return
	}
	a.abort()
}

func (a *app) abort() {
	a.s.Reset(rpc.NewError(rpc.Canceled, "enough"))
	a.setAborted()
	a.end.sim.note("%s resets %d", a.end.name, a.id)
}

// setAborted notes that neither side can count on getting everything.
func (a *app) setAborted() {
	a.aborted = true
	if b := a.end.peer.streams[a.id]; b != nil {
		b.aborted = true
	}
}

// recv takes a message and checks it. It reports whether there was any.
func (a *app) recv() bool {
	if a.discard || a.eof {
		return false
	}
	m, err := a.s.Recv()
	switch {
	case err == ErrWait:
		return false
	case err != nil:
		a.eof = true
		a.err = err
		if err != io.EOF && a.s.State() == StateReset {
			a.setAborted()
		}
		return false
	}
	b := m.Bytes()
	if m.Len() != len(b) {
		a.end.sim.fatalf("a message of %d bytes says it has %d", len(b), m.Len())
	}
	if a.s.options.Opaque {
		a.part = append(a.part, b...)
		if m.More {
			return true
		}
		b, a.part = a.part, nil
	}
	want := body(a.id, !a.end.server, a.got, len(b))
	if !bytes.Equal(b, want) {
		a.end.sim.fatalf("%s: message %d of stream %d is not what was sent", a.end.name, a.got, a.id)
	}
	if p := a.end.peer.streams[a.id]; p != nil && (a.got >= len(p.sent) || len(p.sent[a.got]) != len(b)) {
		a.end.sim.fatalf("%s: message %d of stream %d has %d bytes", a.end.name, a.got, a.id, len(b))
	}
	a.got++
	return true
}

// finish ends a stream on the server, as a handler does that returns.
func (a *app) finish() {
	if !a.end.server || a.finished || a.s.Pending() > 0 {
		return
	}
	header := wire.AppendReplyHeader(nil, wire.ReplyHeader{})
	frame := wire.AppendFrameHeader(nil, wire.FrameHeader{Length: uint32(len(header)), Kind: wire.KindReply, HeaderLen: uint16(len(header)), Stream: a.id})
	a.finished = a.s.Finish(append(frame, header...))
	a.s.Discard()
	a.discard = true
}

// step does one thing at random. calm means that no new work comes in and nobody gives up.
func (s *sim) step(calm bool, c simConfig) {
	e := s.client
	if s.rnd.IntN(2) == 0 {
		e = s.server
	}
	action := s.rnd.IntN(20)
	switch {
	case action < 5:
		e.pump()
	case action < 10:
		e.deliver()
	case action < 14:
		if a := e.pick(); a != nil && !a.stuck {
			a.recv()
		}
	case calm:
	case action < 16:
		if a := e.pick(); a != nil {
			sizes := [...]int{0, s.rnd.IntN(20), s.rnd.IntN(c.largest/10 + 1), s.rnd.IntN(c.largest + 1)}
			a.send(sizes[s.rnd.IntN(len(sizes))])
		}
	case action == 16:
		if len(s.client.streams) < 8 {
			s.open(c.opaque && s.rnd.IntN(2) == 0, [2]bool{s.rnd.IntN(4) == 0, s.rnd.IntN(4) == 0})
		}
	default:
		a := e.pick()
		if a == nil || a.discard {
			return
		}
		switch s.rnd.IntN(12) {
		case 0:
			a.abort()
		case 1:
			a.withdraw()
		case 2, 3:
			if a.s.Pending() == 0 {
				if err := a.s.CloseSend(); err != nil {
					s.fatalf("%v", err)
				}
			}
		case 4:
			if e.server {
				a.finish()
			} else if a.eof {
				a.s.Discard()
				a.discard = true
			}
		case 5:
			if s.rnd.IntN(5) == 0 {
				a.setAborted()
				a.s.Discard()
				a.discard = true
			}
		}
	}
	s.check()
}

// check looks at what must hold after every step.
func (s *sim) check() {
	for _, e := range []*end{s.client, s.server} {
		var held uint64
		open := 0
		for id, a := range e.streams {
			st := a.s
			held += st.memory.Held()
			if !st.gone {
				open++
			}
			var memory uint64
			for i := st.in.head; i < len(st.in.items); i++ {
				memory += wire.DataCost(len(st.in.items[i].b))
			}
			if memory != st.received.Buffered()+st.lent {
				s.fatalf("%s: stream %d holds %d, counts %d and %d", e.name, id, memory, st.received.Buffered(), st.lent)
			}
			if memory > st.memory.Held() || !st.remoteEnded() && st.received.Outstanding()+st.lent > st.memory.Held() {
				s.fatalf("%s: %v holds %d", e.name, st, memory)
			}
			if p := e.peer.mux.streams[id]; p != nil && p.sent.Limit() > st.received.Limit() {
				s.fatalf("%s: stream %d: the other side may send up to %d of %d", e.name, id, p.sent.Limit(), st.received.Limit())
			}
			if st.sent.Sent() > st.sent.Limit() {
				s.fatalf("%s: %v", e.name, st)
			}
		}
		if used := e.memory.Used(); used != held || used > e.memory.Limit() {
			s.fatalf("%s: reserved %d of %d, the streams hold %d", e.name, used, e.memory.Limit(), held)
		}
		if open != e.mux.Len() {
			s.fatalf("%s: %d streams, counted %d", e.name, open, e.mux.Len())
		}
	}
}

// settle runs until nothing moves any more: everything is pumped, delivered and read, except what nobody reads.
func (s *sim) settle() {
	for moved := true; moved; {
		moved = false
		for _, e := range []*end{s.client, s.server} {
			for e.pump() {
				moved = true
			}
			for e.deliver() {
				moved = true
			}
			for id := range s.nextID { // in order, so that a seed always gives the same run
				for a := e.streams[id+1]; a != nil && !a.stuck && a.recv(); {
					moved = true
				}
			}
			for e.pump() { // also a Recv that has to wait may give credit
				moved = true
			}
		}
		s.check()
	}
}

// complete checks that every stream that was not given up and is read has got all its messages.
func (s *sim) complete() {
	for id, a := range s.client.streams {
		b := s.server.streams[id]
		if b == nil || a.aborted || b.aborted {
			continue
		}
		for _, dir := range [][2]*app{{a, b}, {b, a}} {
			from, to := dir[0], dir[1]
			if to.stuck || to.discard || to.end.server && to.finished {
				continue
			}
			if from.end == s.client && b.finished { // the server did not wait for them
				continue
			}
			if to.got != len(from.sent) || from.s.Pending() > 0 {
				s.fatalf("%s got %d of %d messages on stream %d", to.end.name, to.got, len(from.sent), id)
			}
		}
	}
}

// clear ends everything and checks that nothing is left.
func (s *sim) clear() {
	for _, e := range []*end{s.client, s.server} {
		for _, a := range e.streams {
			a.s.Discard()
			a.discard = true
		}
	}
	s.settle()
	for _, e := range []*end{s.client, s.server} {
		if e.memory.Used() != 0 || e.mux.Len() != 0 || len(e.mux.streams) != 0 {
			s.fatalf("%s: %v, %d streams left", e.name, e.memory, e.mux.Len())
		}
		if sent, arrived := e.mux.sent.Sent(), e.peer.mux.arrived.Received(); sent != arrived {
			s.fatalf("%s has sent %d on the connection, %d arrived", e.name, sent, arrived)
		}
		if window := uint64(e.mux.config.ConnWindow); e.mux.sent.Avail() < window-window/8*3 {
			s.fatalf("%s: credit of the connection is lost: %v", e.name, &e.mux.sent)
		}
	}
}
