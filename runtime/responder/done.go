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

// takeWrittenLocked moves the endings whose replies have been written to told, which belongs to the loop.
func (r *Responder) takeWrittenLocked() {
	n := 0
	for n < len(r.endings) && r.endings[n].after <= r.written {
		n++
	}
	if n == 0 {
		return
	}
	r.told = append(r.told, r.endings[:n]...)
	rest := copy(r.endings, r.endings[n:])
	clear(r.endings[rest:])
	if r.endings = r.endings[:rest]; rest == 0 && cap(r.endings) > keepEndings {
		r.endings = nil
	}
}

// tellWritten tells what takeWrittenLocked has found.
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
