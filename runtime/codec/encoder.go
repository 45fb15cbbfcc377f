package codec

import (
	"encoding/binary"
	"math"
)

// Encoder appends one message to a buffer. Its methods write in the order of the calls; after the first error they do
// nothing. An Encoder is not safe for concurrent use. The zero value has no encoding: call Reset first.
type Encoder struct {
	buf   []byte
	mode  mode
	depth uint8
	last  int16 // compact: id of the last field of the struct being written
	err   error

	long     int // strings from this length on take longString
	splicing bool
	splices  Splices
	left     int // bytes of the strings that were left out
}

// mode is what a write has to do; one comparison tells the writer both the encoding and that nothing has failed.
type mode uint8

const (
	modeFailed mode = iota
	modeBinary
	modeCompact
)

// NewEncoder returns an Encoder that appends to buf. See Reset.
func NewEncoder(enc Encoding, buf []byte) *Encoder {
	e := new(Encoder)
	e.Reset(enc, buf)
	return e
}

// Reset starts a new message in encoding enc that is appended to buf. The Encoder owns buf until the last call of
// Bytes.
func (e *Encoder) Reset(enc Encoding, buf []byte) {
	*e = Encoder{buf: buf, long: MaxStringLen}
	switch enc {
	case Binary:
		e.mode = modeBinary
	case Compact:
		e.mode = modeCompact
	default:
		e.err = unplaced(Unsupported, "%s", enc)
	}
}

// Bytes returns the buffer with everything written so far; it is of no use if Err is not nil.
func (e *Encoder) Bytes() []byte { return e.buf }

// Err returns the first error, nil if there was none.
func (e *Encoder) Err() error { return e.err }

// Fail records err unless there was an error before; an *Error without an offset gets the current one. Nothing is
// written from now on.
func (e *Encoder) Fail(err error) {
	if e.err == nil && err != nil {
		e.err = at(err, len(e.buf)+e.left)
		e.mode = modeFailed
	}
}

func (e *Encoder) failf(kind Kind, format string, args ...any) {
	if e.err == nil {
		e.Fail(unplaced(kind, format, args...))
	}
}

// Raw writes a value, as a rule a struct, that another Encoder has encoded in the same encoding. It copies b.
func (e *Encoder) Raw(b []byte) {
	if e.mode != modeFailed {
		e.buf = append(e.buf, b...)
	}
}

// BeginStruct opens a struct. The result is for EndStruct.
func (e *Encoder) BeginStruct() (outer int16) {
	outer = e.last
	e.last = 0
	if e.depth++; e.depth > MaxDepth {
		e.tooDeep()
	}
	return outer
}

func (e *Encoder) tooDeep() {
	e.depth = MaxDepth // a value that contains itself must not make it overflow
	e.failf(LimitReached, "more than %d nested structs", MaxDepth)
}

// EndStruct closes the struct that the BeginStruct which returned outer has opened.
func (e *Encoder) EndStruct(outer int16) {
	e.last = outer
	e.depth--
	if e.mode != modeFailed {
		e.buf = append(e.buf, byte(Stop))
	}
}

// Field writes the header of a field whose value follows. The compact encoding has a bool's value in the header, so
// bool fields are written by BoolField only.
func (e *Encoder) Field(id int16, t Type) {
	if e.mode == modeBinary {
		e.buf = append(e.buf, byte(t), byte(uint16(id)>>8), byte(id))
		return
	}
	e.compactField(id, toCompact[t])
}

// compactField writes a field header of the compact encoding; it also is where a failed encoder's fields end up.
func (e *Encoder) compactField(id int16, ct uint8) {
	if e.mode != modeCompact {
		return
	}
	delta := int(id) - int(e.last)
	e.last = id
	if 0 < delta && delta <= 15 {
		e.buf = append(e.buf, byte(delta)<<4|ct)
		return
	}
	e.buf = appendUvarint32(append(e.buf, ct), zigzag32(int32(id)))
}

