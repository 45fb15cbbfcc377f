package thrift

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// firstBuffer is how much is set aside for a message that has only begun, in bytes, if it declares as much. From there
// the buffer doubles, with the bytes that arrive.
const firstBuffer = 4 << 10

// Splitter cuts one direction of a connection into messages. One goroutine at a time may use it.
type Splitter struct {
	d   *Dialect
	err error // sticky

	// Framed: the length so far, then the message so far.
	length  [4]byte
	lengthN uint8

	inBody bool           // unframed: the envelope is complete
	skip   *codec.Skipper // unframed: follows the struct then
	buf    []byte         // of the unfinished message, from its start
}

// NewSplitter returns a Splitter for messages of d, with d's limits.
func NewSplitter(d *Dialect) *Splitter {
	s := &Splitter{d: d}
	if !d.framed() {
		s.skip = codec.NewSkipper(d.Encoding, codec.Struct)
	}
	return s
}

// Next takes bytes off the front of b and returns how many. msg is the message that they complete, nil if they complete
// none, and then n is len(b). msg is the caller's, cap(msg) may exceed its length; b is not kept. In framed dialects msg
// is what follows the length.
//
// An error is final: the connection cannot be followed any further. Memory grows with the bytes that arrive, whatever
// length was declared.
func (s *Splitter) Next(b []byte) (n int, msg []byte, err error) {
	if s.err != nil {
		return 0, nil, s.err
	}
	if s.d.framed() {
		n, msg, s.err = s.nextFrame(b)
	} else {
		n, msg, s.err = s.nextUnframed(b)
	}
	if s.err != nil {
		s.buf = nil
	}
	return n, msg, s.err
}

// Partial reports whether a message has begun and not ended.
func (s *Splitter) Partial() bool { return s.lengthN > 0 || len(s.buf) > 0 }

func (s *Splitter) nextFrame(b []byte) (n int, msg []byte, err error) {
	if s.lengthN < 4 {
		n = copy(s.length[s.lengthN:], b)
		if s.lengthN += uint8(n); s.lengthN < 4 {
			return n, nil, nil
		}
	}
	length := binary.BigEndian.Uint32(s.length[:])
	switch {
	case length == 0:
		return n, nil, errors.New("thrift: a frame of length 0")
	case int64(length) > int64(s.d.maxFrame()): // a negative length is a large one here
		hint := ""
		if s.length[1] == 3 && (s.length[0] == tlsAlert || s.length[0] == tlsHandshake) {
			hint = ", which is how a record of TLS begins"
		}
		return n, nil, fmt.Errorf("thrift: a frame of %d bytes, at most %d allowed%s", length, s.d.maxFrame(), hint)
	}
	size := int(length)
	take := min(size-len(s.buf), len(b)-n)
	s.buf = grow(s.buf, take, size)
	s.buf = append(s.buf, b[n:n+take]...)
	n += take
	if len(s.buf) < size {
		return n, nil, nil
	}
	msg, s.buf, s.lengthN = s.buf, nil, 0
	return n, msg, nil
}

// grow makes room for n more bytes of a message that will have at most size.
func grow(buf []byte, n, size int) []byte {
	need := len(buf) + n
	if need <= cap(buf) {
		return buf
	}
	grown := make([]byte, len(buf), min(size, max(need, 2*cap(buf), firstBuffer)))
	copy(grown, buf)
	return grown
}

func (s *Splitter) nextUnframed(b []byte) (n int, msg []byte, err error) {
	start := 0 // b[start:n] belongs to the message and is not in buf yet
	if !s.inBody {
		if n, err = s.readEnvelope(b); err != nil || !s.inBody {
			return n, nil, err
		}
		if len(s.buf) > 0 {
			start = n
		}
	}
	k, done, err := s.skip.Push(b[n:])
	n += k
	if err != nil {
		return n, nil, fmt.Errorf("thrift: the end of a message cannot be found: %w", err)
	}
	size := s.d.maxMessage() // at most
	if done {
		size = len(s.buf) + n - start
	}
	s.buf = grow(s.buf, n-start, size)
	s.buf = append(s.buf, b[start:n]...)
	if !done {
		return n, nil, nil
	}
	msg, s.buf, s.inBody = s.buf, nil, false
	return n, msg, nil
}

// readEnvelope takes the envelope off b, or off what is left of it, and then sets inBody. The envelope is in buf only if
// it came in pieces; else it is b[:n].
func (s *Splitter) readEnvelope(b []byte) (n int, err error) {
	view := s.buf
	if len(s.buf) == 0 {
		view = b
	}
	for {
		_, size, need, err := parseEnvelope(s.d.Encoding, view)
		if err != nil {
			return n, err
		}
		if size > 0 {
			s.inBody = true
			s.skip.SetLimit(max(s.d.maxMessage()-size, 0))
			s.skip.Reset(s.d.Encoding, codec.Struct)
			if len(s.buf) == 0 {
				n = size
			}
			return n, nil
		}
		take := min(need-len(s.buf), len(b)-n)
		if take == 0 {
			return n, nil
		}
		s.buf = append(s.buf, b[n:n+take]...)
		n += take
		view = s.buf
	}
}
