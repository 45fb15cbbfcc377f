package reader

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/internal/buffer"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// streams are the streams of one connection, made with the first frame that is about one. The loop puts in what arrives
// and takes out what is to be sent, handlers send and receive; none of them holds the lock for longer than it takes to
// move a message.
type streams struct {
	config *Config
	out    Output

	// Of whoever writes: messages that fill has linked and that are not written yet.
	lent     [][]byte   // they are the stream's
	borrowed []borrowed // they are their senders', who wait

	mu       sync.Mutex
	mux      *stream.Mux
	open     int      // stream calls that have not been answered
	trailers int      // replies that the mux has and fill has not appended
	small    [][]byte // buffers for small messages, at most maxSmall
}

// borrowed is a piece of a message that its sender has lent.
type borrowed struct {
	stream *serverStream
	buffer int // which it is, of those that fill has appended
}

const (
	// linkSize is the size from which messages are written from where they are: below it copying is cheaper than another
	// element in the vector of a write.
	linkSize = 16 << 10

	maxSmall = 8 // buffers that a connection keeps for messages below linkSize, while it has streams

	// aheadStream is how many bytes of messages a stream may have pending when its sender goes on, and aheadConn how many
	// the streams of a connection may have together. As long as a write takes the sender makes its next message.
	aheadStream = 2*stream.LongestPiece - 1
	aheadConn   = 4 * aheadStream
)

// maxBulk is the longest frame that fill appends, but for replies.
const maxBulk = wire.FrameHeaderSize + stream.LongestPiece

// streamsOf returns the connection's streams.
func (s *Session) streamsOf(n *native) *streams {
	if s.streams == nil {
		c := s.config
		t := &streams{config: c, out: s.out}
		t.mux = stream.NewMux(stream.Config{
			Window:     uint64(c.StreamWindow),
			ConnWindow: uint32(c.ConnWindow),
			WideWindow: uint32(max(c.ConnWindow, stream.WideWindow)),
			MaxPiece:   n.dialect.MaxFrame,
			MaxMessage: c.Dialect.MaxMessage,
			MaxStreams: c.MaxStreams,
			Memory:     flow.NewBudget(c.Memory, uint64(c.StreamMemory)),
			Server:     true,
		}, n.window)
		s.out.Attach(t.fill, t.hold, t.written, t.waiting)
		s.streams = t
	}
	return s.streams
}

// stream takes a frame about a stream.
func (n *native) stream(s *Session, h wire.FrameHeader, payload []byte) error {
	if n.window == 0 {
		return &wire.ConnError{Code: rpc.Unimplemented, Reason: fmt.Sprintf("%v frame from a client that has not announced streams", h.Kind)}
	}
	t := s.streamsOf(n)
	switch h.Kind {
	case wire.KindData:
		t.mu.Lock()
		w, err := t.mux.Data(h, payload, true) // payload is fresh memory
		t.unlock(w)
		return err
	case wire.KindCredit:
		limit, err := wire.ParseCredit(payload)
		if err != nil {
			return err
		}
		t.mu.Lock()
		err = t.mux.Credit(h.Stream, limit)
		t.unlock(stream.Wake{})
		return err
	}
	r, err := wire.ParseReset(payload)
	if err != nil {
		return err
	}
	t.mu.Lock()
	w, err := t.mux.Reset(h.Stream, r)
	t.unlock(w)
	return err
}

// copyBuffer returns an empty buffer for a message of about n bytes.
func (t *streams) copyBuffer(n int) []byte {
	if n >= linkSize {
		return buffer.Get(n)[:0]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := len(t.small); k > 0 {
		b := t.small[k-1]
		t.small = t.small[:k-1]
		return b
	}
	return nil
}

// keepSmall keeps a buffer from copyBuffer whose message has been copied. The lock is held.
func (t *streams) keepSmall(b []byte) {
	if len(t.small) < maxSmall && t.open > 0 {
		t.small = append(t.small, b)
	}
}

// promised reports whether a stream may still be sent a Data frame with n bytes.
func (t *streams) promised(id uint64, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	core := t.mux.Lookup(id)
	return core != nil && core.Expects(n)
}

// refused notes that a stream call was refused.
func (t *streams) refused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mux.Refused()
}

// hurry notes that a call came that is no stream.
func (t *streams) hurry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mux.Hurry()
}

// start opens the stream of a call, or says why the call must be refused. window is from the call's header.
func (t *streams) start(c *rpc.Call, dialect *wire.Dialect, window uint64) *rpc.Error {
	mode := c.Handler.Method.Stream
	x := &serverStream{streams: t, call: c, ctx: c.Context(), dialect: dialect, recv: make(chan struct{}, 1), send: make(chan struct{}, 1)}
	t.mu.Lock()
	if t.open >= t.config.MaxStreams { // a canceled one counts until its handler has returned
		n := t.open
		t.mu.Unlock()
		return rpc.Busy(fmt.Sprintf("the server is busy: %d streams of this connection are open", n))
	}
	core, err := t.mux.Open(stream.Options{Sends: mode&rpc.StreamResult != 0, Receives: mode&rpc.StreamArgs != 0, Limit: window})
	if err != nil {
		t.mu.Unlock()
		return rpc.Busy("the server is busy: " + rpc.ReplyError(err).Message)
	}
	x.core, core.Owner = core, x
	t.open++
	t.mux.Start(core, c.ID)
	t.unlock(stream.Wake{})
	c.Stream = x
	return nil
}

