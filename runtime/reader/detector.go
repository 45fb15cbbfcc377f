package reader

import (
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// detector holds the first bytes of a connection until they show which protocol it speaks, and then hands over.
type detector struct {
	prefix []byte // at most thrift.MaxDetect bytes
}

func (d *detector) partial() bool { return len(d.prefix) > 0 }

// farewell implements protocol. What a peer of another protocol is told, feed has sent.
func (d *detector) farewell(*Session, error) {}

func (d *detector) feed(s *Session, b []byte) error {
	k := min(thrift.MaxDetect-len(d.prefix), len(b))
	d.prefix = append(d.prefix, b[:k]...)
	found, need, err := thrift.Detect(d.prefix)
	if need > len(d.prefix) {
		return nil // which means that all of b is in the prefix
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	case found.Kind == thrift.Native:
		s.proto = &native{}
	case found.Kind == thrift.Thrift:
		s.proto = newApache(s, s.config.dialects.thrift(found.Dialect))
	default:
		s.out.Send(found.Kind.Rejection(s.config.Banner))
		return fmt.Errorf("%w: %s", ErrProtocol, found.Kind.Reason())
	}
	if err := s.proto.feed(s, d.prefix); err != nil {
		return err
	}
	return s.proto.feed(s, b[k:])
}
