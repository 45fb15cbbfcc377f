package responder

import (
	"context"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const (
	// bulkSize is how much output of streams goes into one write, which is how long a small reply waits behind it.
	bulkSize = 128 << 10

	// bulkBuffer leaves room for a whole frame besides.
	bulkBuffer = bulkSize + 32<<10
)

// source is where the frames of a connection's streams come from.
type source struct {
	fill    func(bufs [][]byte, scratch []byte, limit int) [][]byte
	hold    func(bufs [][]byte)
	written func()
	waiting func() int
}

// via are those of streams.
type via struct {
	waiting map[uint64]ending // by id: fill has yet to append their replies
	filled  []ending          // their replies are in writing
}

// takeVia removes and returns a stream's ending that waits.
func (l *endings) takeVia(id uint64) (ending, bool) {
	if l == nil {
		return ending{}, false
	}
	end, ok := l.via.waiting[id]
	delete(l.via.waiting, id)
	return end, ok
}

// Attach sets where the frames of the connection's streams come from. fill appends buffers to write to bufs, whole frames
// if put together: at least one if there is any, and about limit bytes at most. It may use scratch, up to its capacity, for
// some of them. They stay valid until the call of written that follows. Whoever writes calls fill for each write, behind the
// replies and control frames that are pending then; so what streams have to send waits with them and not here. hold is called
// with what fill has appended if it will not be written soon; it may replace buffers by others with the same content. waiting
// returns how many replies of streams fill has yet to append. Attach may be called once, Wake after it.
func (r *Responder) Attach(fill func(bufs [][]byte, scratch []byte, limit int) [][]byte, hold func(bufs [][]byte), written func(), waiting func() int) {
	r.mu.Lock()
	r.streams = &source{fill, hold, written, waiting}
	r.mu.Unlock()
}

// Wake says that the streams have something to send. It may be called from any goroutine.
func (r *Responder) Wake() { r.conn.Wake() }

// ReplyVia is Reply for a call whose reply has to follow what its stream has sent: it encodes the reply and gives the
// frame, fresh memory, to send, which reports whether fill will append it. Then Appended or Dropped follows.
func (r *Responder) ReplyVia(c *rpc.Call, reply rpc.Reply, send func(frame []byte) bool) {
	events := &r.factory.opts.Events
	var end *ending
	if events.CallDone != nil {
		end = new(ending)
		end.note(c, reply)
	}
	c.Cancel(context.Canceled) // for those who still hold the handler's context
	s := new(scratch)
	r.factory.encode(s, c, reply, end)
	frame := s.joined()
	if end == nil {
		send(frame)
		return
	}
	end.done.ReplyBytes = len(frame)
	id := c.ID
	r.mu.Lock()
	closed := r.closed
	if !closed {
		v := &r.endings.via
		if v.waiting == nil {
			v.waiting = make(map[uint64]ending)
		}
		v.waiting[id] = *end
	}
	r.mu.Unlock()
	switch sent := send(frame); {
	case closed:
		end.tell(events, false, time.Now())
	case !sent:
		r.Dropped(id)
	}
}

// Appended says that fill has appended the reply of a stream's call. It is called inside fill, and may be under a lock.
func (r *Responder) Appended(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if end, ok := r.endings.takeVia(id); ok {
		r.endings.via.filled = append(r.endings.via.filled, end)
	}
}

// Dropped says that fill will not append the reply of a stream's call. It may be called from any goroutine.
func (r *Responder) Dropped(id uint64) {
	r.mu.Lock()
	end, ok := r.endings.takeVia(id)
	r.mu.Unlock()
	if ok {
		end.tell(&r.factory.opts.Events, false, time.Now())
	}
}

// nextStreams adds buffers of what the streams have to send to what the loop is going to write.
func (r *Responder) nextStreams(streams *source) {
	scratch := r.factory.bulk.Get().(*[]byte)
	r.bulk = streams.fill(r.bulk[:0], (*scratch)[:0], bulkSize)
	if len(r.bulk) == 0 {
		r.factory.bulk.Put(scratch)
		return
	}
	size := 0
	for _, b := range r.bulk {
		r.writing = append(r.writing, segment{b: b, stream: true})
		size += len(b)
	}
	r.scratch = scratch
	r.mu.Lock()
	r.bytes += size
	r.mu.Unlock()
}

// Hold says that the buffers of the last Next will not be written soon. Those of streams may be replaced.
func (r *Responder) Hold() {
	if r.turn == nil || r.scratch == nil {
		return
	}
	r.mu.Lock()
	streams := r.streams
	r.mu.Unlock()
	streams.hold(r.vector[len(r.vector)-len(r.bulk):])
}

// writtenStreams gives back what nextStreams has lent.
func (r *Responder) writtenStreams() {
	if r.scratch == nil {
		return
	}
	r.factory.bulk.Put(r.scratch)
	r.scratch = nil
	clear(r.bulk)
	r.mu.Lock()
	streams := r.streams
	r.mu.Unlock()
	streams.written()
}
