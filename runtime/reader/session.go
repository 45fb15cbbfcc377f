package reader

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Why a session ends its connection. The errors that Feed and Check return wrap one of these, or one of package wire's.
var (
	ErrFirstFrameTimeout = errors.New("no complete frame in time")
	ErrFrameTimeout      = errors.New("a frame was not completed in time")
	ErrTooSlow           = errors.New("a frame comes in too slowly")
	ErrIdle              = errors.New("idle for too long")
	ErrPipeline          = errors.New("too many calls sent ahead")
	ErrProtocol          = errors.New("not a protocol of this port")
	ErrCancels           = errors.New("a flood of canceled calls")

	// ErrTruncated is for a caller whose peer has closed while Partial was true.
	ErrTruncated = errors.New("closed in the middle of a frame")
)

// protocol is what a Session does with bytes once it knows what they are.
type protocol interface {
	// feed consumes b and appends the calls that it completes to s.batch.
	feed(s *Session, b []byte) error

	// partial reports whether bytes of an unfinished frame are held.
	partial() bool

	// farewell tells the peer why its connection ends, where the protocol has words for that.
	farewell(s *Session, err error)
}

// Session is the reading side of one connection. Feed, Check, Partial and Closed belong to the connection's event loop;
// the other methods may be called from any goroutine. Most connections are idle, so its size counts: it fills the
// allocator's 240 bytes.
type Session struct {
	config *Config
	out    Output

	// Owned by the loop.
	proto      protocol
	batch      []*rpc.Call  // completed by the current Feed
	first      [1]*rpc.Call // where batch begins
	opened     time.Time
	now        time.Time     // of the last Feed; opened if there was none
	frameStart time.Duration // when the unfinished frame began, counted from opened; only if there is one
	frameBytes int           // how much of it has come
	frames     int           // complete frames so far
	streams    *streams      // nil until there is a frame about one
	cancels    *cancels      // nil until there is an early one
	unfinished bool          // what has come ends in the middle of a frame

	mu       sync.Mutex
	native   bool // the protocol is the native one
	draining bool
	peer     *rpc.Peer // of calls taken from now on
	calls    callTable // in flight, if native
	serial   *serial   // in flight, if calls run one after the other; nil if not
	inFlight int
	bytes    int    // bodies of the calls in flight
	lastID   uint64 // highest id taken; changed on the loop only, which may read it without mu

	answeredCalls uint64 // for which somebody still waited
}

// serial are calls that run one after the other.
type serial struct {
	running *rpc.Call
	waiting []*rpc.Call // behind it
}

// NewSession returns the session of a connection that has just been opened. config must have passed
// ApplyDefaultsAndValidate.
func NewSession(config *Config, out Output, peer *rpc.Peer) *Session {
	now := config.Now()
	s := &Session{config: config, out: out, peer: peer, proto: &detector{}, opened: now, now: now}
	s.batch = s.first[:0]
	return s
}

// Feed consumes b, which it does not keep. An error is final: the connection is to be closed with it, after what has
// been sent so far was flushed.
func (s *Session) Feed(b []byte) error {
	before := s.begin()
	return s.end(len(b), before, s.proto.feed(s, b))
}

// Place returns memory that the next bytes may be read to: the rest of a stream's message. It is nil if there is none.
func (s *Session) Place() []byte {
	if n, ok := s.proto.(*native); ok {
		return n.place()
	}
	return nil
}

// Placed is Feed for the first k bytes of what Place has returned.
func (s *Session) Placed(k int) error {
	before := s.begin()
	return s.end(k, before, s.proto.(*native).placed(s, k))
}

// begin notes that input has come, and returns how many complete frames there were before.
func (s *Session) begin() (frames int) {
	s.now = s.config.Now()
	return s.frames
}

