package stream

import (
	"fmt"
	"io"

	"github.com/kuafu-rpc/kuafu/runtime/internal/buffer"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Message is what Recv returns: a whole message, or a chunk of an opaque stream.
type Message struct {
	More bool // the message goes on in the next chunk; only on an opaque stream

	first []byte
	rest  []chunk
	size  int
}

// Len returns the message's size in bytes.
func (m *Message) Len() int { return m.size }

// Bytes returns the message, which belongs to the caller. If it came in several chunks they are joined, which is better
// done without the lock.
func (m *Message) Bytes() []byte {
	if len(m.rest) == 0 {
		return m.first
	}
	b := append(buffer.Get(m.size)[:0], m.first...)
	buffer.Put(m.first)
	for _, c := range m.rest {
		b = append(b, c.b...)
		buffer.Put(c.b)
	}
	m.first, m.rest = b, nil
	return b
}

// Expects reports whether the stream's limit leaves room for a Data frame with n bytes, so that memory is reserved for it.
func (s *Stream) Expects(n int) bool {
	return s.options.Receives && !s.over() && wire.DataCost(n) <= s.received.Limit()-s.received.Received()
}

// Recv returns the next message and gives its place in the window back. The error is ErrWait if there is none yet, io.EOF
// after the last one, an *rpc.Error if the stream ended otherwise. Messages that came before the end are returned first,
// except when the stream was reset.
func (s *Stream) Recv() (Message, error) {
	if s.whole == 0 {
		switch {
		case s.state == StateReset || s.state == StateClosed:
			return Message{}, s.err
		case s.remoteEnded() || !s.options.Receives:
			return Message{}, io.EOF
		}
		s.wanted = true
		s.lend()
		if s.state == StateReset {
			return Message{}, s.err
		}
		return Message{}, ErrWait
	}
	s.wanted = false
	s.whole--
	c := s.in.pop()
	m := Message{first: c.b, size: len(c.b)}
	cost := wire.DataCost(len(c.b))
	if s.options.Opaque {
		m.More = c.more
	} else {
		for more := c.more; more; {
			c = s.in.pop()
			m.rest = append(m.rest, c)
			m.size += len(c.b)
			cost += wire.DataCost(len(c.b))
			more = c.more
		}
	}
	s.consume(cost - s.lent)
	s.lent = 0
	s.settle()
	return m, nil
}

// consume frees room in the window, and sees that the other side hears of it.
func (s *Stream) consume(n uint64) {
	s.received.Consume(n)
	s.announce()
}

func (s *Stream) announce() {
	if !s.inCredit && s.id != 0 && !s.remoteEnded() && s.received.Due() {
		s.inCredit = true
		s.mux.credit.push(s)
	}
}

// lend makes room for the rest of a message that may be larger than the window, if somebody waits for it: what has come
// of it moves out of the window into memory reserved for it. Without that memory the message can never be completed, and
// to wait for it, holding what there is, could last for ever with every stream waiting for another's. So the stream is
// reset.
func (s *Stream) lend() (ok bool) {
	take := s.partCost - s.lent
	if !s.wanted || s.whole > 0 || take == 0 || take < s.received.Window()/4 {
		return true
	}
	if !s.memory.Grow(take) {
		s.Reset(&rpc.Error{Code: rpc.ResourceExhausted, Message: fmt.Sprintf("no memory for a message of over %d bytes", s.part)})
		return false
	}
	s.lent += take
	s.consume(take)
	return true
}

// grow doubles the window of a sender that is held up by it, if there is memory, and if the reader keeps up: it has taken
// half of this window out, and has less than half before it.
func (s *Stream) grow(backlog uint64) {
	w := s.received.Window()
	consumed := s.received.Received() - s.received.Buffered()
	if backlog >= w/2 || consumed-s.grown < w/2 || w >= s.mux.config.MaxWindow {
		return
	}
	larger := min(2*w, s.mux.config.MaxWindow)
	if s.mux.spare(larger-w) && s.memory.Grow(larger-w) {
		s.received.Resize(larger)
		s.grown = consumed
		s.announce()
	}
}

// data takes a Data frame. The error is a *wire.ConnError.
func (s *Stream) data(flags wire.Flags, payload []byte, keep bool) (Wake, error) {
	switch {
	case s.over(): // it crossed our reply
		return Wake{}, s.countOnly(flags, payload)
	case s.remoteEnded():
		return s.refuse(rpc.InvalidArgument, "a message after the end of messages"), nil
	case flags&wire.FlagEnd != 0 && s.more:
		return s.refuse(rpc.InvalidArgument, "the messages end in the middle of one"), nil
	case flags&wire.FlagEnd != 0:
		s.becomeHalfClosedRemote()
		return s.wake(), nil
	case !s.options.Receives:
		return s.refuse(rpc.InvalidArgument, "a message on a stream that takes none"), nil
	}
	backlog := s.received.Buffered()
	cost := wire.DataCost(len(payload))
	if err := s.received.Receive(cost); err != nil {
		return Wake{}, exceeded(fmt.Sprintf("stream %d", s.id), s.received.Limit())
	}
	more := flags&wire.FlagMore != 0
	if limit := s.mux.config.MaxMessage; !s.options.Opaque && s.part+len(payload) > limit {
		return s.refuse(rpc.ResourceExhausted, fmt.Sprintf("a message of over %d bytes", limit)), nil
	}
	if !keep {
		payload = append(make([]byte, 0, len(payload)), payload...)
	}
	s.in.push(chunk{payload, more})
	if flags&wire.FlagBlocked != 0 {
		s.grow(backlog)
	}
	s.more = more
	if more && !s.options.Opaque {
		s.part += len(payload)
		s.partCost += cost
		if !s.lend() {
			return s.wake(), nil
		}
		return Wake{}, nil
	}
	s.part, s.partCost = 0, 0
	s.whole++
	if !s.wanted {
		return Wake{}, nil
	}
	return Wake{Stream: s, Recv: true}, nil
}

// countOnly keeps the offset of a stream whose messages nobody wants any more: a Reset may still state it.
func (s *Stream) countOnly(flags wire.Flags, payload []byte) error {
	if flags&wire.FlagEnd != 0 || !s.options.Receives {
		return nil
	}
	cost := wire.DataCost(len(payload))
	if err := s.received.Receive(cost); err != nil {
		return exceeded(fmt.Sprintf("stream %d", s.id), s.received.Limit())
	}
	s.received.Consume(cost)
	return nil
}

// refuse resets the stream because of what the other side sent.
func (s *Stream) refuse(code rpc.Code, message string) Wake {
	s.Reset(&rpc.Error{Code: code, Message: message})
	return s.wake()
}

// wake is the Wake for a change that may concern everybody.
func (s *Stream) wake() Wake { return Wake{Stream: s, Recv: true, Send: s.err != nil} }

// finished takes the Reply, if err is nil, or the Error that ends the stream.
func (s *Stream) finished(err *rpc.Error) {
	if err == nil && s.more {
		err = &rpc.Error{Code: rpc.Internal, Message: "the reply came in the middle of a message", Execution: rpc.Executed}
	}
	var end error = io.EOF
	if err != nil {
		end = err
	}
	s.becomeClosed(end)
	s.dropOut()
	s.dropPart()
	s.settle()
	s.mux.forget(s)
}

// dropPart lets go of an incomplete message.
func (s *Stream) dropPart() {
	if !s.more || s.options.Opaque {
		return
	}
	for s.in.len() > 0 && s.in.back().more {
		s.in.popBack()
	}
	take := s.partCost
	if s.whole == 0 { // else what is lent belongs to a complete one
		take -= s.lent
		s.lent = 0
	}
	s.received.Consume(take)
	s.part, s.partCost, s.more = 0, 0, false
}

func exceeded(what string, limit uint64) error {
	return &wire.ConnError{Code: rpc.ResourceExhausted, Reason: fmt.Sprintf("%s: more data than its limit of %d", what, limit)}
}
