package stream

import (
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Frame is a frame to be sent.
type Frame struct {
	Kind    wire.Kind // KindReply stands for a Reply or an Error
	Flags   wire.Flags
	ID      uint64  // 0 for the connection
	Stream  *Stream // of a Data frame, Reply or Error
	Drained bool    // Stream has nothing pending any more: wake who waits for that

	// Payload is of a Data frame what follows the frame header; it aliases what Send or Give was given. Of a Reply or Error
	// it is the whole frame.
	Payload []byte
	Own     bool   // Payload is of Give, and stays as it is
	Given   []byte // of the last piece of a message of Give: all of its memory, empty. It may be used again after the write

	limit uint64 // of a Credit
	reset wire.Reset
}

// Size returns how many bytes Append appends, a few less for a Reset.
func (f *Frame) Size() int {
	switch f.Kind {
	case wire.KindReply:
		return len(f.Payload)
	case wire.KindReset:
		return wire.FrameHeaderSize + len(f.reset.Message)
	case wire.KindCredit:
		return wire.FrameHeaderSize + 8
	}
	return wire.FrameHeaderSize + len(f.Payload)
}

// Append appends the whole frame.
func (f *Frame) Append(dst []byte) []byte {
	return append(f.AppendHead(dst), f.Payload...)
}

// AppendHead appends all of the frame that comes before Payload, for owners that write that without copying it.
func (f *Frame) AppendHead(dst []byte) []byte {
	switch f.Kind {
	case wire.KindData:
		return wire.AppendDataHeader(dst, f.ID, f.Flags, len(f.Payload))
	case wire.KindCredit:
		return wire.AppendCredit(dst, f.ID, f.limit)
	case wire.KindReset:
		return wire.AppendReset(dst, f.ID, f.reset)
	}
	return dst // a Reply or Error
}

// String returns "data on 7, 100 bytes" for people.
func (f *Frame) String() string { return fmt.Sprintf("%v on %d, %d bytes", f.Kind, f.ID, f.Size()) }

// quantum is how much a stream may send before another one has its turn. Within it small messages go together.
const quantum = 64 << 10

// Ready reports whether Next may have something. It errs on the side of yes.
func (m *Mux) Ready() bool {
	return m.arrived.Due() || m.resets.len() > 0 || m.credit.len() > 0 || m.free.len() > 0 || m.bulkReady()
}

// bulkReady reports whether the connection's window has room for whoever is first.
func (m *Mux) bulkReady() bool {
	if m.bulk.len() == 0 {
		return false
	}
	s := *m.bulk.front()
	return s.out.len() == 0 || m.sent.Avail() >= least(s.out.front().b, m.least)
}

// Next returns the next frame to be sent: credit first, because the other side waits for it; then what costs nothing;
// then Data, as far as the connection's window goes, from one stream after the other. ok is false if there is nothing, or
// nothing that may be sent yet.
func (m *Mux) Next() (f Frame, ok bool) {
	if m.failed != nil {
		return Frame{}, false
	}
	if m.arrived.Due() || m.credit.len() > 0 && m.arrived.Worth() { // one write for two limits is better than two writes
		return Frame{Kind: wire.KindCredit, limit: m.arrived.Advertise()}, true
	}
	for m.credit.len() > 0 {
		s := m.credit.pop()
		s.inCredit = false
		if !s.remoteEnded() && s.received.Due() {
			return Frame{Kind: wire.KindCredit, ID: s.id, limit: s.received.Advertise()}, true
		}
	}
	if m.resets.len() > 0 {
		r := m.resets.pop()
		return Frame{Kind: wire.KindReset, ID: r.id, reset: r.Reset}, true
	}
	for m.free.len() > 0 {
		s := m.free.pop()
		s.inFree = false
		if f, ok := s.nextFree(); ok {
			return f, true
		}
	}
	return m.nextData()
}

func (m *Mux) nextData() (f Frame, ok bool) {
	for m.bulk.len() > 0 {
		s := *m.bulk.front()
		if s.sendable() {
			room := m.sent.Avail()
			if room < least(s.out.front().b, m.least) {
				return Frame{}, false // it keeps its turn
			}
			f, ok = s.next(room), true
			cost := wire.DataCost(len(f.Payload))
			m.sent.Take(cost)
			m.turn += int(cost)
		}
		if more := s.sendable(); !more || m.turn >= quantum {
			m.bulk.pop()
			m.turn = 0
			s.inBulk = false
			m.schedule(s)
		}
		if ok {
			return f, true
		}
	}
	return Frame{}, false
}

// nextFree returns the frame that follows the last piece, if there is one and its time has come.
func (s *Stream) nextFree() (Frame, bool) {
	switch {
	case s.out.len() > 0:
		return Frame{}, false
	case s.end:
		s.end = false
		return Frame{Kind: wire.KindData, Flags: wire.FlagEnd, ID: s.id, Stream: s}, true
	case s.trailer != nil:
		f := Frame{Kind: wire.KindReply, ID: s.id, Stream: s, Payload: s.trailer}
		s.trailer = nil
		s.mux.forget(s)
		return f, true
	}
	return Frame{}, false
}

// schedule puts a stream that has something to send where Next finds it.
func (m *Mux) schedule(s *Stream) {
	switch {
	case s.id == 0:
	case s.out.len() == 0:
		if (s.end || s.trailer != nil) && !s.inFree {
			s.inFree = true
			m.free.push(s)
		}
	case s.sendable() && !s.inBulk:
		s.inBulk = true
		m.bulk.push(s)
	}
}
