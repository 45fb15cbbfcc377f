package listener

import (
	"time"

	"golang.org/x/sys/unix"
)

// outgoing is what a connection is in the middle of writing.
type outgoing struct {
	bufs     [][]byte      // of the last Output.Next, which owns them; nil between two of them
	first    int           // bufs before it are written
	offset   int           // into bufs[first]
	waiting  bool          // the watcher will post the connection when the socket has room
	progress time.Duration // when the kernel last took a byte, the peer did, or waiting began; on the Listener's clock
	unread   int           // what the kernel had for the peer when that was last looked at, -1 if it will not say
}

// maxVector is how many buffers one writev takes (IOV_MAX).
const maxVector = 1024

// flush writes what the output has until the socket is full, and arranges to be called again if it is. It writes to the
// socket itself, from the output's own buffers, and not through gnet: gnet would copy what does not fit, without bound
// and without saying when it has gone.
func (c *Conn) flush() {
	if c.closed || c.halfShut || c.armed.Load() {
		return
	}
	for budget := c.l.opts.Window; ; {
		if c.out.bufs == nil {
			bufs := c.output.Next(c.l.opts.Window)
			if len(bufs) == 0 {
				c.out.waiting = false
				if c.closing {
					c.drained()
				}
				return
			}
			c.out.bufs, c.out.first, c.out.offset = bufs, 0, 0
		}
		if budget <= 0 { // let others have a turn; the watcher comes back at once if there is room
			c.await(true)
			return
		}
		n, err := c.write()
		budget -= n
		switch err {
		case nil:
			if c.advance(n) {
				c.out.bufs = nil
				c.output.Written()
			}
		case unix.EAGAIN:
			c.await(false)
			return
		case unix.EINTR:
		default:
			c.end(wrapErrno("write", err))
			return
		}
	}
}

// write makes one system call.
func (c *Conn) write() (int, error) {
	bufs := c.out.bufs[c.out.first:]
	if len(bufs) == 1 {
		b := bufs[0][c.out.offset:]
		if len(b) == 0 {
			return 0, nil
		}
		n, err := unix.Write(c.fd, b)
		return max(n, 0), err
	}
	v := append(c.loop.vector[:0], bufs[:min(len(bufs), maxVector)]...)
	v[0] = v[0][c.out.offset:] // of the copy: the output's own slice stays as it is
	n, err := writev(c.fd, v)
	clear(v)
	c.loop.vector = v[:0]
	return max(n, 0), err
}

// advance accounts for n written bytes and reports whether that was the last of the buffers.
func (c *Conn) advance(n int) (done bool) {
	if n > 0 && c.out.waiting {
		c.out.progress = c.l.now()
	}
	o := &c.out
	for o.first < len(o.bufs) {
		left := len(o.bufs[o.first]) - o.offset
		if n < left {
			o.offset += n
			return false
		}
		n -= left
		o.first++
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
	c.out.unread = unread(c.fd)
	c.armed.Store(true)
	if err := c.l.watcher.arm(c); err != nil {
		c.abort(wrapErrno("epoll_ctl", err))
	}
}

// stalled reports whether the peer of a connection with a full socket has taken nothing for the stall timeout. The watcher
// speaks only when a good part of the socket's buffer is free, and to see how much fits would show what the peer took at
// some time, not when. So at every look the kernel is asked how much the peer has left: nothing is written in between.
func (c *Conn) stalled(clock time.Duration) bool {
	now := unread(c.fd)
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
