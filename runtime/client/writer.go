package client

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/internal/pacing"
)

const (
	portion  = 1 << 20 // bytes per write of the writer goroutine, about
	keepSize = 1 << 20 // larger buffers are not kept for reuse
)

// unlockAndFlush sees to it that what is queued gets written. mu is held, and released. It does not block: whoever finds
// nobody writing makes one attempt that takes what the kernel has room for, and the rest is the writer goroutine's.
func (cn *conn) unlockAndFlush() {
	if cn.writing || cn.failed || len(cn.tail)+len(cn.segs) == 0 {
		cn.mu.Unlock()
		return
	}
	cn.writing = true
	crowd := cn.table.n > 1
	cn.mu.Unlock()
	if cn.try == nil {
		cn.wakeWriter()
		return
	}
	if crowd {
		runtime.Gosched() // the other runnable callers add their frames to this batch
	}
	cn.writeBatch()
}

// writeBatch makes the one attempt. The caller has set writing.
func (cn *conn) writeBatch() {
	cn.mu.Lock()
	if cn.failed {
		cn.mu.Unlock()
		cn.wakeWriter()
		return
	}
	before := cn.handed
	if len(cn.segs) > 0 {
		cn.sealLocked()
	}
	batch, size := cn.takeLocked(cn.batch[:0])
	cn.mu.Unlock()

	cn.unpace(size)
	bufs := cn.bufs[:0]
	for i := range batch {
		bufs = append(bufs, batch[i].b)
	}
	n, err := cn.try.write(bufs)
	clear(bufs)
	cn.bufs, cn.batch = bufs, batch

	cn.mu.Lock()
	if n < size {
		cn.handed = before
	}
	if err != nil {
		cn.mu.Unlock()
		cn.fail(writeError(err))
		return
	}
	cn.queued -= n
	cn.grantLocked()
	for i := range batch {
		s := &batch[i]
		if n == 0 && len(s.b) > 0 {
			break
		}
		cn.handed = s.last
		if n < len(s.b) {
			s.b = s.b[n:]
			break
		}
		n -= len(s.b)
		cn.writtenLocked(*s)
		*s = segment{}
	}
	if left := slices.IndexFunc(batch, func(s segment) bool { return s.b != nil }); left >= 0 {
		cn.returnLocked(batch[left:])
	}
	cn.refillLocked()
	if len(cn.tail)+len(cn.segs) > 0 {
		cn.mu.Unlock()
		cn.wakeWriter()
		return
	}
	cn.restLocked()
	cn.mu.Unlock()
}

// returnLocked puts what the socket has not taken back to the front of the queue. What is its sender's is copied.
func (cn *conn) returnLocked(batch []segment) {
	for i := range batch {
		if s := &batch[i]; s.lent {
			s.whole = append(cn.messageBufferLocked(), s.b...)
			s.b, s.lent = s.whole, false
		}
	}
	cn.segs = slices.Insert(cn.segs, 0, batch...)
	clear(batch)
}

// unpace is called before size bytes are written.
func (cn *conn) unpace(size int) {
	if cn.paced && size >= pacing.Bulk {
		cn.paced = false
		cn.try.unpace()
	}
}

// restLocked ends writing: the queue is empty.
func (cn *conn) restLocked() {
	cn.writing = false
	if cn.flushed != nil {
		close(cn.flushed)
		cn.flushed = nil
	}
	cn.retireLocked()
}

func (cn *conn) wakeWriter() {
	select {
	case cn.wake <- struct{}{}:
	default:
	}
}

// writeLoop is the writer goroutine. It writes when it is woken, until the queue is empty.
func (cn *conn) writeLoop() {
	for {
		select {
		case <-cn.wake:
		case <-cn.dead:
			return
		}
		for {
			if cn.pending.Load() > 1 {
				runtime.Gosched() // as in unlockAndFlush
			}
			cn.mu.Lock()
			if cn.failed {
				cn.mu.Unlock()
				return
			}
			before := cn.handed
			batch, size := cn.takeLocked(cn.batch[:0])
			cn.batch = batch
			if len(batch) == 0 {
				cn.restLocked()
				cn.mu.Unlock()
				break
			}
			cn.mu.Unlock()

			cn.unpace(size)
			n, err := cn.writeAll(batch)

			cn.mu.Lock()
			if err != nil {
				if n == 0 {
					cn.handed = before
				}
				cn.mu.Unlock()
				cn.fail(writeError(err))
				return
			}
			cn.queued -= size
			cn.grantLocked()
			for i := range batch {
				cn.writtenLocked(batch[i])
				batch[i] = segment{}
			}
			cn.refillLocked()
			cn.mu.Unlock()
		}
	}
}

// takeLocked moves the front of the queue, about a portion, to batch.
func (cn *conn) takeLocked(batch []segment) (_ []segment, size int) {
	if len(cn.segs) == 0 {
		if len(cn.tail) == 0 {
			return batch, 0
		}
		size = len(cn.tail)
		batch = append(batch, segment{b: cn.tail, last: cn.table.last, bulk: cn.streams.tail})
		cn.tail, cn.streams.tail = nil, 0
		cn.handed = cn.table.last
		cn.pongs = 0
		return batch, size
	}
	k := 0
	for k < len(cn.segs) && (k == 0 || size+len(cn.segs[k].b) <= portion) {
		size += len(cn.segs[k].b)
		k++
	}
	batch = append(batch, cn.segs[:k]...)
	cn.segs = slices.Delete(cn.segs, 0, k)
	cn.handed = batch[k-1].last
	cn.pongs = 0
	return batch, size
}

func (cn *conn) writeAll(batch []segment) (int64, error) {
	switch {
	case len(batch) == 1 && cn.try != nil:
		n, err := cn.try.writeAll(batch[0].b)
		return int64(n), err
	case len(batch) == 1:
		n, err := cn.nc.Write(batch[0].b)
		return int64(n), err
	}
	list := net.Buffers(cn.bufs[:0])
	for i := range batch {
		list = append(list, batch[i].b)
	}
	cn.bufs = list // WriteTo consumes list, not what it stands on
	return list.WriteTo(cn.nc)
}

// writtenLocked lets go of what was written.
func (cn *conn) writtenLocked(s segment) {
	cn.streams.bulk -= s.bulk
	switch {
	case s.piece:
		cn.recycleMessageLocked(s.whole)
	case !s.call:
		cn.recycleLocked(s.b)
	case s.whole != nil:
		keepHead(s.whole)
	}
}

// recycleLocked keeps a written buffer: as a tail, or for a large frame.
func (cn *conn) recycleLocked(b []byte) {
	switch {
	case cap(b) <= 2*sealSize && len(cn.spare) < maxSpare:
		cn.spare = append(cn.spare, b[:0])
	case cap(b) >= linkSize && cap(b) <= keepSize:
		keepFrame(b)
	}
}

// frames holds buffers for large frames.
var frames sync.Pool

func keepFrame(b []byte) {
	b = b[:0]
	frames.Put(&b)
}

func newFrame() []byte {
	if b, ok := frames.Get().(*[]byte); ok {
		return *b
	}
	return nil
}

// heads holds buffers for calls whose large strings are not in them.
var heads sync.Pool

func keepHead(b []byte) {
	if cap(b) >= linkSize {
		keepFrame(b)
		return
	}
	b = b[:0]
	heads.Put(&b)
}

// newHead returns a buffer for a call that may have large strings, or not.
func newHead() []byte {
	if b, ok := heads.Get().(*[]byte); ok {
		return *b
	}
	return newFrame()
}

func writeError(err error) error { return fmt.Errorf("writing: %w", err) }
