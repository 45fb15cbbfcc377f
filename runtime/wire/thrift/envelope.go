package thrift

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// messageType is the kind of a message, numbered as on the wire.
type messageType uint8

const (
	typeCall      messageType = 1
	typeReply     messageType = 2
	typeException messageType = 3
	typeOneway    messageType = 4
)

// MaxName is the longest method name, in bytes, that is read or written; "Service:" counts.
const MaxName = 256

const (
	strictVersion  = 0x8001 // the upper half of a binary message's first word
	compactID      = 0x82
	compactVersion = 1
)

// envelope is what stands before a message's struct.
type envelope struct {
	typ    messageType
	strict bool // binary: with the version word
	seq    int32
	name   []byte // aliases the message
}

var (
	errTruncated = errors.New("thrift: the message ends inside its header")
	errVarint    = errors.New("thrift: a varint of more than 32 bits")
)

// parseEnvelope reads the envelope at the start of b, which need not hold all of it: if it does not, size is 0 and need
// is the length that b has to have for the next step. An error is final.
func parseEnvelope(enc codec.Encoding, b []byte) (env envelope, size, need int, err error) {
	if enc == codec.Compact {
		return parseCompact(b)
	}
	return parseBinary(b)
}

func parseBinary(b []byte) (env envelope, size, need int, err error) {
	if len(b) < 4 {
		return env, 0, 4, nil
	}
	w0 := binary.BigEndian.Uint32(b)
	nameAt := 4
	if int32(w0) < 0 {
		if w0>>16 != strictVersion {
			return env, 0, 0, fmt.Errorf("thrift: a message with version %#04x", w0>>16)
		}
		if len(b) < 8 {
			return env, 0, 8, nil
		}
		env.strict, env.typ = true, messageType(w0)
		w0, nameAt = binary.BigEndian.Uint32(b[4:]), 8
	}
	if w0 > MaxName {
		return env, 0, 0, fmt.Errorf("thrift: a method name of %d bytes, at most %d allowed", w0, MaxName)
	}
	end := nameAt + int(w0)
	size = end + 4
	if !env.strict {
		size++
	}
	if len(b) < size {
		return env, 0, size, nil
	}
	env.name = b[nameAt:end:end]
	if !env.strict {
		env.typ = messageType(b[end])
	}
	env.seq = int32(binary.BigEndian.Uint32(b[size-4:]))
	return env, size, 0, env.typ.check()
}

func parseCompact(b []byte) (env envelope, size, need int, err error) {
	if len(b) < 2 {
		return env, 0, 2, nil
	}
	if !isCompact(b) {
		return env, 0, 0, fmt.Errorf("thrift: a compact message that starts with % x", b[:2])
	}
	env.typ = messageType(b[1] >> 5)
	if err := env.typ.check(); err != nil {
		return env, 0, 0, err
	}
	seq, n, err := varint32(b[2:])
	if n == 0 {
		return env, 0, len(b) + 1, err
	}
	at := 2 + n
	length, n, err := varint32(b[at:])
	if n == 0 {
		return env, 0, len(b) + 1, err
	}
	if length > MaxName {
		return env, 0, 0, fmt.Errorf("thrift: a method name of %d bytes, at most %d allowed", length, MaxName)
	}
	at += n
	size = at + int(length)
	if len(b) < size {
		return env, 0, size, nil
	}
	env.seq, env.name = int32(seq), b[at:size:size]
	return env, size, 0, nil
}

func (t messageType) check() error {
	if t < typeCall || t > typeOneway {
		return fmt.Errorf("thrift: a message of type %d", uint8(t))
	}
	return nil
}

// varint32 reads an unsigned varint. n is 0 if b ends inside it, and where err is set.
func varint32(b []byte) (v uint32, n int, err error) {
	for i := 0; i < len(b); i++ {
		if i == 4 && b[i] > 0x0f {
			return 0, 0, errVarint
		}
		v |= uint32(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return v, i + 1, nil
		}
	}
	return 0, 0, nil
}

// appendEnvelope appends the envelope of a message; strict counts only for binary ones.
func appendEnvelope(dst []byte, enc codec.Encoding, strict bool, typ messageType, name string, seq int32) ([]byte, error) {
	if len(name) > MaxName {
		return dst, fmt.Errorf("thrift: a method name of %d bytes, at most %d allowed", len(name), MaxName)
	}
	if enc == codec.Compact {
		dst = append(dst, compactID, byte(typ)<<5|compactVersion)
		dst = binary.AppendUvarint(dst, uint64(uint32(seq)))
		dst = binary.AppendUvarint(dst, uint64(len(name)))
		return append(dst, name...), nil
	}
	if strict {
		dst = binary.BigEndian.AppendUint32(dst, strictVersion<<16|uint32(typ))
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(name)))
	dst = append(dst, name...)
	if !strict {
		dst = append(dst, byte(typ))
	}
	return binary.BigEndian.AppendUint32(dst, uint32(seq)), nil
}
