package peer

import (
	"net"
	"runtime"
	"sync"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
)

// slot is where a caller waits for its reply.
type slot struct {
	reply []byte        // the whole frame; owned by the caller between done and its next request
	done  chan struct{} // capacity 1: a caller has one request under way
}

// muxConn is a connection that combines the frames of its senders into shared writes.
type muxConn struct {
	conn net.Conn

	mu       sync.Mutex
	queued   []byte // what the next write takes
	spare    []byte // the buffer of the last write
	flushing bool   // somebody writes, or is about to
}

// send queues a copy of a frame and writes what is queued, unless somebody else is doing that.
func (m *muxConn) send(frame []byte) {
	m.mu.Lock()
	m.queued = append(m.queued, frame...)
	if m.flushing {
		m.mu.Unlock()
		return
	}
	m.flushing = true
	m.mu.Unlock()
	runtime.Gosched() // the callers that are ready to run add their frames to this write
	if m.flush() {
		// More came meanwhile. The caller has its own reply to wait for.
		go func() {
			for m.flush() {
			}
		}()
	}
}

// flush writes what is queued, and reports whether more was queued meanwhile; flushing stays set then.
func (m *muxConn) flush() bool {
	m.mu.Lock()
	b := m.queued
	m.queued = m.spare[:0]
	m.mu.Unlock()
	_, err := m.conn.Write(b) // an error also ends the reader, and with it the measurement
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spare = b
	m.flushing = err == nil && len(m.queued) > 0
	return m.flushing
}

// receive hands every frame to deliver, which must not keep it, until the connection ends.
func receive(c net.Conn, deliver func(frame []byte), batchEnd func()) {
	buf := make([]byte, readBuffer)
	filled := 0
	for {
		n, err := c.Read(buf[filled:])
		if err != nil {
			return
		}
		filled += n
		done := 0
		for {
			n, ok := frameLen(buf[done:filled])
			if !ok {
				break
			}
			deliver(buf[done : done+n])
			done += n
		}
		batchEnd()
		filled = copy(buf, buf[done:filled])
	}
}

// dialSlots opens conns connections for callers, whose ids tell in their upper half which caller they are of.
func dialSlots(addr string, callers, conns int) ([]*muxConn, []*slot, error) {
	slots := make([]*slot, callers)
	for i := range slots {
		slots[i] = &slot{done: make(chan struct{}, 1)}
	}
	muxes, err := dialEach(conns, func() (*muxConn, error) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, err
		}
		go receive(c, func(frame []byte) {
			s := slots[frameID(frame)>>32]
			s.reply = append(s.reply[:0], frame...)
			s.done <- struct{}{}
		}, func() {})
		return &muxConn{conn: c}, nil
	})
	return muxes, slots, err
}

// dialMux spreads the callers over conns connections and sends frames that were made before.
func dialMux(addr string, callers, conns int, m *payload.Message) ([]Call, error) {
	frame, err := newFrame(m)
	if err != nil {
		return nil, err
	}
	muxes, slots, err := dialSlots(addr, callers, conns)
	if err != nil {
		return nil, err
	}
	calls := make([]Call, callers)
	for i, s := range slots {
		mux := muxes[i%conns]
		request := append([]byte(nil), frame...)
		calls[i] = func(id int64) error {
			setFrameID(request, id)
			mux.send(request)
			<-s.done
			return checkFrame(request, s.reply)
		}
	}
	return calls, nil
}
