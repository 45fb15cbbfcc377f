package thrift

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// message is one message to be written.
type message struct {
	header   *header // nil except in THeader
	encoding codec.Encoding
	strict   bool
	typ      messageType
	seq      int32
	name     string
	body     codec.Encodable

	plain int // set by appendMessage: its size before transforms
}

func (m *message) setException(x *applicationException) { m.typ, m.body = typeException, x }

var encoders = sync.Pool{New: func() any { return codec.NewEncoder(codec.Binary, nil) }}

// appendMessage appends m in the dialect's framing. On an error the first len(dst) bytes are as they were and nothing
// counts as appended.
func (d *Dialect) appendMessage(dst []byte, m *message) ([]byte, error) {
	start, limit := len(dst), d.maxMessage()
	if d.framed() {
		dst = append(dst, 0, 0, 0, 0)
		limit = d.maxFrame()
	}
	if m.header != nil {
		dst = appendHeader(dst, m.header)
	}
	payload := len(dst)
	dst, err := appendEnvelope(dst, m.encoding, m.strict, m.typ, m.name, m.seq)
	if err != nil {
		return dst[:start], err
	}
	if dst, err = appendStruct(dst, m.encoding, m.body); err != nil {
		return dst[:start], err
	}
	m.plain = len(dst) - start
	if m.header != nil && m.header.n > 0 {
		dst = append(dst[:payload], m.header.apply(dst[payload:])...)
	}
	size := len(dst) - start
	if d.framed() {
		size -= 4
		binary.BigEndian.PutUint32(dst[start:], uint32(size))
	}
	if size > limit && m.typ != typeException {
		return dst[:start], fmt.Errorf("thrift: a message of %d bytes, at most %d allowed", size, limit)
	}
	return dst, nil
}

func appendStruct(dst []byte, enc codec.Encoding, v codec.Encodable) ([]byte, error) {
	e := encoders.Get().(*codec.Encoder)
	e.Reset(enc, dst)
	v.EncodeThrift(e)
	dst, err := e.Bytes(), e.Err()
	e.Reset(enc, nil) // the pool must not keep the buffer
	encoders.Put(e)
	return dst, err
}
