package listener

import (
	"fmt"
	"runtime"
)

// writeState says who will call Output.Next. Whoever has the output claimed, be it the loop or a goroutine in Flush, calls its
// methods and writes to the descriptor. Nobody waits for that: others leave a mark, which is looked at when the claim ends.
// Only the loop begins and ends a connection, and only the loop ever has the output while the socket is full.
type writeState = int32

const (
	writeKept   writeState = iota // the loop has it: not open yet, or the socket is full, or the last byte is out
	writeIdle                     // nobody
	writeDue                      // somebody, soon: the loop, to which the connection was posted, or a goroutine that yields in Flush
	writeBusy                     // it is claimed; the loop's claim includes Feed
	writeAgain                    // claimed and marked: there is more, look once more
	writeWanted                   // claimed by a goroutine and marked by the loop: post the connection
	writeEnded                    // the connection has ended
)

// maxRounds is how often one call of Flush writes. After that the loop goes on, so that a busy connection does not keep a
// goroutine that has other work.
const maxRounds = 4

// Wake asks that Output.Next be called soon, on the loop. Call it after the bytes are there to be found. It costs an
// atomic load if that has been asked for already. During Feed it costs no trip through the loop: Next is called right
// after.
func (c *Conn) Wake() {
	if c.link != nil {
		c.link.wake()
		return
	}
	for {
		switch c.state.Load() {
		case writeIdle:
			if c.state.CompareAndSwap(writeIdle, writeDue) {
				c.loop.post(c)
				return
			}
		case writeBusy:
			if c.state.CompareAndSwap(writeBusy, writeAgain) {
				return
			}
		default:
			return
		}
	}
}

// Flush is Wake for a goroutine that can spare the time of a system call: if nobody is writing, it writes, and no trip
// through the loop is needed. Flush waits neither for the peer nor for another goroutine: what the socket has no room
// for is left to the loop. Do not call it while holding a lock that Output's methods take.
func (c *Conn) Flush() {
	if c.link != nil { // crypto/tls blocks
		c.link.wake()
		return
	}
	if !c.claim() {
		return
	}
	for round := 1; c.drainAside(round == maxRounds); round++ {
		runtime.Gosched()
		if !c.state.CompareAndSwap(writeDue, writeBusy) {
			return // the loop was faster
		}
	}
}

// claim makes the output the caller's, unless somebody else sees to it.
func (c *Conn) claim() bool {
	for {
		switch c.state.Load() {
		case writeIdle:
			if c.state.CompareAndSwap(writeIdle, writeBusy) {
				return true
			}
		case writeBusy:
			if c.state.CompareAndSwap(writeBusy, writeAgain) {
				return false
			}
		default:
			return false
		}
	}
}

// drainAside is drain outside of the loop, and ends the caller's claim. It reports whether the caller is to look again. If one of
// Output's methods panics, or ends the goroutine, the connection is aborted.
func (c *Conn) drainAside(last bool) (again bool) {
	o, returned := outFailed, false
	defer func() {
		if !returned {
			r := recover()
			c.panicked(r)
			c.Abort(fmt.Errorf("%w: %v", ErrPanic, r))
		}
		again = c.letGo(o != outEmpty && o != outMarked, last)
	}()
	o = c.drain(true)
	returned = true
	return
}

// letGo ends a goroutine's claim. left says that there is something for the loop to do. It reports whether the caller is to
// look again; if this was its last time, the loop does.
func (c *Conn) letGo(left, last bool) (again bool) {
	for {
		switch s := c.state.Load(); {
		case s == writeEnded:
			close(c.ending.released)
			return false
		case s == writeBusy && !left:
			if c.state.CompareAndSwap(writeBusy, writeIdle) {
				return false
			}
		case s == writeAgain && !left && !last:
			if c.state.CompareAndSwap(writeAgain, writeDue) {
				return true
			}
		default:
			if c.state.CompareAndSwap(s, writeDue) {
				c.loop.post(c)
				return false
			}
		}
	}
}

// The rest runs on the loop.

// own makes the output the loop's. If a goroutine is writing, own has it post the connection afterwards and reports false.
func (c *Conn) own() bool {
	for !c.mine {
		switch s := c.state.Load(); s {
		case writeKept, writeIdle, writeDue:
			c.mine = c.state.CompareAndSwap(s, writeBusy)
		case writeBusy, writeAgain:
			if c.state.CompareAndSwap(s, writeWanted) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// ownForFeed makes the output the loop's if no goroutine is writing; one that is will find what Feed leaves. due says that the loop is
// to flush after Feed in any case.
func (c *Conn) ownForFeed() (due bool) {
	for !c.mine {
		switch s := c.state.Load(); s {
		case writeKept, writeIdle, writeDue:
			c.mine = c.state.CompareAndSwap(s, writeBusy)
			due = s != writeIdle
		default:
			return false
		}
	}
	return due
}

// disown ends the loop's claim, unless it is marked.
func (c *Conn) disown() bool {
	if c.state.CompareAndSwap(writeBusy, writeIdle) {
		c.mine = false
	}
	return !c.mine
}

// keep ends the loop's claim such that nobody else can have the output. The loop will look without being asked.
func (c *Conn) keep() {
	c.mine = false
	c.state.Store(writeKept)
}

// ownForGood makes the output the loop's for the rest of the connection's life. From here on nobody else uses the descriptor,
// which gnet is about to close.
func (c *Conn) ownForGood() {
	if c.ending == nil {
		c.ending = new(ending)
	}
	c.ending.released = make(chan struct{})
	switch c.state.Swap(writeEnded) {
	case writeBusy, writeAgain, writeWanted:
		if !c.mine {
			<-c.ending.released // after one system call, which does not block
		}
	}
	c.mine = true
}
