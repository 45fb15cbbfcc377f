package handler

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// replay is a struct that was encoded before, in the binary encoding, to be encoded once more: perhaps in another
// encoding, for the retry may come over a connection that speaks another. EncodeThrift may be called concurrently.
type replay []byte

var errReplay = errors.New("a stored result is broken")

// EncodeThrift implements codec.Encodable.
func (r replay) EncodeThrift(e *codec.Encoder) {
	if rest, ok := replayStruct(e, r, 0); !ok || len(rest) > 0 {
		e.Fail(errReplay)
	}
}

// maxNesting bounds structs and containers in one another, for results that come from a RetryStore.
const maxNesting = 2 * codec.MaxDepth

// replayable reports whether a value can have type t.
func replayable(t codec.Type) bool {
	switch t {
	case codec.Bool, codec.I8, codec.Double, codec.I16, codec.I32, codec.I64, codec.String, codec.Struct, codec.Map, codec.Set, codec.List, codec.UUID:
		return true
	}
	return false
}

// replayStruct writes the struct at the front of b and returns what follows it.
func replayStruct(e *codec.Encoder, b []byte, depth int) (rest []byte, ok bool) {
	outer := e.BeginStruct()
	for {
		if len(b) == 0 || e.Err() != nil {
			return nil, false
		}
		t := codec.Type(b[0])
		if t == codec.Stop {
			e.EndStruct(outer)
			return b[1:], true
		}
		if len(b) < 3 {
			return nil, false
		}
		id := int16(binary.BigEndian.Uint16(b[1:]))
		b = b[3:]
		if !replayable(t) {
			return nil, false
		}
		if t == codec.Bool { // the compact encoding has its value in the header
			if len(b) == 0 {
				return nil, false
			}
			e.BoolField(id, b[0] != 0)
			b = b[1:]
			continue
		}
		e.Field(id, t)
		if b, ok = replayValue(e, b, t, depth); !ok {
			return nil, false
		}
	}
}

// replayValue writes the value of type t at the front of b and returns what follows it.
func replayValue(e *codec.Encoder, b []byte, t codec.Type, depth int) (rest []byte, ok bool) {
	if depth == maxNesting {
		return nil, false
	}
	switch t {
	case codec.Struct:
		return replayStruct(e, b, depth+1)
	case codec.List, codec.Set:
		if len(b) < 5 {
			return nil, false
		}
		elem, n := codec.Type(b[0]), binary.BigEndian.Uint32(b[1:])
		if n > codec.MaxElements || !replayable(elem) {
			return nil, false
		}
		e.List(elem, int(n))
		return replayValues(e, b[5:], int(n), depth+1, elem)
	case codec.Map:
		if len(b) < 6 {
			return nil, false
		}
		key, value, n := codec.Type(b[0]), codec.Type(b[1]), binary.BigEndian.Uint32(b[2:])
		if n > codec.MaxElements || !replayable(key) || !replayable(value) {
			return nil, false
		}
		e.Map(key, value, int(n))
		return replayValues(e, b[6:], int(n), depth+1, key, value)
	case codec.String:
		if len(b) < 4 {
			return nil, false
		}
		n := binary.BigEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-4) {
			return nil, false
		}
		e.Binary(b[4 : 4+n])
		return b[4+n:], true
	}
	return replayFixed(e, b, t)
}

// replayValues writes n times a value of each type.
func replayValues(e *codec.Encoder, b []byte, n, depth int, types ...codec.Type) (rest []byte, ok bool) {
	for range n {
		for _, t := range types {
			if b, ok = replayValue(e, b, t, depth); !ok {
				return nil, false
			}
		}
	}
	return b, true
}

func replayFixed(e *codec.Encoder, b []byte, t codec.Type) (rest []byte, ok bool) {
	size := 0
	switch t {
	case codec.Bool, codec.I8:
		size = 1
	case codec.I16:
		size = 2
	case codec.I32:
		size = 4
	case codec.I64, codec.Double:
		size = 8
	case codec.UUID:
		size = 16
	}
	if size == 0 || len(b) < size {
		return nil, false
	}
	switch t {
	case codec.Bool:
		e.Bool(b[0] != 0)
	case codec.I8:
		e.I8(int8(b[0]))
	case codec.I16:
		e.I16(int16(binary.BigEndian.Uint16(b)))
	case codec.I32:
		e.I32(int32(binary.BigEndian.Uint32(b)))
	case codec.I64:
		e.I64(int64(binary.BigEndian.Uint64(b)))
	case codec.Double:
		e.Double(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case codec.UUID:
		e.UUID([16]byte(b))
	}
	return b[size:], true
}
