package codec

// The methods of this file write a field's header and value in one call, which is what generated code does most.
// Integers are shifted unsigned: only then does the compiler join the bytes into one store.

// BoolField writes a field of type bool.
func (e *Encoder) BoolField(id int16, v bool) {
	if e.mode == modeBinary {
		var c byte
		if v {
			c = 1
		}
		e.buf = append(e.buf, byte(Bool), byte(uint16(id)>>8), byte(id), c)
		return
	}
	ct := uint8(compactFalse)
	if v {
		ct = compactTrue
	}
	e.compactField(id, ct)
}

// I8Field writes a field of type i8.
func (e *Encoder) I8Field(id int16, v int8) {
	if e.mode == modeBinary {
		e.buf = append(e.buf, byte(I8), byte(uint16(id)>>8), byte(id), byte(v))
		return
	}
	e.compactField(id, compactI8)
	e.I8(v)
}

// I16Field writes a field of type i16.
func (e *Encoder) I16Field(id int16, v int16) {
	if e.mode != modeBinary {
		e.compactVarint32Field(id, compactI16, int32(v))
		return
	}
	i, u := uint16(id), uint16(v)
	e.buf = append(e.buf, byte(I16), byte(i>>8), byte(i), byte(u>>8), byte(u))
}

// I32Field writes a field of type i32, or of an enum.
func (e *Encoder) I32Field(id int16, v int32) {
	if e.mode != modeBinary {
		e.compactVarint32Field(id, compactI32, v)
		return
	}
	i, u := uint16(id), uint32(v)
	e.buf = append(e.buf, byte(I32), byte(i>>8), byte(i), byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
}

// I64Field writes a field of type i64.
func (e *Encoder) I64Field(id int16, v int64) {
	if e.mode != modeBinary {
		e.compactVarint64Field(id, v)
		return
	}
	i, u := uint16(id), uint64(v)
	e.buf = append(e.buf, byte(I64), byte(i>>8), byte(i),
		byte(u>>56), byte(u>>48), byte(u>>40), byte(u>>32), byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
}

// compactVarint32Field and compactVarint64Field are not inlined, so that the path of the binary encoding needs no stack
// for them.
//
//go:noinline
func (e *Encoder) compactVarint32Field(id int16, ct uint8, v int32) {
	e.compactField(id, ct)
	e.compactVarint32(v)
}

//go:noinline
func (e *Encoder) compactVarint64Field(id int16, v int64) {
	e.compactField(id, compactI64)
	e.compactVarint64(v)
}

// DoubleField writes a field of type double.
func (e *Encoder) DoubleField(id int16, v float64) {
	e.Field(id, Double)
	e.Double(v)
}

// StringField writes a field of type string. Thrift wants UTF-8; that is not checked.
func (e *Encoder) StringField(id int16, v string) {
	e.Field(id, String)
	e.String(v)
}

// BinaryField writes a field of type binary. v is copied.
func (e *Encoder) BinaryField(id int16, v []byte) {
	e.Field(id, String)
	e.Binary(v)
}

// UUIDField writes a field of type uuid.
func (e *Encoder) UUIDField(id int16, v [16]byte) {
	e.Field(id, UUID)
	e.UUID(v)
}