// end sees to what follows from size bytes of input that came when there were before frames, and returns err, which ends the
// connection.
func (s *Session) end(size, before int, err error) error {
	if err != nil {
		s.farewell(err)
	}
	switch known := s.unfinished; {
	case !s.proto.partial():
		s.unfinished = false
	case !known || s.frames != before:
		s.unfinished, s.frameStart, s.frameBytes = true, s.now.Sub(s.opened), 0
	default:
		s.frameBytes += size
	}
	if len(s.batch) > 0 {
		s.config.Dispatcher.Dispatch(s.batch)
		clear(s.batch)
		s.batch = s.batch[:0]
		if cap(s.batch) > keepBatch {
			s.batch = s.first[:0]
		}
	}
	return err
}

// keepBatch is the largest batch whose slice an idle connection keeps.
const keepBatch = 16

// complete notes that a whole frame has been read.
func (s *Session) complete() { s.frames++ }

// Check returns why the connection must be closed by now, nil if it need not be. An error is final, as Feed's is.
func (s *Session) Check(now time.Time) error {
	if s.streams != nil && s.config.StreamStall > 0 {
		s.streams.endStalled(now)
	}
	err := s.overdue(now)
	if err != nil {
		s.farewell(err)
	}
	return err
}

// farewell tells the peer why the connection ends. A Drain that comes later has nothing to add.
func (s *Session) farewell(err error) {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.proto.farewell(s, err)
}

func (s *Session) overdue(now time.Time) error {
	switch held := now.Sub(s.opened) - s.frameStart; {
	case s.frames == 0:
		if d := now.Sub(s.opened); d > s.config.FirstFrameTimeout {
			return fmt.Errorf("%w: nothing for %v", ErrFirstFrameTimeout, d.Round(time.Millisecond))
		}
	case !s.unfinished:
		if s.config.IdleTimeout > 0 && now.Sub(s.now) > s.config.IdleTimeout && s.Outstanding() == 0 {
			return fmt.Errorf("%w: %v", ErrIdle, now.Sub(s.now).Round(time.Millisecond))
		}
	case held > s.config.FrameTimeout:
		return fmt.Errorf("%w: held open for %v", ErrFrameTimeout, held.Round(time.Millisecond))
	case held > rateGrace && s.frameBytes < int(held.Seconds()*float64(s.config.MinRate)):
		return fmt.Errorf("%w: %d bytes in %v", ErrTooSlow, s.frameBytes, held.Round(time.Millisecond))
	}
	return nil
}

// Partial reports whether the bytes fed so far end in the middle of a frame.
func (s *Session) Partial() bool { return s.proto.partial() }

// SetPeer makes p the peer of the calls that are taken from now on. Those in flight keep theirs.
func (s *Session) SetPeer(p *rpc.Peer) {
	s.mu.Lock()
	s.peer = p
	s.mu.Unlock()
}

// Closed ends the contexts of the calls in flight, except oneway ones: their callers may well have gone. Replies are
// still taken, and dropped by the output.
func (s *Session) Closed(error) {
	s.cancelAll(false)
	if s.streams != nil {
		s.streams.fail()
	}
}

// Cancel ends the contexts of all calls in flight, oneway ones included.
func (s *Session) Cancel() { s.cancelAll(true) }

func (s *Session) cancelAll(oneway bool) {
	s.mu.Lock()
	calls := s.calls.appendTo(nil)
	if q := s.serial; q != nil {
		calls = append(calls, q.waiting...)
		if q.running != nil {
			calls = append(calls, q.running)
		}
	}
	s.mu.Unlock()
	for _, c := range calls {
		if oneway {
			c.Cancel(context.Canceled)
		} else {
			c.Disconnected()
		}
	}
}

// Drain tells the peer that no further call will be taken, where its protocol can say so. Calls that come all the same
// are refused as not executed.
func (s *Session) Drain() {
	s.mu.Lock()
	tell := !s.draining && s.native
	s.draining = true
	s.mu.Unlock()
	if tell {
		s.sendGoAway()
	}
}

// Outstanding returns how many calls have been taken and not answered.
func (s *Session) Outstanding() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFlight
}

// Undecided reports whether the peer has not shown yet which protocol it speaks.
func (s *Session) Undecided() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.native && s.serial == nil
}

