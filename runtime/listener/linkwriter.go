package listener

import "errors"

// writerState says what the writer goroutine is doing.
type writerState = int32

const (
	writerNone   writerState = iota // there is none: the next wake starts one
	writerActive                    // it will ask for output, or is writing
	writerAgain                     // it is to ask once more
	writerNever                     // the connection has ended
)

// wake has the writer ask for output. It may be called with or without turn.
func (k *link) wake() {
	for {
		switch k.writer.Load() {
		case writerNone:
			if k.writer.CompareAndSwap(writerNone, writerActive) {
				go k.write() // finish waits for it
				return
			}
		case writerActive:
			if k.writer.CompareAndSwap(writerActive, writerAgain) {
				return
			}
		default:
			return
		}
	}
}

// write is the writer goroutine. It ends when the output has nothing more.
func (k *link) write() {
	for {
		// Wakes up to here are answered by the call of next that follows, later ones by another.
		if !k.writer.CompareAndSwap(writerAgain, writerActive) && k.writer.Load() == writerNever {
			k.exited <- struct{}{}
			return
		}
		bufs, drained := k.next()
		switch {
		case len(bufs) > 0:
			k.send(bufs)
			continue
		case drained:
			k.drained()
		}
		if k.writer.CompareAndSwap(writerActive, writerNone) {
			return
		}
	}
}

// next asks for output. drained says that a closing connection has none left.
func (k *link) next() (bufs [][]byte, drained bool) {
	k.turn.Lock()
	defer k.turn.Unlock()
	c := k.c
	if c.output == nil || c.closed || k.over {
		return nil, false
	}
	defer k.guard()
	if r := c.request.Load(); r != nil && !r.abort {
		k.beginCloseLocked(r.reason)
	}
	k.writtenLocked()
	bufs = c.output.Next(c.l.opts.Window)
	if k.lent = len(bufs) > 0; k.lent {
		c.output.Hold() // the write may block
	}
	return bufs, !k.lent && c.closing
}

// send writes bufs, which are the output's.
func (k *link) send(bufs [][]byte) {
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if _, err := k.conn.Write(b); err != nil {
			if errors.Is(err, ErrSlowConsumer) {
				k.c.l.stats.slowConsumers.Add(1)
				err = ErrSlowConsumer // itself, as documented
			}
			k.turn.Lock()
			k.failLocked(err)
			k.turn.Unlock()
			k.cut()
			return
		}
	}
}

// drained is called when a closing connection has written everything. It tells the peer, and has the reader linger.
func (k *link) drained() {
	_ = k.conn.CloseWrite() // the close_notify alert: this end is no accident
	k.turn.Lock()
	k.settleLocked()
	k.turn.Unlock()
	if k.socket.SetReadDeadline(past) != nil {
		_ = k.socket.Close()
	}
}

// writtenLocked gives the output its buffers back.
func (k *link) writtenLocked() {
	if k.lent {
		k.lent = false
		k.c.output.Written()
	}
}
