package codec

// The methods of this file write a field's header and value in one call, which is what generated code does most.

// BoolField writes a field of type bool.
func (e *Encoder) BoolField(id int16, v bool) {
	if e.mode == modeBinary {
		var c byte
		if v {
			c = 1
		}
		e.buf = append(e.buf, byte(Bool), byte(id>>8), byte(id), c)
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
		e.buf = append(e.buf, byte(I8), byte(id>>8), byte(id), byte(v))
		return
	}
	e.compactField(id, compactI8)
	e.I8(v)
}

// I16Field writes a field of type i16.
func (e *Encoder) I16Field(id int16, v int16) {
	if e.mode == modeBinary {
		e.buf = append(e.buf, byte(I16), byte(id>>8), byte(id), byte(v>>8), byte(v))
		return
	}
	e.compactField(id, compactI16)
	e.compactVarint32(int32(v))
}

// I32Field writes a field of type i32, or of an enum.
func (e *Encoder) I32Field(id int16, v int32) {
	if e.mode == modeBinary {
		e.buf = append(e.buf, byte(I32), byte(id>>8), byte(id), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		return
	}
	e.compactField(id, compactI32)
	e.compactVarint32(v)
}

// I64Field writes a field of type i64.
func (e *Encoder) I64Field(id int16, v int64) {
	if e.mode == modeBinary {
		e.buf = append(e.buf, byte(I64), byte(id>>8), byte(id),
			byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		return
	}
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
