package listener

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kuafu-rpc/kuafu/runtime/internal/nonblock"
	"github.com/kuafu-rpc/kuafu/runtime/internal/pacing"
)

// outgoing is what a connection is in the middle of writing.
type outgoing struct {
	bufs     [][]byte      // what is left of the last Output.Next's, which owns them; nil between two of them
	offset   int           // how much of bufs[0] is written
	progress time.Duration // when the kernel last took a byte, the peer did, or waiting began; on the Listener's clock
	unread   int32         // what the kernel had for the peer when that was last looked at, -1 if it will not say
	failed   errno         // of a write; the loop ends the connection with it
	paced    bool          // the socket may be paced, and has no need to be
	waiting  bool          // the watcher will post the connection when the socket has room
}

// maxVector is how many buffers one writev takes.
const maxVector = 48

// outcome is how a drain has ended.
type outcome int

const (
	outEmpty  outcome = iota // all is written
	outMore                  // the window is used up
	outMarked                // there is a mark; only drainAside looks
	outFull                  // the socket is full
	outFailed                // outgoing.failed says why, or it was a panic
)

// drain writes what the output has until the socket is full or others should have a turn; the caller has the output claimed.
// Aside, which is outside of the loop, it also stops at marks. It writes to the socket itself, from the output's own
// buffers, and not through gnet: gnet would copy what does not fit, without bound and without saying when it has gone.
func (c *Conn) drain(aside bool) outcome {
	if c.out.failed != 0 {
		return outFailed
	}
	for budget := c.l.opts.Window; ; {
		if c.out.bufs == nil {
			bufs := c.output.Next(c.l.opts.Window)
			if len(bufs) == 0 {
				return outEmpty
			}
			c.out.bufs, c.out.offset = bufs, 0
		}
		if budget <= 0 {
			c.output.Hold()
			return outMore
		}
		n, err := c.write()
		budget -= n
		switch err {
		case nil:
			if c.advance(n) {
				c.out.bufs = nil
				c.output.Written()
				if aside && c.state.Load() != writeBusy {
					return outMarked
				}
			}
		case unix.EAGAIN:
			c.output.Hold()
			return outFull
		case unix.EINTR:
		default:
			c.out.failed = errnoOf(err)
			return outFailed
		}
	}
}

// errno is a syscall.Errno in less space. Systems number their errors from 1 to some hundreds.
type errno uint16

// errnoOf returns the number in a system call's error.
func errnoOf(err error) errno {
	var n syscall.Errno
	if !errors.As(err, &n) {
		n = syscall.EIO
	}
	return errno(n)
}

// flush drains on the loop, and arranges to be called again if something is left.
func (c *Conn) flush() {
	if c.closed || c.halfShut || !c.own() {
		return
	}
	for {
		if c.armed.Load() {
			c.keep()
			return
		}
		switch c.drain(false) {
		case outEmpty:
			c.out.waiting = false
			if c.closing {
				c.drained()
				return
			}
			if c.disown() {
				return
			}
			c.state.Store(writeBusy) // before Next finds what the mark is about
		case outMore: // the watcher comes back at once if there is room
			c.await(true)
			return
		case outFull:
			c.await(false)
			return
		case outFailed:
			c.end(wrapErrno("write", syscall.Errno(c.out.failed)))
			return
		}
	}
}

// write makes one system call.
func (c *Conn) write() (n int, err error) {
	fd := int(c.fd)
	if bufs := c.out.bufs; len(bufs) == 1 {
		b := bufs[0][c.out.offset:]
		if len(b) == 0 {
			return 0, nil
		}
		n, err = nonblock.Send(fd, b)
	} else {
		var vector [maxVector][]byte
		v := vector[:copy(vector[:], bufs)]
		v[0] = v[0][c.out.offset:] // of the copy: the output's own slice stays as it is
		n, err = writev(fd, v)
	}
	if c.out.paced && n >= pacing.Bulk {
		c.out.paced = false
		pacing.Off(fd)
	}
	return max(n, 0), err
}

// advance accounts for n written bytes and reports whether that was the last of the buffers.
func (c *Conn) advance(n int) (done bool) {
	if n > 0 && c.out.waiting {
		c.out.progress = c.l.now()
	}
	o := &c.out
	for len(o.bufs) > 0 {
		left := len(o.bufs[0]) - o.offset
		if n < left {
			o.offset += n
			return false
		}
		n -= left
		o.bufs = o.bufs[1:]
		o.offset = 0
	}
	return true
}

// await asks to be posted when the socket has room. progress says that bytes were taken just now.
func (c *Conn) await(progress bool) {
	if !c.out.waiting || progress {
		c.out.progress = c.l.now()
	}
	c.out.waiting = true
	c.out.unread = int32(unread(int(c.fd)))
	c.armed.Store(true)
	c.keep()
	if err := c.l.watcher.arm(c); err != nil {
		c.abort(wrapErrno("epoll_ctl", err))
	}
}

// stalled reports whether the peer of a connection with a full socket has taken nothing for the stall timeout. The watcher
// speaks only when a good part of the socket's buffer is free, and to see how much fits would show what the peer took at
// some time, not when. So at every look the kernel is asked how much the peer has left: nothing is written in between.
func (c *Conn) stalled(clock time.Duration) bool {
	now := int32(unread(int(c.fd)))
	if now >= 0 && now < c.out.unread {
		c.out.progress = clock
	}
	c.out.unread = now
	if clock-c.out.progress < c.l.opts.StallTimeout {
		return false
	}
	if now < 0 { // any byte that fits is progress, then
		c.armed.Store(false)
		c.flush()
	}
	return c.out.waiting && clock-c.out.progress >= c.l.opts.StallTimeout
}