// List writes the header of a list of n elements.
func (e *Encoder) List(elem Type, n int) {
	if uint(n) > MaxElements {
		e.badCount(List, n)
		return
	}
	if e.mode == modeBinary {
		u := uint32(n)
		e.buf = append(e.buf, byte(elem), byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
		return
	}
	e.compactList(elem, n)
}

// Set writes the header of a set of n elements.
func (e *Encoder) Set(elem Type, n int) { e.List(elem, n) }

func (e *Encoder) compactList(elem Type, n int) {
	if e.mode != modeCompact {
		return
	}
	ct := toCompact[elem]
	if n < 15 {
		e.buf = append(e.buf, byte(n)<<4|ct)
		return
	}
	e.buf = appendUvarint32(append(e.buf, 0xf0|ct), uint32(n))
}

// Map writes the header of a map of n entries. Each entry is its key, then its value.
func (e *Encoder) Map(key, value Type, n int) {
	if uint(n) > MaxElements {
		e.badCount(Map, n)
		return
	}
	if e.mode == modeBinary {
		u := uint32(n)
		e.buf = append(e.buf, byte(key), byte(value), byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
		return
	}
	e.compactMap(key, value, n)
}

func (e *Encoder) compactMap(key, value Type, n int) {
	if e.mode != modeCompact {
		return
	}
	if n == 0 {
		e.buf = append(e.buf, 0)
		return
	}
	e.buf = append(appendUvarint32(e.buf, uint32(n)), toCompact[key]<<4|toCompact[value])
}

func (e *Encoder) badCount(t Type, n int) {
	e.failf(LimitReached, "%s of %d elements, the limit is %d", t, n, MaxElements)
}

// Bool writes a container's element. A field is written by BoolField.
func (e *Encoder) Bool(v bool) {
	switch {
	case e.mode == modeFailed:
	case v:
		e.buf = append(e.buf, 1)
	case e.mode == modeBinary:
		e.buf = append(e.buf, 0)
	default:
		e.buf = append(e.buf, compactFalse)
	}
}

// I8 writes an 8-bit integer.
func (e *Encoder) I8(v int8) {
	if e.mode != modeFailed {
		e.buf = append(e.buf, byte(v))
	}
}

// I16 writes a 16-bit integer.
func (e *Encoder) I16(v int16) {
	if e.mode == modeBinary {
		e.buf = binary.BigEndian.AppendUint16(e.buf, uint16(v))
		return
	}
	e.compactVarint32(int32(v))
}

// I32 writes a 32-bit integer, or an enum's value.
func (e *Encoder) I32(v int32) {
	if e.mode == modeBinary {
		e.buf = binary.BigEndian.AppendUint32(e.buf, uint32(v))
		return
	}
	e.compactVarint32(v)
}

// I64 writes a 64-bit integer.
func (e *Encoder) I64(v int64) {
	if e.mode == modeBinary {
		e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(v))
		return
	}
	e.compactVarint64(v)
}

func (e *Encoder) compactVarint32(v int32) {
	if e.mode == modeCompact {
		e.buf = appendUvarint32(e.buf, zigzag32(v))
	}
}

func (e *Encoder) compactVarint64(v int64) {
	if e.mode == modeCompact {
		e.buf = appendUvarint64(e.buf, zigzag64(v))
	}
}

// Double writes a 64-bit floating-point number.
func (e *Encoder) Double(v float64) {
	u := math.Float64bits(v)
	switch e.mode {
	case modeBinary:
		e.buf = binary.BigEndian.AppendUint64(e.buf, u)
	case modeCompact: // little-endian, unlike anything else in Thrift
		e.buf = binary.LittleEndian.AppendUint64(e.buf, u)
	}
}

// String writes a string. Thrift wants UTF-8; that is not checked.
func (e *Encoder) String(v string) {
	if e.mode == modeBinary && len(v) < e.long {
		e.buf = append(binary.BigEndian.AppendUint32(e.buf, uint32(len(v))), v...)
		return
	}
	e.longString(v)
}

// Binary writes bytes. v is copied.
func (e *Encoder) Binary(v []byte) {
	if e.mode == modeBinary && len(v) <= MaxStringLen {
		e.buf = append(binary.BigEndian.AppendUint32(e.buf, uint32(len(v))), v...)
		return
	}
	if e.compactLength(len(v)) {
		e.buf = append(e.buf, v...)
	}
}

// compactLength writes the length of a string in the compact encoding; if it returns false, the string must not be
// written. A string that is too long for either encoding ends up here, too.
func (e *Encoder) compactLength(n int) bool {
	if n > MaxStringLen {
		e.failf(LimitReached, "string of %d bytes, the limit is %d", n, MaxStringLen)
	}
	if e.mode != modeCompact {
		return false
	}
	e.buf = appendUvarint32(e.buf, uint32(n))
	return true
}

// UUID writes a UUID, its bytes in the order of its text form.
func (e *Encoder) UUID(v [16]byte) {
	if e.mode != modeFailed {
		e.buf = append(e.buf, v[:]...)
	}
}

func appendUvarint32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendUvarint64(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}
