package reader

import (
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// apache reads the dialects of Apache Thrift. Their clients expect what Apache's servers do, one call after the other
// in the order sent, even of oneway calls; so the session keeps later calls waiting while one runs.
type apache struct {
	dialect  *thrift.Dialect
	splitter *thrift.Splitter
	calls    serial
}

func newApache(s *Session, dialect *thrift.Dialect) *apache {
	a := &apache{dialect: dialect, splitter: thrift.NewSplitter(dialect)}
	s.mu.Lock()
	s.serial = &a.calls
	draining := s.draining
	s.mu.Unlock()
	if draining {
		s.answered()
	}
	return a
}

func (a *apache) partial() bool { return a.splitter.Partial() }

// farewell implements protocol: Thrift has no message for it.
func (a *apache) farewell(*Session, error) {}

func (a *apache) feed(s *Session, b []byte) error {
	for len(b) > 0 {
		n, msg, err := a.splitter.Next(b)
		if err != nil {
			return err
		}
		b = b[n:]
		if msg == nil {
			continue
		}
		s.complete()
		c := &rpc.Call{Dialect: a.dialect, Replier: s}
		if err := a.dialect.ReadCall(msg, c); err != nil {
			return err
		}
		if c.Name != "" {
			// What is not found is left to the next stage, which answers it in its turn.
			c.Handler, _ = s.config.Registry.LookupThrift(c.Name)
			c.Oneway = c.Oneway || c.Handler != nil && c.Handler.Method.Oneway
		}
		if err := s.take(c); err != nil {
			return err
		}
	}
	return nil
}
