package codec

import (
	"encoding/binary"
	"math"
)

// Decoder reads one message that is whole in memory. Its methods read in the order of the calls; after the first error
// they return zero values, Field returns Stop, and containers are empty, so that loops end. A Decoder is not safe for
// concurrent use. The zero value reads the empty message.
type Decoder struct {
	b       []byte // nil after an error, so that nothing more is read and the common path need not look at err
	pos     int
	compact bool
	pending uint8 // compact: the value of a bool field whose header was read (compactTrue or compactFalse), 0 if none
	depth   uint8
	last    int16 // compact: id of the last field of the struct being read

	// Strings and binaries are cut from chunk, which holds the bytes of b from chunkAt on: copied from b piece by piece
	// as strings occur, or b itself if the message is shared.
	chunk   []byte
	chunkAt int
	lent    bool // the message is shared for a while only: strings are copied

	budget int64 // bytes that may still be allocated for this message
	spare  []any // what New returns after an error
	err    error
}

// Field is a field's header.
type Field struct {
	ID   int16
	Type Type
}

// Key returns the id and the type as one number for a switch: case 1<<8 | uint32(codec.I64).
func (f Field) Key() uint32 { return uint32(uint16(f.ID))<<8 | uint32(f.Type) }

// NewDecoder returns a Decoder that reads b. See Reset.
func NewDecoder(enc Encoding, b []byte) *Decoder {
	d := new(Decoder)
	d.Reset(enc, b)
	return d
}

// Reset starts reading a new message, b, in encoding enc. Strings and binaries are copied, those of a message of up to
// 32 KiB sharing one allocation; b belongs to the caller again when decoding is done.
func (d *Decoder) Reset(enc Encoding, b []byte) {
	*d = Decoder{b: b, compact: enc == Compact, budget: AllocFactor*int64(len(b)) + AllocBase}
	if !enc.Valid() {
		d.fail(Unsupported, "%s", enc)
	}
}

// ResetShared is Reset without copying: strings and binaries are parts of b, which must never be written again, and
// which stays in memory as long as any of them.
func (d *Decoder) ResetShared(enc Encoding, b []byte) {
	d.Reset(enc, b)
	d.chunk = b
}

// ResetLent is Reset for a message whose memory is used again: binaries are parts of b, and change when b does. Strings are
// copied, each by itself, for a string that changes is none.
func (d *Decoder) ResetLent(enc Encoding, b []byte) {
	d.ResetShared(enc, b)
	d.lent = true
}

// SetAllocFactor replaces AllocFactor for the message being read; it comes before everything that reads. 0 stands for
// AllocFactor, and what is outside of AllocFactor to MaxAllocFactor for the nearer end. Lists of structs with many
// fields, most of them absent, can take more memory than AllocFactor allows.
func (d *Decoder) SetAllocFactor(factor int) {
	if factor > AllocFactor {
		d.budget += int64(min(factor, MaxAllocFactor)-AllocFactor) * int64(len(d.b))
	}
}

// Err returns the first error, nil if there was none.
func (d *Decoder) Err() error { return d.err }

// Fail records err unless there was an error before; an *Error without an offset gets the current one. Nothing is read
// from now on.
func (d *Decoder) Fail(err error) {
	if d.err == nil && err != nil {
		d.err = at(err, d.pos)
		d.b, d.pos, d.pending = nil, 0, 0
	}
}

func (d *Decoder) fail(kind Kind, format string, args ...any) {
	if d.err == nil {
		d.Fail(unplaced(kind, format, args...))
	}
}

// short records that a value of type t does not fit in what remains.
func (d *Decoder) short(t Type, need int) {
	d.fail(Truncated, "%s needs %d bytes, %d remain", t, need, d.Remaining())
}

// Remaining returns how many bytes were not read yet, 0 after an error.
func (d *Decoder) Remaining() int { return len(d.b) - d.pos }

// BeginStruct opens a struct. The result is for EndStruct.
func (d *Decoder) BeginStruct() (outer int16) {
	outer = d.last
	d.last = 0
	if d.depth++; d.depth > MaxDepth {
		d.tooDeep()
	}
	return outer
}

func (d *Decoder) tooDeep() {
	d.depth = MaxDepth
	d.fail(LimitReached, "more than %d nested structs", MaxDepth)
}

// EndStruct closes the struct that the BeginStruct which returned outer has opened. It reads nothing: Field has read
// the Stop.
func (d *Decoder) EndStruct(outer int16) {
	d.last = outer
	d.depth--
}

// Field reads the header of the next field. At the end of the struct, and after any error, its type is Stop. The caller
// then reads the value, or skips it.
func (d *Decoder) Field() Field {
	if d.compact {
		return d.compactField()
	}
	b := d.b[d.pos:]
	if len(b) == 0 {
		d.noField()
		return Field{}
	}
	t := Type(b[0])
	if t == Stop {
		d.pos++
		return Field{}
	}
	if len(b) < 3 || !t.valid() {
		d.badField(b)
		return Field{}
	}
	d.pos += 3
	return Field{ID: int16(b[1])<<8 | int16(b[2]), Type: t}
}

