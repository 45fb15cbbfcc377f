package stream

import (
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Defaults of Config.
const (
	DefaultWindow     = 258 << 10 // four pieces of DefaultChunk, with what they cost and what an encoding may add
	DefaultMaxWindow  = 4 << 20
	WideWindow        = 4 * DefaultWindow
	DefaultChunk      = 64 << 10
	DefaultMaxStreams = 1024

	LongestPiece = DefaultChunk + DefaultChunk/8 // of a message, in a Data frame, where Chunk is the default
)

// Config is how a side treats the streams of its connections. Zero fields have defaults. Sizes are in bytes.
type Config struct {
	Window     uint64       // of a stream at first, as far as Memory has it; DefaultWindow, at least wire.MinWindow
	MaxWindow  uint64       // that a stream may grow to; DefaultMaxWindow, at least Window
	ConnWindow uint32       // what the own preamble announced; wire.DefaultWindow
	WideWindow uint32       // of the connection while it carries bulk and nothing else, see Hurry; 0 for ConnWindow
	Chunk      int          // of a Data frame that this side sends, about; DefaultChunk
	MaxPiece   int          // that the peer accepts in a frame; wire.MaxData
	MaxMessage int          // that this side receives; wire.DefaultMaxMessage
	MaxStreams int          // at once; DefaultMaxStreams
	Memory     *flow.Budget // of the connection, for what is received; nil for no bound
	Server     bool
}

func (c *Config) applyDefaults() {
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	c.Window = max(c.Window, wire.MinWindow)
	if c.MaxWindow == 0 {
		c.MaxWindow = DefaultMaxWindow
	}
	c.MaxWindow = min(max(c.MaxWindow, c.Window), flow.MaxOffset/2)
	if c.ConnWindow == 0 {
		c.ConnWindow = wire.DefaultWindow
	}
	c.WideWindow = max(c.WideWindow, c.ConnWindow)
	if c.Chunk <= 0 {
		c.Chunk = DefaultChunk
	}
	if c.MaxPiece <= 0 {
		c.MaxPiece = wire.MaxData
	}
	c.MaxPiece = min(c.MaxPiece, wire.MaxData)
	c.Chunk = min(c.Chunk, c.MaxPiece)
	if c.MaxMessage <= 0 {
		c.MaxMessage = wire.DefaultMaxMessage
	}
	if c.MaxStreams <= 0 {
		c.MaxStreams = DefaultMaxStreams
	}
}

// piece returns how much of n bytes goes into a Data frame. It may be an eighth over Chunk if that is all there is: a
// message just above it would else make two pieces, which somebody has to join.
func (c *Config) piece(n int) int {
	if n <= c.Chunk+c.Chunk/8 && n <= c.MaxPiece {
		return n
	}
	return min(n, c.Chunk)
}

// Options are what is particular to one stream.
type Options struct {
	Sends    bool   // this side may send messages
	Receives bool   // the other side may
	Limit    uint64 // on a server: the window in the Call, up to which it may send
	Opaque   bool   // Recv returns chunks as they came
}

// Wake names a stream and those who should look at it again.
type Wake struct {
	Stream *Stream // nil if nobody has to be woken
	Recv   bool    // who waits in Recv
	Send   bool    // who waits for Pending to be 0
}

// Mux holds the streams of one connection. It is not safe for concurrent use.
type Mux struct {
	config  Config
	streams map[uint64]*Stream
	n       int         // streams opened and not forgotten
	failed  *rpc.Error  // the connection is lost
	sent    flow.Sender // of the connection
	arrived flow.Receiver
	calm    uint64 // cost of the Data that has arrived since the last Hurry
	soon    uint64 // how much that has to be for the connection's window to be wide: calmWindows of it, except in tests
	least   uint64 // credit that has to be there for a piece to go; see leastCredit
	floor   uint64 // the least a stream's window can be: wire.MinWindow, except in tests
	given   int    // bytes given to Give that have not left
	stale   int    // frames without effect since the last one that had any
	stray   int    // of Data for no stream: how many, less how many streams that are over explain

	// What is to be sent, most urgent first. An item whose stream has ended meanwhile is skipped.
	credit queue[*Stream] // due a Credit frame
	resets queue[reset]
	free   queue[*Stream] // with an end or a trailer to send, and nothing before it
	bulk   queue[*Stream] // with pieces to send, and room in their windows
	turn   int            // bytes that the first of bulk has sent in its turn
}

type reset struct {
	id uint64
	wire.Reset
}

// NewMux returns the Mux of a connection. window is what the peer's preamble announced.
func NewMux(c Config, window uint32) *Mux {
	c.applyDefaults()
	return &Mux{
		config:  c,
		floor:   wire.MinWindow,
		streams: make(map[uint64]*Stream),
		sent:    flow.NewSender(uint64(window)),
		least:   leastCredit(uint64(window)),
		arrived: flow.NewReceiver(uint64(c.ConnWindow), uint64(c.ConnWindow)),
		soon:    calmWindows * uint64(c.ConnWindow),
	}
}

// Open makes a stream and reserves the memory for its window; Start puts it to work. The error is an *rpc.Error with
// the execution NotExecuted: too many streams, no memory left, or a lost connection.
func (m *Mux) Open(o Options) (*Stream, error) {
	if m.failed != nil {
		e := *m.failed
		e.Execution = rpc.NotExecuted
		return nil, &e
	}
	if m.n >= m.config.MaxStreams {
		return nil, &rpc.Error{Code: rpc.ResourceExhausted, Message: fmt.Sprintf("%d streams are open, no more are allowed", m.n), Execution: rpc.NotExecuted}
	}
	s := &Stream{mux: m, options: o, memory: flow.NewReservation(m.config.Memory)}
	if o.Receives {
		window := m.config.Window
		if !m.spare(window) || !s.memory.Grow(window) {
			if window = m.floor; !s.memory.Grow(window) {
				return nil, &rpc.Error{Code: rpc.ResourceExhausted, Message: "no memory for another stream", Execution: rpc.NotExecuted}
			}
		}
		limit := window
		if m.config.Server {
			limit = m.floor // every client starts with that, before it is told more
		}
		s.received = flow.NewReceiver(limit, window)
	}
	if o.Sends {
		limit := m.floor
		if m.config.Server {
			limit = o.Limit
		}
		s.sent = flow.NewSender(limit)
		s.least = leastCredit(limit)
	}
	m.n++
	return s, nil
}

// spare reports whether n bytes may be reserved that nobody has to have: those who come early and read fast must leave the
// smallest window for every stream that may still be opened. Half of the memory is kept for that at most, or where there
// is little of it no message could ever be larger than a window.
func (m *Mux) spare(n uint64) bool {
	b := m.config.Memory
	kept := min(uint64(max(m.config.MaxStreams-m.n, 0))*m.floor, b.Limit()/2)
	used := b.Used()
	return used+kept <= b.Limit() && n <= b.Limit()-used-kept
}

// Start gives a stream from Open its id. A client does it when the Call has been queued.
func (m *Mux) Start(s *Stream, id uint64) {
	if s.over() || s.id != 0 {
		return
	}
	s.id = id
	m.streams[id] = s
	m.effect()
	s.announce()
	m.schedule(s)
}

// Lookup returns the stream with an id, nil if there is none or it is over.
func (m *Mux) Lookup(id uint64) *Stream { return m.streams[id] }

// GivenBytes returns how many bytes given to Give, of all streams, have not left.
func (m *Mux) GivenBytes() int { return m.given }

// Len returns how many streams are open.
func (m *Mux) Len() int { return m.n }

// forget takes a stream that is over out of the Mux.
func (m *Mux) forget(s *Stream) {
	if s.gone {
		return
	}
	s.gone = true
	m.n--
	if s.id != 0 {
		delete(m.streams, s.id)
		m.explain(s.received.Limit() - s.received.Received())
	}
}

// Data takes a Data frame, which has passed Check. keep says that payload is the stream's from now on; if not, it is
// copied. Data for an unknown stream is counted and dropped: it has ended here, and the other side does not know yet.
func (m *Mux) Data(h wire.FrameHeader, payload []byte, keep bool) (Wake, error) {
	if h.Flags&wire.FlagEnd == 0 {
		cost := wire.DataCost(len(payload))
		if err := m.arrived.Receive(cost); err != nil {
			return Wake{}, exceeded("connection", m.arrived.Limit())
		}
		m.relax(cost)
		m.arrived.Consume(cost) // sorted by stream, and so no longer on its way
	}
	s := m.streams[h.Stream]
	if s == nil {
		return Wake{}, m.strayData()
	}
	if len(payload) < m.config.Chunk/4 && h.Flags&(wire.FlagEnd|wire.FlagMore) == 0 && !s.more {
		m.Hurry()
	}
	m.effect()
	w, err := s.data(h.Flags, payload, keep)
	if err == nil {
		err = m.checkControl()
	}
	return w, err
}

// calmWindows is how many windows of Data have to arrive after the last Hurry before the connection's window is wide.
const calmWindows = 64

// Hurry says that there are calls beside the streams, which should not wait behind much Data. For a while the connection's
// window is what the preamble announced. What was promised beyond that may still arrive, once. A message that is less than
// a quarter of a Chunk counts as a call does.
func (m *Mux) Hurry() {
	m.calm = 0
	m.arrived.Resize(uint64(m.config.ConnWindow))
}

// ConnWindow returns the connection's window for what arrives.
func (m *Mux) ConnWindow() uint64 { return m.arrived.Window() }

// relax counts Data that has arrived, and widens the connection's window if there was nothing else for long enough.
func (m *Mux) relax(cost uint64) {
	if m.calm += cost; m.calm >= m.soon {
		m.arrived.Resize(uint64(m.config.WideWindow))
	}
}

// Credit takes a Credit frame. No Wake follows from it, but Next may have something now.
func (m *Mux) Credit(id, limit uint64) error {
	raised, err := false, error(nil)
	if id == 0 {
		if raised, err = m.sent.Raise(limit); err != nil {
			err = &wire.ConnError{Code: rpc.InvalidArgument, Reason: err.Error()}
		}
	} else if s := m.streams[id]; s != nil {
		raised, err = s.credit(limit)
	}
	switch {
	case err != nil:
		return err
	case raised:
		m.effect()
		return nil
	}
	return m.noEffect()
}

// Reset takes a Reset frame.
func (m *Mux) Reset(id uint64, r wire.Reset) (Wake, error) {
	s := m.streams[id]
	if s == nil {
		return Wake{}, m.noEffect()
	}
	missing, err := uint64(0), error(nil)
	if s.options.Receives {
		if missing, err = s.received.Finish(r.Final); err == nil {
			err = m.arrived.Receive(missing)
		}
	}
	if err != nil {
		return Wake{}, &wire.ConnError{Code: rpc.InvalidArgument, Reason: fmt.Sprintf("reset of stream %d at offset %d: %v", id, r.Final, err)}
	}
	m.arrived.Consume(missing)
	m.effect()
	s.becomeReset(&rpc.Error{Code: r.Code, Message: r.Message, Remote: true})
	return s.wake(), nil
}

// Finished takes the Reply, if err is nil, or the Error that ends a stream; the owner keeps the Reply. It is for clients.
func (m *Mux) Finished(id uint64, err *rpc.Error) Wake {
	s := m.streams[id]
	if s == nil || s.over() {
		return Wake{}
	}
	m.effect()
	s.finished(err)
	return s.wake()
}

// Fail ends all streams because the connection is lost, and returns them: everybody who waits for one is to be woken. A
// stream that had its reply before is not concerned, and neither is one not started, which is to be discarded.
func (m *Mux) Fail(err *rpc.Error) []*Stream {
	if m.failed != nil {
		return nil
	}
	m.failed = err
	lost := make([]*Stream, 0, len(m.streams))
	for _, s := range m.streams {
		lost = append(lost, s)
	}
	for _, s := range lost {
		s.becomeReset(err)
	}
	m.credit.reset()
	m.resets.reset()
	m.free.reset()
	m.bulk.reset()
	return lost
}

// maxControl is how many frames in a row may have no effect, and how many resets may wait to be sent, besides some for
// each stream that may be open: those can be nobody's fault.
const maxControl = 1000

// Refused says that a stream was refused without having been opened: the client may send up to its first limit before it
// knows. It is for servers.
func (m *Mux) Refused() { m.explain(m.floor) }

// explain makes room for Data of no stream: so much may be on its way for one that is over, in frames however small.
func (m *Mux) explain(credit uint64) {
	m.stray = max(m.stray-int(min(credit/wire.DataOverhead, maxExplained)), -maxExplained)
}

const maxExplained = 1 << 20 // frames; 64 MiB of credit for empty messages

// strayData counts a Data frame for no stream.
func (m *Mux) strayData() error {
	if m.stray++; m.stray > maxControl+4*m.config.MaxStreams {
		return tooManyStale()
	}
	return nil
}

// effect notes that a frame had one.
func (m *Mux) effect() { m.stale, m.stray = 0, min(m.stray, 0) }

func tooManyStale() error {
	return &wire.ConnError{Code: rpc.ResourceExhausted, Reason: "too many frames without effect"}
}

// noEffect counts a frame that changed nothing. A few are normal: they crossed the end of their stream.
func (m *Mux) noEffect() error {
	if m.stale++; m.stale > maxControl+4*m.config.MaxStreams {
		return tooManyStale()
	}
	return nil
}

func (m *Mux) checkControl() error {
	if m.resets.len() > maxControl+m.config.MaxStreams {
		return &wire.ConnError{Code: rpc.ResourceExhausted, Reason: "too many streams had to be reset"}
	}
	return nil
}
