package client

import (
	"math"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// inbox is what has been read from a connection and is not understood yet.
type inbox struct {
	buf        []byte
	begin, end int  // of what there is in buf
	greeted    bool // the server's preamble has come
	part       part // of a frame that is read into place, if its length is not 0
}

// part is a frame that is being read into place.
type part struct {
	header  wire.FrameHeader
	payload []byte // of the frame's size; nil if nobody wants it
	have    int    // bytes of it
}

// receive is the reader goroutine. Calls that come one by one read for themselves, see helm.
func (n *native) receive(cn *conn) error {
	n.inbox.buf = make([]byte, firstBuffer)
	if n.config.pingIdle > 0 {
		cn.heard = time.Now()
		if err := cn.alert(cn.heard.Add(n.config.pingIdle)); err != nil {
			return err
		}
	}
	for {
		if err := n.step(cn, nil); err != nil {
			return n.sign(cn, err)
		}
		if n.alone >= loneliness && !cn.leaveHelm() {
			return errDead
		}
	}
}

// sign says why the connection ends, as far as that goes without waiting, if err is the server's fault. It returns err.
func (n *native) sign(cn *conn, err error) error {
	if broken, ok := err.(*wire.ConnError); ok {
		cn.mu.Lock()
		cn.leaveLocked(cn.lost(err), math.MaxUint64) // the reason, should this last write fail too
		cn.controlLocked(wire.AppendGoAway(nil, wire.GoAway{Code: broken.Code, Message: broken.Reason}))
		cn.unlockAndFlush()
	}
	return err
}

// step reads once, and deals with the frames that are complete then. With p, it is for a call with those bounds, and ends
// with errOverdue at them. Another step may follow that.
func (n *native) step(cn *conn, p *patience) error {
	in := &n.inbox
	if in.part.header.Length > 0 {
		return n.more(cn, p)
	}
	k, err := cn.read(n.space(in.buf[in.end:]), p)
	if err != nil {
		if !in.greeted && in.end > 0 && err != errOverdue {
			return &greetingError{prefix: in.buf[:in.end], cause: err}
		}
		return err
	}
	in.end += k
	full := in.end == len(in.buf)
	if !in.greeted {
		p, ok, err := wire.ParsePreamble(in.buf[:in.end])
		switch {
		case err != nil && in.end >= len(wire.Magic) && string(in.buf[:len(wire.Magic)]) == wire.Magic:
			return err // one of ours, but broken
		case err != nil:
			return &greetingError{prefix: in.buf[:in.end], cause: err}
		case !ok:
			return nil
		}
		in.greeted = true
		in.begin = wire.PreambleSize
		n.meet(p)
		cn.server.met(p.ID)
	}
	used, err := n.frames(cn, in.buf[in.begin:in.end])
	if err != nil {
		return err
	}
	in.begin += used
	if in.begin == in.end {
		in.begin, in.end = 0, 0
	} else if h, ok := wire.ParseFrameHeader(in.buf[in.begin:in.end]); ok && inPlace(h) {
		if err := n.large(cn, h, in.buf[in.begin+wire.FrameHeaderSize:in.end]); err != nil {
			return err
		}
		in.begin, in.end = 0, 0
	}
	if full && len(in.buf) < lastBuffer {
		bigger := make([]byte, 2*len(in.buf))
		in.end = copy(bigger, in.buf[in.begin:in.end])
		in.buf, in.begin = bigger, 0
	} else if in.begin > 0 {
		in.end, in.begin = copy(in.buf, in.buf[in.begin:in.end]), 0
	}
	return nil
}
