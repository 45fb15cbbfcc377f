package codec_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// value is any Thrift value. Which fields count is said by typ.
type value struct {
	typ    codec.Type
	num    int64 // Bool (0 or 1), I8, I16, I32, I64
	double float64
	bytes  []byte // String, UUID
	elem   [2]codec.Type
	items  []value // List, Set; Map: key, value, key, value; Struct: the fields' values
	ids    []int16 // Struct: the fields' ids
}

var (
	scalarTypes = []codec.Type{
		codec.Bool, codec.I8, codec.I16, codec.I32, codec.I64, codec.Double, codec.String, codec.UUID,
	}
	allTypes = append([]codec.Type{codec.Struct, codec.List, codec.Set, codec.Map}, scalarTypes...)
)

// random returns a value of type t that is nested at most depth times.
func random(r *rand.Rand, t codec.Type, depth int) value {
	v := value{typ: t}
	bits := func(n int) int64 { return int64(r.Uint64()) >> (64 - 1 - r.IntN(n)) } // all magnitudes are equally likely
	pick := func() codec.Type {
		if depth <= 1 {
			return scalarTypes[r.IntN(len(scalarTypes))]
		}
		return allTypes[r.IntN(len(allTypes))]
	}
	fill := func(n int, types ...codec.Type) {
		for i := range n {
			v.items = append(v.items, random(r, types[i%len(types)], depth-1))
		}
	}
	switch t {
	case codec.Bool:
		v.num = r.Int64N(2)
	case codec.I8:
		v.num = bits(8)
	case codec.I16:
		v.num = bits(16)
	case codec.I32:
		v.num = bits(32)
	case codec.I64:
		v.num = bits(64)
	case codec.Double:
		v.double = math.Float64frombits(r.Uint64())
	case codec.String, codec.UUID:
		v.bytes = make([]byte, 16)
		if t == codec.String {
			v.bytes = make([]byte, r.IntN(1<<r.IntN(9)))
		}
		for i := range v.bytes {
			v.bytes[i] = byte(r.Uint32())
		}
	case codec.List, codec.Set:
		e := pick()
		v.elem = [2]codec.Type{e, e}
		fill(r.IntN(1<<r.IntN(5)), e)
	case codec.Map:
		v.elem = [2]codec.Type{pick(), pick()}
		fill(2*r.IntN(1<<r.IntN(3)), v.elem[0], v.elem[1])
	case codec.Struct:
		id := int16(bits(16))
		for range r.IntN(6) {
			v.ids = append(v.ids, id)
			fill(1, pick())
			if id += int16(r.IntN(20)); r.IntN(8) == 0 {
				id = int16(r.Uint32())
			}
		}
	}
	return v
}

// write writes v as generated code would.
func write(e *codec.Encoder, v value) {
	switch v.typ {
	case codec.Bool:
		e.Bool(v.num == 1)
	case codec.I8:
		e.I8(int8(v.num))
	case codec.I16:
		e.I16(int16(v.num))
	case codec.I32:
		e.I32(int32(v.num))
	case codec.I64:
		e.I64(v.num)
	case codec.Double:
		e.Double(v.double)
	case codec.String:
		e.Binary(v.bytes)
	case codec.UUID:
		e.UUID([16]byte(v.bytes))
	case codec.List:
		e.List(v.elem[0], len(v.items))
	case codec.Set:
		e.Set(v.elem[0], len(v.items))
	case codec.Map:
		e.Map(v.elem[0], v.elem[1], len(v.items)/2)
	case codec.Struct:
		outer := e.BeginStruct()
		for i, f := range v.items {
			writeField(e, v.ids[i], f)
		}
		e.EndStruct(outer)
		return
	}
	for _, item := range v.items {
		write(e, item)
	}
}

func writeField(e *codec.Encoder, id int16, v value) {
	switch v.typ {
	case codec.Bool:
		e.BoolField(id, v.num == 1)
	case codec.I8:
		e.I8Field(id, int8(v.num))
	case codec.I16:
		e.I16Field(id, int16(v.num))
	case codec.I32:
		e.I32Field(id, int32(v.num))
	case codec.I64:
		e.I64Field(id, v.num)
	case codec.Double:
		e.DoubleField(id, v.double)
	case codec.String:
		if id%2 == 0 {
			e.StringField(id, string(v.bytes))
		} else {
			e.BinaryField(id, v.bytes)
		}
	case codec.UUID:
		e.UUIDField(id, [16]byte(v.bytes))
	default:
		e.Field(id, v.typ)
		write(e, v)
	}
}

