package responder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Conn is the connection that a Responder writes to. Its methods may be called from any goroutine, also after the
// connection has ended.
type Conn interface {
	// Wake asks that the pending output be taken soon, on the loop.
	Wake()

	// Flush is Wake for who can write the output himself, and does if nobody else is.
	Flush()

	// Abort ends the connection without writing what is pending.
	Abort(reason error)
}

// Options configures a Responder. The zero value of each field means its default.
type Options struct {
	// MaxPending is how many bytes of output a connection may have waiting before it is given up as a slow consumer;
	// default 64 MiB.
	MaxPending int

	// Events' CallDone is called for every call, when its reply has been written or the connection has ended.
	Events observe.Events

	// Logger gets the stack of a result whose encoding panicked; default slog.Default.
	Logger *slog.Logger
}

const (
	defaultMaxPending = 64 << 20

	// batchSize is the size of the buffers that small replies share, and shareLimit the size up to which a reply is small:
	// below it copying is cheaper than a further element in the vector of a write.
	batchSize  = 64 << 10
	shareLimit = 16 << 10

	// maxScratch is the largest encoding buffer worth keeping for the next reply, and maxSlack how many times its length a
	// large reply may take up while it waits, because limits count the length.
	maxScratch = 1 << 20
	maxSlack   = 4
)

