package client

import (
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// streams is what a connection knows about its streams. The connection's mu guards it, and what is in mux.
type streams struct {
	mux  *stream.Mux // nil until the first stream, or the first frame of one
	bulk int         // bytes of streams' frames in the outgoing queue or being written
	tail int         // bytes of those in the queue's tail

	waiting int // those who wait for something of a stream without reading themselves

	spare [][]byte // buffers for messages, at most maxMessages
}

// bulkRoom is how many bytes of streams' frames make the outgoing queue full for more of them. The next are taken from
// the Mux when these have been written. So a call that joins the queue waits for no more than that, besides what the
// connection's window lets be on its way.
const bulkRoom = 128 << 10

const (
	maxMessages = 4         // buffers for messages that a connection keeps
	messageSize = 256 << 10 // and how large they may be; larger ones go to the pool of frames
)

// muxLocked returns the connection's Mux. The server has said that it knows streams.
func (cn *conn) muxLocked(n *native) *stream.Mux {
	if cn.streams.mux == nil {
		cn.streams.mux = n.config.mux(n.window, n.dialect.Load().MaxFrame)
	}
	return cn.streams.mux
}

// streamLocked takes a Data, Credit or Reset frame. A Data's payload is the stream's. It returns the stream if it has
// ended with that, and whether its receiver has waited for it. The error is a *wire.ConnError.
func (cn *conn) streamLocked(h wire.FrameHeader, payload []byte, n *native) (ended *clientStream, awaited bool, err error) {
	mux := cn.muxLocked(n)
	var w stream.Wake
	switch h.Kind {
	case wire.KindData:
		w, err = mux.Data(h, payload, true)
	case wire.KindCredit:
		var limit uint64
		if limit, err = wire.ParseCredit(payload); err == nil {
			err = mux.Credit(h.Stream, limit)
		}
	case wire.KindReset:
		var r wire.Reset
		if r, err = wire.ParseReset(payload); err == nil {
			w, err = mux.Reset(h.Stream, r)
		}
	}
	if w.Stream == nil {
		return nil, false, err
	}
	s := w.Stream.Owner.(*clientStream)
	if w.Recv {
		s.receiving.endLocked(cn)
		wake(s.arrived)
	}
	if s.noteEndLocked() {
		ended = s
	}
	return ended, w.Recv, err
}

// wait is what a goroutine does that waits for something of a stream and does not read itself.
type wait bool

// beginLocked sees to it that somebody reads.
func (w *wait) beginLocked(cn *conn) {
	if *w {
		return
	}
	*w = true
	cn.streams.waiting++
	if cn.helm.state == helmFree {
		cn.returnHelmLocked()
	}
}

// endLocked ends the wait, which may be over already. Who wakes the goroutine does so for it.
func (w *wait) endLocked(cn *conn) {
	if *w {
		*w = false
		cn.streams.waiting--
	}
}

// refillLocked moves frames of streams to the outgoing queue while there is room for them.
func (cn *conn) refillLocked() {
	mux := cn.streams.mux
	if mux == nil || cn.failed {
		return
	}
	for cn.streams.bulk < bulkRoom && mux.Ready() {
		f, ok := mux.Next()
		if !ok {
			return
		}
		cn.queueFrameLocked(&f)
		if f.Drained {
			s := f.Stream.Owner.(*clientStream)
			s.sending.endLocked(cn)
			wake(s.drained)
		}
	}
}

// queueFrameLocked appends a frame of a stream to the queue. Large payloads are linked, not copied.
func (cn *conn) queueFrameLocked(f *stream.Frame) {
	var scratch [wire.FrameHeaderSize + 8]byte // a Reset may need more
	head := f.AppendHead(scratch[:0])
	cn.queued += len(head) + len(f.Payload)
	cn.streams.bulk += len(head) + len(f.Payload)
	cn.appendLocked(head)
	cn.streams.tail += len(head)
	if len(f.Payload) == 0 {
		return
	}
	s := f.Stream.Owner.(*clientStream)
	if len(f.Payload) < linkSize && !s.linked {
		cn.tail = append(cn.tail, f.Payload...)
		cn.streams.tail += len(f.Payload)
		return
	}
	cn.sealLocked()
	piece := segment{b: f.Payload, last: cn.table.last, bulk: len(f.Payload), piece: true, lent: s.lends}
	if s.linked = f.Flags&wire.FlagMore != 0; !s.linked {
		piece.whole, s.out = s.out, nil // the queue's from now on
	}
	cn.segs = append(cn.segs, piece)
}

// messageBuffer returns an empty buffer for a message.
func (cn *conn) messageBuffer() []byte {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	return cn.messageBufferLocked()
}

func (cn *conn) messageBufferLocked() []byte {
	if k := len(cn.streams.spare); k > 0 {
		b := cn.streams.spare[k-1]
		cn.streams.spare = cn.streams.spare[:k-1]
		return b[:0]
	}
	return newFrame()
}

// recycleMessageLocked keeps the buffer of a message that has been written. A pool alone would not do: where messages are
// received as well there is so much garbage that it is emptied all the time.
func (cn *conn) recycleMessageLocked(b []byte) {
	switch {
	case b == nil:
	case cap(b) <= messageSize && len(cn.streams.spare) < maxMessages:
		cn.streams.spare = append(cn.streams.spare, b)
	case cap(b) <= keepSize:
		keepFrame(b)
	}
}

// failStreams ends the streams of a connection that has failed with err.
func (cn *conn) failStreams(err *rpc.Error) {
	cn.mu.Lock()
	var ended []*clientStream
	if cn.streams.mux != nil {
		for _, core := range cn.streams.mux.Fail(err) {
			if s := core.Owner.(*clientStream); s.noteEndLocked() {
				ended = append(ended, s)
			}
		}
	}
	cn.mu.Unlock()
	for _, s := range ended {
		s.cancel()
	}
}

// wake leaves a token in a channel that has room for one.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
