package server

import (
	"errors"
	"io"

	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/responder"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// connection is one connection's session; it also ends the connection's responder and its place in the server.
type connection struct {
	*reader.Session
	responder *responder.Responder
	stages    *stages
	peer      *rpc.Peer
}

// accept makes the stages of a new connection.
func (st *stages) accept(conn *listener.Conn) (listener.Session, listener.Output) {
	out := st.responder.New(conn)
	c := &connection{reader.NewSession(st.reader, out, conn.Peer()), out, st, conn.Peer()}
	st.mu.Lock()
	st.conns[c] = struct{}{}
	draining := st.draining
	st.mu.Unlock()
	if draining {
		c.Drain()
	}
	c.opened()
	if st.gate != nil {
		st.gate.Opened(c.peer, link{c.Session, conn})
	}
	return c, out
}

// Closed implements listener.Session.
func (c *connection) Closed(err error) {
	if err == io.EOF && c.Partial() {
		err = reader.ErrTruncated
	}
	c.responder.Close()
	if c.stages.gate != nil {
		c.stages.gate.Closed(c.peer)
	}
	c.Session.Closed(err)
	if errors.Is(err, listener.ErrClosed) { // the server ends, and with it the calls that nobody waits for
		c.Cancel()
	}
	c.stages.mu.Lock()
	delete(c.stages.conns, c)
	c.stages.mu.Unlock()
	c.stages.answered() // Shutdown does not wait for this connection any more
	c.ended(err)
}
