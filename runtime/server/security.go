package server

import (
	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/listener"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// link is a connection as a login sees it.
type link struct {
	*reader.Session
	conn *listener.Conn
}

// Close implements auth.Link.
func (l link) Close(reason error) { l.conn.Close(reason) }

// secure adds what the options about security ask for. The registry is complete but for the login's service.
func (s *Server) secure(st *stages) error {
	s.opts.listener.HandshakeFailed = st.handshakeFailed
	s.opts.listener.Refused = st.connRefused
	s.opts.listener.Plaintext = plaintext
	if s.opts.secrets != nil {
		st.gate = auth.NewGate(s.opts.secrets, s.opts.logger)
		s.opts.handler.Authorize = st.gate.Authorizer(s.opts.handler.Authorize)
		if err := s.registry.Register(st.gate.Service()); err != nil {
			return err
		}
	}
	if s.opts.handler.Authorize != nil {
		a := &audit{log: s.opts.logger}
		s.opts.handler.Authorize = a.wrap(s.opts.handler.Authorize)
	}
	return nil
}

const tlsOnly = "this port speaks TLS only: use a tls:// address"

// plaintext answers a peer that does not speak TLS on a port that does, where its protocol has words for that.
func plaintext(prefix []byte) []byte {
	found, _, err := thrift.Detect(prefix)
	switch {
	case err != nil:
		return nil
	case found.Kind == thrift.Native:
		b := wire.AppendPreamble(nil, wire.Preamble{MaxFrame: wire.DefaultMaxFrame})
		return wire.AppendGoAway(b, wire.GoAway{Code: rpc.FailedPrecondition, Message: tlsOnly})
	}
	return found.Kind.Rejection("T" + tlsOnly[1:])
}