// unlock releases the lock, wakes whom w names, and has the loop come for what there is to send.
func (t *streams) unlock(w stream.Wake) {
	if t.release(w) {
		t.out.Wake()
	}
}

// unlockAndFlush is unlock for a goroutine that holds no other lock: what there is to send it writes itself, if it can.
func (t *streams) unlockAndFlush() {
	if t.release(stream.Wake{}) {
		t.out.Flush()
	}
}

// release releases the lock and wakes whom w names. It reports whether there is something to send.
func (t *streams) release(w stream.Wake) (ready bool) {
	ready = t.mux.Ready()
	var ended *rpc.Call
	dropped := false
	if w.Stream != nil {
		x := w.Stream.Owner.(*serverStream)
		x.wake(w)
		if w.Stream.State() == stream.StateReset {
			dropped = x.trailerGone()
			ended = x.call
		}
	}
	t.mu.Unlock()
	if ended != nil {
		ended.Cancel(context.Canceled)
	}
	if dropped {
		t.out.Dropped(ended.ID)
	}
	return ready
}

// fill appends frames to be sent to bufs, as the responder wants it. Large pieces are linked, and stay where they are until they
// are written, or held; what else there is goes into scratch, of which run is the part that bufs does not have yet.
func (t *streams) fill(bufs [][]byte, scratch []byte, limit int) [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	run, size, first := scratch, 0, len(bufs)
	link := func(b []byte) {
		if len(run) > 0 {
			bufs = append(bufs, run)
			run = run[len(run):]
		}
		bufs = append(bufs, b)
	}
	for size < limit && cap(run)-len(run) >= maxBulk {
		f, ok := t.mux.Next()
		if !ok {
			break
		}
		size += f.Size()
		switch {
		case f.Kind == wire.KindReply && f.Size() > maxBulk:
			link(f.Payload)
		case f.Kind == wire.KindData && len(f.Payload) >= linkSize:
			run = f.AppendHead(run)
			link(f.Payload)
			if !f.Own {
				x := f.Stream.Owner.(*serverStream)
				x.linked++
				t.borrowed = append(t.borrowed, borrowed{x, len(bufs) - 1 - first})
			}
		default:
			run = f.Append(run)
		}
		switch {
		case f.Given == nil:
		case cap(f.Given) < linkSize: // copied, all of it
			t.keepSmall(f.Given)
		default:
			t.lent = append(t.lent, f.Given)
		}
		if f.Stream == nil {
			continue
		}
		x := f.Stream.Owner.(*serverStream)
		if f.Kind == wire.KindReply && x.trailerGone() {
			t.out.Appended(x.call.ID)
		}
		if f.Drained || f.Own {
			x.wake(stream.Wake{Send: true})
		}
	}
	if len(run) > 0 {
		bufs = append(bufs, run)
	}
	return bufs
}

// hold copies what fill has linked of messages that their senders have lent: these may not be able to wait so long.
func (t *streams) hold(bufs [][]byte) {
	for _, p := range t.borrowed {
		b := buffer.Get(len(bufs[p.buffer]))
		copy(b, bufs[p.buffer])
		bufs[p.buffer] = b
		t.lent = append(t.lent, b)
	}
	t.giveBack()
}

// giveBack tells senders that what fill has linked of their messages is theirs again.
func (t *streams) giveBack() {
	if len(t.borrowed) == 0 {
		return
	}
	t.mu.Lock()
	for i, p := range t.borrowed {
		p.stream.linked--
		p.stream.wake(stream.Wake{Send: true})
		t.borrowed[i] = borrowed{}
	}
	t.mu.Unlock()
	t.borrowed = t.borrowed[:0]
}

// written gives back the messages that fill has linked.
func (t *streams) written() {
	t.giveBack()
	for i, b := range t.lent {
		buffer.Put(b)
		t.lent[i] = nil
	}
	t.lent = t.lent[:0]
}

// endStalled resets the streams whose client has granted no credit for too long.
func (t *streams) endStalled(now time.Time) {
	t.mu.Lock()
	stalled := t.mux.Stalled(now, t.config.StreamStall)
	for _, core := range stalled {
		core.Abandon(&rpc.Error{Code: rpc.ResourceExhausted, Message: fmt.Sprintf("the stream stalled: the client has received nothing for %v", t.config.StreamStall)})
	}
	t.mu.Unlock()
	for _, core := range stalled {
		t.mu.Lock()
		t.unlock(stream.Wake{Stream: core, Recv: true, Send: true})
	}
}

// waiting returns how many replies fill has yet to append.
func (t *streams) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trailers
}

// fail ends all streams because the connection has ended. Their calls' contexts have ended with it.
func (t *streams) fail() {
	var dropped []uint64
	t.mu.Lock()
	for _, core := range t.mux.Fail(&rpc.Error{Code: rpc.Canceled, Message: "the connection to the client is lost"}) {
		x := core.Owner.(*serverStream)
		if x.trailerGone() {
			dropped = append(dropped, x.call.ID)
		}
		x.wake(stream.Wake{Recv: true, Send: true})
	}
	t.mu.Unlock()
	for _, id := range dropped {
		t.out.Dropped(id)
	}
}
