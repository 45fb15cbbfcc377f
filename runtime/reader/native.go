package reader

import (
	"errors"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/internal/buffer"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// native reads the protocol of package wire.
type native struct {
	started bool   // the preamble is behind us
	open    bool   // frame is valid and its payload incomplete
	window  uint32 // the client's, for the Data of all streams; 0 if streams are not in force
	dialect *wire.Dialect
	client  rpc.ClientID

	// part is what has come of the payload of frame, if open, and otherwise of the preamble or a frame header that the end of a
	// read has cut off. It grows as bytes come in and never to what a header merely claims.
	part  []byte
	frame wire.FrameHeader
	skip  int // bytes left of an ignorable frame

	pings pings
}

// firstBody is how much is set aside for a payload of which nothing has come yet, and bodyAhead how many times what has come
// otherwise: with it most frames of some 10 KiB are put where they stay.
const (
	firstBody = 16 << 10
	bodyAhead = 4
)

func (n *native) partial() bool { return n.open || n.skip > 0 || len(n.part) > 0 }

func (n *native) feed(s *Session, b []byte) error {
	for len(b) > 0 {
		var err error
		switch {
		case n.skip > 0:
			k := min(n.skip, len(b))
			n.skip -= k
			b = b[k:]
			if n.skip == 0 {
				s.complete()
			}
		case n.open:
			b, err = n.fill(s, b)
		case !n.started:
			b, err = n.preamble(s, b)
		default:
			b, err = n.next(s, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// farewell implements protocol with a GoAway: the calls after the last one that was taken may be sent again elsewhere.
func (n *native) farewell(s *Session, err error) {
	g := wire.GoAway{Last: s.last(), Code: rpc.DeadlineExceeded, Message: err.Error()}
	var broken *wire.ConnError
	switch {
	case errors.As(err, &broken):
		g.Code, g.Message = broken.Code, broken.Reason
	case errors.Is(err, ErrIdle):
		g.Code = 0 // nothing is wrong
	}
	if !n.started { // a peer reads the preamble first
		s.sendPreamble()
	}
	s.out.Send(wire.AppendGoAway(nil, g))
}

// gather moves bytes from b to part until it holds size of them, and returns what is left of b.
func (n *native) gather(b []byte, size int) (rest []byte, full bool) {
	k := min(size-len(n.part), len(b))
	n.part = append(n.part, b[:k]...)
	return b[k:], len(n.part) == size
}

func (n *native) preamble(s *Session, b []byte) ([]byte, error) {
	rest, full := n.gather(b, wire.PreambleSize)
	p, ok, err := wire.ParsePreamble(n.part)
	if err != nil {
		return nil, err
	}
	if !full || !ok {
		return rest, nil
	}
	n.part = nil
	n.started = true
	n.client = p.ID
	n.window = p.Window
	n.dialect = s.config.dialects.native(p.FrameLimit())
	s.complete()
	s.sendPreamble()
	s.becomeNative()
	return rest, nil
}

func (s *Session) sendPreamble() {
	s.out.Send(wire.AppendPreamble(nil, wire.Preamble{
		Features: wire.FeatureStreams, MaxFrame: uint32(s.config.MaxFrame), Window: uint32(s.config.ConnWindow), ID: s.config.ServerID,
	}))
}

// next reads a frame's header, and its payload if all of it is there.
func (n *native) next(s *Session, b []byte) ([]byte, error) {
	head := b
	if len(n.part) > 0 || len(b) < wire.FrameHeaderSize {
		var full bool
		if b, full = n.gather(b, wire.FrameHeaderSize); !full {
			return b, nil
		}
		head = n.part
		n.part = n.part[:0]
	} else {
		b = b[wire.FrameHeaderSize:]
	}
	h, _ := wire.ParseFrameHeader(head)
	if err := h.Check(s.config.MaxFrame); err != nil {
		return nil, err
	}
	size := int(h.Length)
	if !h.Kind.Known() { // ignorable, or Check would have refused it
		n.skip = size
		if size == 0 {
			s.complete()
		}
		return b, nil
	}
	if len(b) >= size {
		return b[size:], n.take(s, h, whole(h, b[:size]))
	}
	n.open, n.frame = true, h
	n.part = append(n.space(s, h, max(bodyAhead*len(b), firstBody)), b...)
	return nil, nil
}

// whole returns a copy of a frame's payload.
func whole(h wire.FrameHeader, b []byte) []byte {
	if h.Kind == wire.KindData {
		return append(buffer.Get(len(b))[:0], b...)
	}
	payload := make([]byte, len(b)) // which the compiler does not clear, because of the copy
	copy(payload, b)
	return payload
}

// space returns room for a frame's payload, of which sure bytes may be taken for granted. For Data it is room for
// all of it, if memory for that has been set aside: the frame is within the limit that its stream was given.
func (n *native) space(s *Session, h wire.FrameHeader, sure int) []byte {
	size := int(h.Length)
	if h.Kind == wire.KindData && (size <= sure || s.streams != nil && s.streams.promised(h.Stream, size)) {
		return buffer.Get(size)[:0]
	}
	return make([]byte, 0, min(size, sure))
}

// fill adds to the payload under assembly.
func (n *native) fill(s *Session, b []byte) ([]byte, error) {
	size := int(n.frame.Length)
	k := min(size-len(n.part), len(b))
	if need := len(n.part) + k; need > cap(n.part) {
		grown := make([]byte, len(n.part), min(size, max(need, 2*cap(n.part))))
		copy(grown, n.part)
		n.part = grown
	}
	n.part = append(n.part, b[:k]...)
	if len(n.part) < size {
		return nil, nil
	}
	payload := n.part
	n.open, n.part = false, nil
	return b[k:], n.take(s, n.frame, payload)
}

// place returns the part of a Data frame's memory that is still to be filled, if there is room for all of it.
func (n *native) place() []byte {
	if size := int(n.frame.Length); n.open && n.frame.Kind == wire.KindData && size <= cap(n.part) {
		return n.part[len(n.part):size]
	}
	return nil
}

// placed notes that k bytes have come there.
func (n *native) placed(s *Session, k int) error {
	n.part = n.part[:len(n.part)+k]
	if len(n.part) < int(n.frame.Length) {
		return nil
	}
	payload := n.part
	n.open, n.part = false, nil
	return n.take(s, n.frame, payload)
}

// take handles a whole frame. payload is fresh memory.
func (n *native) take(s *Session, h wire.FrameHeader, payload []byte) error {
	s.complete()
	switch h.Kind {
	case wire.KindCall:
		return n.call(s, h, payload)
	case wire.KindCancel:
		return s.cancel(h.Stream)
	case wire.KindPing:
		token, err := wire.ParsePing(payload)
		if err != nil {
			return err
		}
		if err := n.pings.admit(s.now.Sub(s.opened)); err != nil {
			return err
		}
		s.out.Send(wire.AppendPong(nil, token))
		return nil
	case wire.KindPong:
		return nil
	case wire.KindData, wire.KindCredit:
		return n.stream(s, h, payload)
	case wire.KindReset:
		if _, err := s.countCancel(h.Stream); err != nil {
			return err
		}
		return n.stream(s, h, payload)
	case wire.KindGoAway: // the client will close when its calls are answered
		_, err := wire.ParseGoAway(payload)
		return err
	}
	return &wire.ConnError{Code: rpc.InvalidArgument, Reason: fmt.Sprintf("%v frame from a client", h.Kind)}
}

func (n *native) call(s *Session, h wire.FrameHeader, payload []byte) error {
	c := &rpc.Call{ID: h.Stream, Oneway: h.Flags&wire.FlagOneway != 0, Received: s.now, Dialect: n.dialect, Replier: s}
	if c.ID <= s.lastID {
		return &wire.ConnError{Code: rpc.InvalidArgument, Reason: fmt.Sprintf("call %d after call %d", c.ID, s.lastID)}
	}
	ch, err := wire.ParseCallHeader(payload[:h.HeaderLen])
	if err != nil {
		var refusal *rpc.Error
		if !errors.As(err, &refusal) {
			return err
		}
		s.refuse(c, refusal)
		return nil
	}
	c.Body = payload[h.HeaderLen:]
	c.Encoding, c.Compression, c.RawSize = ch.Encoding, ch.Compression, ch.RawSize
	c.ClientID, c.Retry, c.Number = n.client, ch.Retry, ch.Number
	c.Metadata, c.Trace = ch.Metadata, ch.Trace
	if ch.HasClientID {
		c.ClientID = ch.ClientID
	}
	if ch.Timeout > 0 {
		c.Deadline = s.now.Add(ch.Timeout)
	}
	if c.Handler = s.config.Registry.Lookup(ch.Method); c.Handler == nil {
		c.Name = string(ch.Method)
		n.refuse(s, c, ch.Stream, rpc.NewError(rpc.Unimplemented, s.config.Registry.Explain(ch.Method)))
		return nil
	}
	if m := c.Handler.Method; ch.Stream != (m.Stream != rpc.StreamNone) {
		n.refuse(s, c, ch.Stream, rpc.NewError(rpc.Unimplemented, m.StreamMismatch()))
		return nil
	}
	if ch.Stream {
		if refusal := n.openStream(s, c, ch.Window); refusal != nil {
			n.refuse(s, c, true, refusal)
			return nil
		}
	}
	return s.take(c)
}

// refuse answers a call that was not taken. On a stream its client may be sending already, and does nothing wrong.
func (n *native) refuse(s *Session, c *rpc.Call, stream bool, err *rpc.Error) {
	if stream && n.window != 0 {
		s.streamsOf(n).refused()
	}
	s.refuse(c, err)
}

// openStream opens the stream of a call, or says why the call must be refused.
func (n *native) openStream(s *Session, c *rpc.Call, window uint64) *rpc.Error {
	switch {
	case n.window == 0:
		return rpc.NewError(rpc.Unimplemented, "the client has not announced streams")
	case c.Oneway:
		return rpc.NewError(rpc.InvalidArgument, "a stream cannot be oneway")
	}
	return s.streamsOf(n).start(c, n.dialect, window)
}

// becomeNative makes the session keep its calls by id, so that they can be canceled, and repeats a Drain that came too
// early to be told.
func (s *Session) becomeNative() {
	s.mu.Lock()
	s.native = true
	draining := s.draining
	s.mu.Unlock()
	if draining {
		s.sendGoAway()
		s.answered()
	}
}

func (s *Session) sendGoAway() {
	s.out.Send(wire.AppendGoAway(nil, wire.GoAway{Last: s.last(), Message: "the server is shutting down"}))
}

// last returns the highest id of a call that was taken.
func (s *Session) last() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastID
}
