package server

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/responder"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// WithEvents makes the server call e's functions as things happen. The option may be given several times. Without it, or
// where a function is nil, events cost nothing.
func WithEvents(e observe.Events) Option {
	return optionFunc(func(o *options) { o.events = observe.Tee(o.events, e) })
}

// handshakeFailed is told of connections that never got a session.
func (st *stages) handshakeFailed(peer *rpc.Peer, err error) {
	st.ends.report(peer, err)
	if f := st.events.HandshakeFailed; f != nil {
		f(observe.HandshakeFailed{Peer: peer, Err: err})
	}
}

// connRefused is told of connections that were closed at once because of a limit.
func (st *stages) connRefused(peer *rpc.Peer, limit listener.Limit) {
	now := time.Now()
	st.refusals.report(peer, limit, now)
	if f := st.events.ConnRefused; f != nil {
		f(observe.ConnRefused{Peer: peer, Time: now, Limit: string(limit)})
	}
}

// opened tells of the connection's beginning.
func (c *connection) opened() {
	if f := c.stages.events.ConnOpened; f != nil {
		f(observe.ConnOpened{Peer: c.peer, Time: c.Snapshot().Opened})
	}
}

// ended tells of its end.
func (c *connection) ended(reason error) {
	c.stages.ends.report(c.peer, reason)
	if f := c.stages.events.ConnClosed; f != nil {
		now, s := time.Now(), c.Snapshot()
		f(observe.ConnClosed{Peer: s.Peer, Time: now, Age: max(0, now.Sub(s.Opened)), End: endOf(reason), Reason: reason})
	}
}

// endOf returns the class of a reason.
func endOf(reason error) observe.End {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(reason, t) {
				return true
			}
		}
		return false
	}
	var errno syscall.Errno
	switch {
	case is(listener.ErrPanic):
		return observe.EndInternal
	case is(listener.ErrClosed):
		return observe.EndServer
	case is(reader.ErrIdle):
		return observe.EndIdle
	case is(reader.ErrFirstFrameTimeout, reader.ErrFrameTimeout, reader.ErrTooSlow):
		return observe.EndTimeout
	case is(reader.ErrCancels):
		return observe.EndCancels
	case is(listener.ErrSlowConsumer, responder.ErrSlowConsumer):
		return observe.EndSlowConsumer
	case reason == io.EOF, errors.As(reason, &errno):
		return observe.EndPeer
	}
	return observe.EndProtocol
}