// take counts c as in flight and puts it into the batch, or refuses it. An error ends the connection.
func (s *Session) take(c *rpc.Call) error {
	if s.streams != nil && c.Stream == nil {
		s.streams.hurry()
	}
	c.Received = s.now
	c.Size = len(c.Body)
	s.mu.Lock()
	c.Peer = s.peer
	behind := s.serial != nil && s.inFlight > 0
	refusal := s.admitLocked(c, behind)
	switch {
	case refusal != nil:
	case behind:
		s.serial.waiting = append(s.serial.waiting, c)
	case s.serial != nil:
		s.serial.running = c
	}
	s.mu.Unlock()
	switch {
	case refusal == nil && !behind:
		s.batch = append(s.batch, c)
	case refusal != nil && behind:
		return fmt.Errorf("%w: %w", ErrPipeline, refusal) // a reply would overtake those before it
	case refusal != nil:
		s.refuse(c, refusal)
	}
	return nil
}

// admitLocked counts c as in flight, or says why it cannot be.
func (s *Session) admitLocked(c *rpc.Call, behind bool) *rpc.Error {
	switch {
	case s.draining && !behind: // one behind others was sent before the peer could know
		return rpc.NewError(rpc.Unavailable, "the server is shutting down")
	case s.inFlight >= s.config.MaxCalls:
		return rpc.NewError(rpc.ResourceExhausted, fmt.Sprintf("the server is busy: %d calls of this connection are in flight", s.inFlight))
	case s.inFlight > 0 && s.bytes+c.Size > s.config.MaxCallBytes:
		return rpc.NewError(rpc.ResourceExhausted, fmt.Sprintf("the server is busy: calls of this connection hold %d bytes", s.bytes))
	}
	s.inFlight++
	s.bytes += c.Size
	s.lastID = max(s.lastID, c.ID)
	if s.native {
		s.calls.add(c)
	}
	return nil
}

// refuse answers a call that was not taken.
func (s *Session) refuse(c *rpc.Call, err *rpc.Error) {
	if c.Peer == nil { // refused before it was looked at
		s.mu.Lock()
		c.Peer = s.peer
		s.mu.Unlock()
	}
	err.Execution = rpc.NotExecuted
	s.answer(c, rpc.Reply{Err: err})
	s.out.Flush()
}

// Reply implements rpc.Replier for the calls of this session: it passes the reply on and frees the call's place.
func (s *Session) Reply(c *rpc.Call, reply rpc.Reply) {
	awaited := c.Ended(time.Time{}) == nil // a deadline that passes just now makes no difference here
	s.answer(c, reply)
	others := s.release(c, awaited)
	switch {
	case !c.WantsReply():
	case others || reply.Err != nil && reply.Err.Execution == rpc.NotExecuted:
		// Those others will add to the same write; and a worker that has more calls to run, or to turn away, is needed for that.
		s.out.Wake()
	default:
		s.out.Flush()
	}
}

func (s *Session) answer(c *rpc.Call, reply rpc.Reply) {
	if x, ok := c.Stream.(*serverStream); ok {
		x.finish(reply)
		return
	}
	s.out.Reply(c, reply)
}

// release frees the place of an answered call, and sends the next one on its way where calls run one after the other. It
// reports whether there are others.
func (s *Session) release(c *rpc.Call, awaited bool) (others bool) {
	s.mu.Lock()
	if awaited {
		s.answeredCalls++
	}
	s.inFlight--
	s.bytes -= c.Size
	if s.native {
		s.calls.remove(c)
	}
	var next *rpc.Call
	if s.serial != nil {
		next = s.serial.next()
	}
	others = s.inFlight > 0
	drained := s.draining && !others
	s.mu.Unlock()
	if next != nil {
		s.config.Dispatcher.Dispatch([]*rpc.Call{next})
	}
	if drained {
		s.answered()
	}
	return others
}

func (s *Session) answered() {
	if s.config.Answered != nil {
		s.config.Answered()
	}
}

// next makes the first waiting call the running one.
func (q *serial) next() *rpc.Call {
	q.running = nil
	if len(q.waiting) > 0 {
		q.running = q.waiting[0]
		q.waiting[0] = nil
		if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
			q.waiting = nil
		}
	}
	return q.running
}