// read reads a value of the types that like has. Where the message has other fields than like, they become values of
// type Stop.
func read(d *codec.Decoder, like value) value {
	v := value{typ: like.typ, elem: like.elem}
	n := 0
	switch v.typ {
	case codec.Bool:
		if d.Bool() {
			v.num = 1
		}
	case codec.I8:
		v.num = int64(d.I8())
	case codec.I16:
		v.num = int64(d.I16())
	case codec.I32:
		v.num = int64(d.I32())
	case codec.I64:
		v.num = d.I64()
	case codec.Double:
		v.double = d.Double()
	case codec.String:
		if len(like.bytes)%2 == 0 {
			v.bytes = d.Binary()
		} else {
			v.bytes = []byte(d.String())
		}
	case codec.UUID:
		u := d.UUID()
		v.bytes = u[:]
	case codec.List:
		n = d.List(v.elem[0])
	case codec.Set:
		n = d.Set(v.elem[0])
	case codec.Map:
		n = 2 * d.Map(v.elem[0], v.elem[1])
	case codec.Struct:
		outer := d.BeginStruct()
		for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
			v.ids = append(v.ids, f.ID)
			if i := len(v.items); i < len(like.items) && like.items[i].typ == f.Type {
				v.items = append(v.items, read(d, like.items[i]))
				continue
			}
			d.Skip(f.Type)
			v.items = append(v.items, value{})
		}
		d.EndStruct(outer)
	}
	for i := range n {
		v.items = append(v.items, read(d, like.items[i]))
	}
	return v
}

// reference appends v in encoding enc, after the words of Thrift's specifications and without any care for speed.
func reference(b []byte, enc codec.Encoding, v value) []byte {
	compact := enc == codec.Compact
	be := binary.BigEndian
	varint := func(n int64) { b = binary.AppendVarint(b, n) }
	size := func(n int) {
		if compact {
			b = binary.AppendUvarint(b, uint64(n))
		} else {
			b = be.AppendUint32(b, uint32(n))
		}
	}
	switch v.typ {
	case codec.Bool:
		if v.num == 0 && compact {
			return append(b, 2)
		}
		return append(b, byte(v.num))
	case codec.I8:
		return append(b, byte(v.num))
	case codec.I16, codec.I32, codec.I64:
		switch {
		case compact:
			varint(v.num)
		case v.typ == codec.I16:
			b = be.AppendUint16(b, uint16(v.num))
		case v.typ == codec.I32:
			b = be.AppendUint32(b, uint32(v.num))
		default:
			b = be.AppendUint64(b, uint64(v.num))
		}
	case codec.Double:
		if compact {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(v.double))
		}
		return be.AppendUint64(b, math.Float64bits(v.double))
	case codec.String:
		size(len(v.bytes))
		return append(b, v.bytes...)
	case codec.UUID:
		return append(b, v.bytes...)
	case codec.List, codec.Set:
		switch {
		case !compact:
			b = append(b, byte(v.elem[0]))
			size(len(v.items))
		case len(v.items) < 15:
			b = append(b, byte(len(v.items))<<4|compactNumber(v.elem[0]))
		default:
			b = append(b, 0xf0|compactNumber(v.elem[0]))
			size(len(v.items))
		}
	case codec.Map:
		if !compact {
			b = append(b, byte(v.elem[0]), byte(v.elem[1]))
		}
		size(len(v.items) / 2)
		if compact && len(v.items) > 0 {
			b = append(b, compactNumber(v.elem[0])<<4|compactNumber(v.elem[1]))
		}
	case codec.Struct:
		last := 0
		for i, f := range v.items {
			id := int(v.ids[i])
			if !compact {
				b = be.AppendUint16(append(b, byte(f.typ)), uint16(id))
				b = reference(b, enc, f)
				continue
			}
			nibble := compactNumber(f.typ)
			if f.typ == codec.Bool && f.num == 0 {
				nibble = 2
			}
			if delta := id - last; delta >= 1 && delta <= 15 {
				b = append(b, byte(delta)<<4|nibble)
			} else {
				b = append(b, nibble)
				varint(int64(id))
			}
			last = id
			if f.typ != codec.Bool {
				b = reference(b, enc, f)
			}
		}
		return append(b, 0)
	}
	for _, item := range v.items {
		b = reference(b, enc, item)
	}
	return b
}

func compactNumber(t codec.Type) byte {
	return map[codec.Type]byte{
		codec.Bool: 1, codec.I8: 3, codec.I16: 4, codec.I32: 5, codec.I64: 6, codec.Double: 7, codec.String: 8,
		codec.List: 9, codec.Set: 10, codec.Map: 11, codec.Struct: 12, codec.UUID: 13,
	}[t]
}
