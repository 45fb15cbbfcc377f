package responder

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// ending is a call whose reply is among the pending output; its end is told when the reply has been written.
type ending struct {
	after uint64 // the position behind the reply's last byte, counted from the connection's first
	done  observe.CallDone
}

// keepEndings is how many endings an idle connection keeps room for.
const keepEndings = 16

// note takes everything out of c that its end is to tell. Done is the time of the reply for now.
func (e *ending) note(c *rpc.Call, reply rpc.Reply) {
	now := time.Now()
	d := &e.done
	*d = observe.CallDone{
		Peer: c.Peer, Err: reply.Err, Oneway: !c.WantsReply(), Retry: c.Retry,
		Received: c.Received, Done: now, Queue: c.Queue, Processing: c.Processing,
		RequestBytes: c.Size, RequestRawBytes: len(c.Body),
	}
	if c.Size == 0 { // refused before it was counted
		d.RequestBytes = len(c.Body)
	}
	if d.Received.IsZero() {
		d.Received = now
	}
	if d.Processing == 0 { // it got no worker
		d.Queue = max(0, now.Sub(d.Received))
	}
	if c.Handler != nil {
		d.Method = c.Handler.Method
	} else {
		d.Name = c.Name
	}
	d.Trace, _ = rpc.ParseTraceContext(c.Trace)
}

// sent notes what the dialect has made of the reply.
func (e *ending) sent(report rpc.ReplyReport) {
	e.done.ReplyRawBytes = report.Plain
	if report.Err != nil {
		e.done.Err = report.Err
	}
}

// tell calls the event of a call whose reply has been written by now, or never will.
func (e *ending) tell(to *observe.Events, written bool, now time.Time) {
	d := &e.done
	d.Response = max(0, now.Sub(d.Done))
	d.Done = now
	if d.Unsent = !written; d.Unsent {
		d.ReplyBytes, d.ReplyRawBytes = 0, 0
	}
	to.CallDone(*d)
}

// endings are the calls of a connection whose ends are to be told.
type endings struct {
	list    []ending // in the order of their replies
	queued  uint64   // bytes since the connection began, those of streams not counted
	written uint64   // likewise
	via     via
}

// queue notes that a reply, or something else, of so many bytes is pending. end is nil if nobody wants to know of its end.
func (l *endings) queue(size int, end *ending) {
	l.queued += uint64(size)
	if end != nil {
		end.after, end.done.ReplyBytes = l.queued, size
		l.list = append(l.list, *end)
	}
}

// takeWritten notes that so many more bytes have been written, and moves the endings that come with them to told.
func (l *endings) takeWritten(told []ending, size int) []ending {
	l.written += uint64(size)
	n := 0
	for n < len(l.list) && l.list[n].after <= l.written {
		n++
	}
	if n > 0 {
		told = append(told, l.list[:n]...)
		rest := copy(l.list, l.list[n:])
		clear(l.list[rest:])
		if l.list = l.list[:rest]; rest == 0 && cap(l.list) > keepEndings {
			l.list = nil
		}
	}
	told = append(told, l.via.filled...)
	l.via.filled = nil
	return told
}

// drop returns all of them and forgets them.
func (l *endings) drop() (lost []ending) {
	lost = append(l.list, l.via.filled...)
	for _, end := range l.via.waiting {
		lost = append(lost, end)
	}
	l.list, l.via = nil, via{}
	return lost
}

// tellWritten tells what takeWritten has found.
func (r *Responder) tellWritten() {
	if len(r.told) == 0 {
		return
	}
	now := time.Now()
	for i := range r.told {
		r.told[i].tell(&r.factory.opts.Events, true, now)
	}
	clear(r.told)
	if r.told = r.told[:0]; cap(r.told) > keepEndings {
		r.told = nil
	}
}

// tellUnsent tells of calls whose replies are lost.
func (r *Responder) tellUnsent(endings []ending) {
	now := time.Now()
	for i := range endings {
		endings[i].tell(&r.factory.opts.Events, false, now)
	}
}
