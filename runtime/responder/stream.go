package responder

import (
	"context"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const (
	// bulkSize is how much output of streams goes into one write, which is how long a small reply waits behind it.
	bulkSize = 128 << 10

	// bulkBuffer leaves room for a whole frame besides.
	bulkBuffer = bulkSize + 32<<10
)

// Attach makes fill the source of the frames of the connection's streams. fill appends whole frames to dst as long as
// they fit into its capacity, and one that does not if there is nothing else. The loop calls it for each write, behind
// the replies and control frames that are pending then; so what streams have to send waits with them and not here.
// waiting returns how many replies of streams fill has yet to append. Attach may be called once, Wake after it.
func (r *Responder) Attach(fill func(dst []byte) []byte, waiting func() int) {
	r.mu.Lock()
	r.fill, r.waiting = fill, waiting
	r.mu.Unlock()
}

// Wake says that the streams have something to send. It may be called from any goroutine.
func (r *Responder) Wake() { r.conn.Wake() }

// ReplyVia is Reply for a call whose reply has to follow what its stream has sent: it encodes the reply and gives the
// frame, fresh memory, to send, which reports whether it will be sent.
func (r *Responder) ReplyVia(c *rpc.Call, reply rpc.Reply, send func(frame []byte) bool) {
	events := &r.factory.opts.Events
	var end *ending
	if events.CallDone != nil {
		end = new(ending)
		end.note(c, reply)
	}
	c.Cancel(context.Canceled) // for those who still hold the handler's context
	frame := r.factory.encode(nil, c, reply)
	sent := send(frame)
	if end != nil {
		end.done.ReplyBytes = len(frame)
		end.tell(events, sent, end.done.Done)
	}
}

// nextStreams adds a buffer of what the streams have to send to what the loop is going to write.
func (r *Responder) nextStreams(fill func(dst []byte) []byte) {
	buffer := r.factory.bulk.Get().(*[]byte)
	b := fill((*buffer)[:0])
	s := segment{b: b, stream: true}
	if cap(b) == cap(*buffer) && len(b) > 0 {
		s.batch = buffer
	} else { // nothing, or a reply so large that it has memory of its own
		r.factory.bulk.Put(buffer)
	}
	if len(b) == 0 {
		return
	}
	r.writing = append(r.writing, s)
	r.mu.Lock()
	r.bytes += len(b)
	r.mu.Unlock()
}