func (d *Decoder) compactField() Field {
	b := d.b[d.pos:]
	if len(b) == 0 {
		d.noField()
		return Field{}
	}
	h := b[0]
	if h == 0 {
		d.pos++
		return Field{}
	}
	ct := h & 0x0f
	t := fromCompact[ct]
	if t == Stop {
		d.badField(b)
		return Field{}
	}
	if ct <= compactFalse {
		d.pending = ct
	}
	id := int(d.last) + int(h>>4)
	if h>>4 == 0 || id > math.MaxInt16 {
		return d.compactFieldID(b, t)
	}
	d.last = int16(id)
	d.pos++
	return Field{ID: int16(id), Type: t}
}

// compactFieldID reads the rest of a field header whose id is not a delta, and refuses one whose delta overflows.
func (d *Decoder) compactFieldID(b []byte, t Type) Field {
	if b[0]>>4 != 0 {
		d.fail(Malformed, "field id %d and a delta of %d exceed 16 bits", d.last, b[0]>>4)
		return Field{}
	}
	u, n := parseUvarint32(b[1:])
	id := unzigzag32(u)
	switch {
	case n == 0:
		d.fail(Truncated, "field header ends inside its id")
		return Field{}
	case n < 0 || id != int32(int16(id)):
		d.fail(Malformed, "field id exceeds 16 bits")
		return Field{}
	}
	d.last = int16(id)
	d.pos += 1 + n
	return Field{ID: int16(id), Type: t}
}

func (d *Decoder) noField() { d.fail(Truncated, "struct without its stop byte") }

// badField explains why b does not begin with a field header.
func (d *Decoder) badField(b []byte) {
	switch {
	case d.compact:
		d.fail(Malformed, "field header 0x%02x has no type of the compact encoding", b[0])
	case !Type(b[0]).valid():
		d.fail(Malformed, "field of unknown type %d", b[0])
	default:
		d.fail(Truncated, "field header needs 3 bytes, %d remain", len(b))
	}
}

// Bool reads the value of a bool field, or an element of type bool. Only the values that writers write are accepted: 1
// is true, and 0, in the compact encoding also 2, is false.
func (d *Decoder) Bool() bool {
	if d.pending != 0 {
		v := d.pending == compactTrue
		d.pending = 0
		return v
	}
	b := d.b[d.pos:]
	if len(b) == 0 {
		d.short(Bool, 1)
		return false
	}
	if b[0] > 1 && (!d.compact || b[0] > compactFalse) {
		d.fail(Malformed, "bool has the value %d", b[0])
		return false
	}
	d.pos++
	return b[0] == 1
}

// I8 reads an 8-bit integer.
func (d *Decoder) I8() int8 {
	b := d.b[d.pos:]
	if len(b) == 0 {
		d.short(I8, 1)
		return 0
	}
	d.pos++
	return int8(b[0])
}

// I16 reads a 16-bit integer.
func (d *Decoder) I16() int16 {
	if d.compact {
		return d.compactI16()
	}
	b := d.b[d.pos:]
	if len(b) < 2 {
		d.short(I16, 2)
		return 0
	}
	d.pos += 2
	return int16(binary.BigEndian.Uint16(b))
}

// I32 reads a 32-bit integer, or an enum's value.
func (d *Decoder) I32() int32 {
	if d.compact {
		return unzigzag32(d.uvarint32(I32))
	}
	b := d.b[d.pos:]
	if len(b) < 4 {
		d.short(I32, 4)
		return 0
	}
	d.pos += 4
	return int32(binary.BigEndian.Uint32(b))
}

// I64 reads a 64-bit integer.
func (d *Decoder) I64() int64 {
	if d.compact {
		return d.compactI64()
	}
	b := d.b[d.pos:]
	if len(b) < 8 {
		d.short(I64, 8)
		return 0
	}
	d.pos += 8
	return int64(binary.BigEndian.Uint64(b))
}

// Double reads a 64-bit floating-point number.
func (d *Decoder) Double() float64 {
	b := d.b[d.pos:]
	if len(b) < 8 {
		d.short(Double, 8)
		return 0
	}
	d.pos += 8
	if d.compact {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b))
}

// UUID reads a UUID, its bytes in the order of its text form.
func (d *Decoder) UUID() (v [16]byte) {
	b := d.b[d.pos:]
	if len(b) < 16 {
		d.short(UUID, 16)
		return v
	}
	d.pos += 16
	return [16]byte(b)
}

func (d *Decoder) compactI16() int16 {
	start := d.pos
	v := unzigzag32(d.uvarint32(I16))
	if v != int32(int16(v)) {
		d.pos = start
		d.fail(Malformed, "i16 has the value %d", v)
		return 0
	}
	return int16(v)
}

func (d *Decoder) compactI64() int64 {
	b := d.b[d.pos:]
	u, n := parseUvarint64(b)
	if n <= 0 {
		d.badVarint(I64, n)
		return 0
	}
	d.pos += n
	return unzigzag64(u)
}

// uvarint32 reads a varint of up to 32 bits, t being what it is part of.
func (d *Decoder) uvarint32(t Type) uint32 {
	b := d.b[d.pos:]
	if len(b) > 0 && b[0] < 0x80 {
		d.pos++
		return uint32(b[0])
	}
	u, n := parseUvarint32(b)
	if n <= 0 {
		d.badVarint(t, n)
		return 0
	}
	d.pos += n
	return u
}

func (d *Decoder) badVarint(t Type, n int) {
	if n == 0 {
		d.fail(Truncated, "%s ends inside its varint", t)
		return
	}
	d.fail(Malformed, "%s has a varint that is too long", t)
}