func (o *Options) applyDefaultsAndValidate() error {
	if o.MaxPending == 0 {
		o.MaxPending = defaultMaxPending
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxPending < 0 {
		return fmt.Errorf("responder: MaxPending %d is negative", o.MaxPending)
	}
	return nil
}

// ErrSlowConsumer is why a connection ends whose peer does not read its replies.
var ErrSlowConsumer = errors.New("slow consumer: the peer does not read its replies")

// Factory makes Responders that share options and buffers.
type Factory struct {
	opts    Options
	scratch sync.Pool // *scratch
	batches sync.Pool // *[]byte of capacity batchSize: what small replies are gathered in
	bulk    sync.Pool // *[]byte of capacity bulkBuffer: what streams send
	turns   sync.Pool // *turn
}

// NewFactory returns a Factory.
func NewFactory(opts Options) (*Factory, error) {
	if err := opts.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	f := &Factory{opts: opts}
	f.scratch.New = func() any { return &scratch{b: make([]byte, 0, 4<<10)} }
	f.batches.New = func() any { b := make([]byte, 0, batchSize); return &b }
	f.bulk.New = func() any { b := make([]byte, 0, bulkBuffer); return &b }
	f.turns.New = func() any { return new(turn) }
	return f, nil
}

// New returns the Responder of one connection.
func (f *Factory) New(conn Conn) *Responder {
	r := &Responder{factory: f, conn: conn}
	if f.opts.Events.CallDone != nil {
		r.endings = new(endings)
	}
	return r
}

// Responder is the output of one connection. Reply and Send may be called from any goroutine, Next and Written by whoever
// writes, one at a time. Idle, it holds no buffer, and fills the allocator's 80 bytes.
type Responder struct {
	factory *Factory
	conn    Conn
	endings *endings // nil if nobody wants to know; guarded by mu

	mu      sync.Mutex
	pending *turn   // whose writing is what waits; nil if nothing does
	streams *source // nil if there are none
	bytes   int     // in pending and writing
	closed  bool

	*turn // owned by whoever writes; nil but between a Next that has found something and its Written
}

// turn is what is needed to write once. It is lent to one connection after the other, because most of them are idle.
type turn struct {
	writing []segment
	vector  [][]byte
	told    []ending // which Written is telling
	bulk    [][]byte // the streams' part of writing
	scratch *[]byte  // from the factory's bulk, for that part; nil if there is none
}

// keepSegments is the largest turn, or queue of an idle connection, that is kept.
const keepSegments = 64

// segment is a piece of output: a batch that replies share, one reply in the buffer that it was encoded into, a part of that,
// or a string that belongs between two parts. Batches and buffers go back to the factory.
type segment struct {
	b       []byte
	batch   *[]byte  // nil if this is none
	scratch *scratch // nil if this is none, or not the last part
	more    bool     // the reply goes on in the next segment
	stream  bool     // from the streams: what a stream sends answers no call
}

// Reply queues the reply to c. Flush is to be called after it.
func (r *Responder) Reply(c *rpc.Call, reply rpc.Reply) {
	var end *ending
	if r.factory.opts.Events.CallDone != nil {
		end = new(ending)
		end.note(c, reply)
	}
	c.Cancel(context.Canceled) // for those who still hold the handler's context
	if !c.WantsReply() {
		if end != nil {
			end.tell(&r.factory.opts.Events, true, end.done.Done)
		}
		return
	}
	s := r.factory.scratch.Get().(*scratch)
	r.factory.encode(s, c, reply, end)
	if size := s.size(); size <= shareLimit || max(cap(s.b), len(c.Body)) > maxSlack*size {
		r.append(s.joined(), nil, end)
		r.factory.keepScratch(s)
	} else {
		r.append(nil, s, end)
	}
}

// methodName returns the name that logs have for c's method.
func methodName(c *rpc.Call) string {
	if c.Handler != nil {
		return c.Handler.Method.FullName
	}
	return c.Name
}

// Send queues bytes that are no reply, such as a control frame. b is copied.
func (r *Responder) Send(b []byte) {
	if r.append(b, nil, nil) {
		r.conn.Wake()
	}
}

// Flush has queued replies written: by the caller unless somebody else is writing already.
func (r *Responder) Flush() { r.conn.Flush() }

// append queues what is in the scratch, as it is, or without one a copy of b. end is of the call that is answered, nil if
// nobody wants to know. It reports whether nothing was queued before.
func (r *Responder) append(b []byte, s *scratch, end *ending) (first bool) {
	size := len(b)
	if s != nil {
		size = s.size()
	}
	if size == 0 {
		if end != nil { // a dialect that has nothing to say about this
			end.tell(&r.factory.opts.Events, true, end.done.Done)
		}
		return false
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		if end != nil {
			r.tellUnsent([]ending{*end})
		}
		return false
	}
	if r.bytes+size > r.factory.opts.MaxPending {
		r.closed = true
		lost := r.dropLocked()
		r.mu.Unlock()
		r.conn.Abort(ErrSlowConsumer)
		if end != nil {
			lost = append(lost, *end)
		}
		r.tellUnsent(lost)
		return false
	}
	r.bytes += size
	if r.endings != nil {
		r.endings.queue(size, end)
	}
	if first = r.pending == nil; first {
		r.pending = r.factory.turns.Get().(*turn)
	}
	switch list := &r.pending.writing; {
	case s != nil:
		*list = s.appendTo(*list)
	case size > shareLimit:
		*list = append(*list, segment{b: slices.Clone(b)})
	default:
		*list = r.factory.share(*list, b)
	}
	r.mu.Unlock()
	return first
}

// share copies b to the end of list's last batch, or into a new one.
func (f *Factory) share(list []segment, b []byte) []segment {
	if n := len(list); n > 0 {
		last := &list[n-1]
		if last.batch != nil && len(last.b)+len(b) <= cap(last.b) {
			last.b = append(last.b, b...)
			return list
		}
	}
	batch := f.batches.Get().(*[]byte)
	return append(list, segment{b: append((*batch)[:0], b...), batch: batch})
}

// Next returns buffers to write now: whole replies, in order, at least one if anything is pending, and no more than limit
// bytes otherwise; behind them what the streams have to send, up to a bound of its own. They stay valid until Written. It
// must not be called again before.
func (r *Responder) Next(limit int) [][]byte {
	r.mu.Lock()
	streams := r.streams
	if r.pending == nil && streams == nil {
		r.mu.Unlock()
		return nil
	}
	r.takeLocked(limit)
	r.mu.Unlock()
	if streams != nil {
		r.nextStreams(streams)
	}
	if len(r.writing) == 0 {
		r.endTurn()
		return nil
	}
	for _, s := range r.writing {
		r.vector = append(r.vector, s.b)
	}
	return r.vector
}

// takeLocked begins a turn with what is pending, whole replies of no more than limit bytes, at least one if there is any.
func (r *Responder) takeLocked(limit int) {
	if r.pending == nil {
		r.turn = r.factory.turns.Get().(*turn)
		return
	}
	list := r.pending.writing
	n, size := 0, 0
	for n < len(list) && (n == 0 || list[n-1].more || size+len(list[n].b) <= limit) {
		size += len(list[n].b)
		n++
	}
	if n == len(list) {
		r.turn, r.pending = r.pending, nil
		return
	}
	r.turn = r.factory.turns.Get().(*turn)
	r.writing = append(r.writing, list[:n]...)
	rest := copy(list, list[n:])
	clear(list[rest:])
	r.pending.writing = list[:rest]
}

// Written says that the buffers of the last Next are not needed any more.
func (r *Responder) Written() {
	if r.turn == nil { // there were none
		return
	}
	size, bulk := 0, 0
	for _, s := range r.writing {
		size += len(s.b)
		if s.stream {
			bulk += len(s.b)
		}
		if s.batch != nil {
			*s.batch = s.b[:0]
			r.factory.batches.Put(s.batch)
		}
		if s.scratch != nil {
			r.factory.keepScratch(s.scratch)
		}
	}
	r.writtenStreams()
	r.mu.Lock()
	r.bytes -= size
	if r.endings != nil {
		r.told = r.endings.takeWritten(r.told, size-bulk)
	}
	r.mu.Unlock()
	r.tellWritten()
	r.endTurn()
}

// endTurn gives the turn back.
func (r *Responder) endTurn() {
	t := r.turn
	r.turn = nil
	r.factory.keepTurn(t)
}

// keepTurn takes back a turn, and drops what is left in it.
func (f *Factory) keepTurn(t *turn) {
	clear(t.writing)
	clear(t.vector)
	t.writing, t.vector = t.writing[:0], t.vector[:0]
	if cap(t.writing) <= keepSegments {
		f.turns.Put(t)
	}
}

// Pending returns how many bytes wait to be written, replies of streams counted as one each.
func (r *Responder) Pending() int {
	r.mu.Lock()
	n, streams := r.bytes, r.streams
	if r.closed {
		streams = nil
	}
	r.mu.Unlock()
	if streams != nil {
		n += streams.waiting()
	}
	return n
}

// Close drops what is pending; replies that come later are dropped too. The connection's loop calls it when the
// connection has ended.
func (r *Responder) Close() {
	r.mu.Lock()
	r.closed = true
	lost := r.dropLocked()
	r.mu.Unlock()
	r.tellUnsent(lost)
}

// dropLocked drops what is pending and returns the calls whose replies are lost with it. Those that the loop is writing
// count as lost, too: nobody will know.
func (r *Responder) dropLocked() (lost []ending) {
	if t := r.pending; t != nil {
		for _, s := range t.writing {
			r.bytes -= len(s.b)
		}
		r.pending = nil
		r.factory.keepTurn(t)
	}
	if r.endings == nil {
		return nil
	}
	return r.endings.drop()
}
