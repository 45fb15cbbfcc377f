package responder

import (
	"runtime/debug"
	"unsafe"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// scratch is one reply, encoded: b, and the strings that were left out of it because a write can take them from where they
// are. It goes back to the factory's pool when it has been written.
type scratch struct {
	b       []byte
	splices codec.Splices
}

// splicer is a dialect that can leave strings out of a reply: see wire.Dialect.
type splicer interface {
	AppendReplySplices(dst []byte, list codec.Splices, c *rpc.Call, r rpc.Reply) ([]byte, codec.Splices, rpc.ReplyReport)
}

func (s *scratch) size() int { return len(s.b) + s.splices.Size() }

// joined returns the reply in one piece.
func (s *scratch) joined() []byte {
	if len(s.splices) == 0 {
		return s.b
	}
	return s.splices.AppendTo(make([]byte, 0, s.size()), s.b)
}

// appendTo appends the reply's pieces to list. The last has the scratch, so that it goes back when all are written.
func (s *scratch) appendTo(list []segment) []segment {
	from := 0
	for i := range s.splices {
		at, text := s.splices[i].At, s.splices[i].Text
		list = append(list,
			segment{b: s.b[from:at], more: true},
			segment{b: unsafe.Slice(unsafe.StringData(text), len(text)), more: true}, // only ever read
		)
		from = at
	}
	return append(list, segment{b: s.b[from:], scratch: s})
}

// keepScratch takes back what a reply was encoded into. Strings that were taken back, because the reply was compressed or turned
// out to be an error, are still behind the end of the list.
func (f *Factory) keepScratch(s *scratch) {
	clear(s.splices[:cap(s.splices)])
	s.splices = s.splices[:0]
	if cap(s.b) <= maxScratch && cap(s.splices) <= keepSegments {
		f.scratch.Put(s)
	}
}

// encode encodes the reply into s, and notes in end, if that is not nil, what was made of it. A result is the
// implementation's: it may still be changing, and encoding it may panic.
func (f *Factory) encode(s *scratch, c *rpc.Call, reply rpc.Reply, end *ending) {
	s.b = s.b[:0]
	defer func() {
		if p := recover(); p != nil {
			f.opts.Logger.Error("responder: encoding a result panicked", "method", methodName(c), "panic", p, "stack", string(debug.Stack()))
			err := &rpc.Error{Code: rpc.Internal, Message: "encoding the result panicked", Execution: rpc.Executed}
			s.b, s.splices = c.Dialect.AppendReply(s.b[:0], c, rpc.Reply{Err: err}), s.splices[:0]
			if end != nil {
				end.sent(rpc.ReplyReport{Plain: len(s.b), Err: err})
			}
		}
	}()
	var report rpc.ReplyReport
	switch d := c.Dialect.(type) {
	case splicer:
		s.b, s.splices, report = d.AppendReplySplices(s.b, s.splices, c, reply)
	case rpc.ReportingDialect:
		s.b, report = d.AppendReplyReport(s.b, c, reply)
	default:
		s.b = d.AppendReply(s.b, c, reply)
		report.Plain = len(s.b)
	}
	if end != nil {
		end.sent(report)
	}
}
