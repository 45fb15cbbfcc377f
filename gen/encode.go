package gen

import (
	"fmt"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// encodeStruct prints EncodeThrift of d. Fields are written in the order of their ids.
func (e *emitter) encodeStruct(d *schema.Struct) {
	e.P("// EncodeThrift implements codec.Encodable.")
	e.P("func (m *", e.names[d], ") EncodeThrift(e *", e.codec("Encoder"), ") {")
	e.P("outer := e.BeginStruct()")
	if e.reachable(d)[d] {
		e.P("if e.Err() != nil {")
		e.P("return // nested too deep; the value may contain itself")
		e.P("}")
	}
	union := d.Kind == idl.StructUnion
	if union {
		e.P("set := 0")
	}
	for _, f := range byID(d.Fields) {
		field := "m." + e.names[f]
		switch {
		case union:
			e.P("if ", field, " != nil {")
			e.P("set++")
			e.encodeField(f, field, isPointer(d, f))
			e.P("}")
		case isOptional(d, f):
			e.P("if ", field, " != nil {")
			e.encodeField(f, field, isPointer(d, f))
			e.P("}")
		case isPointer(d, f) && f.Requiredness == idl.RequirednessRequired:
			e.P("if ", field, " == nil {")
			e.P("e.Fail(", e.codec("MissingField"), "(", quote(d.Name), ", ", quote(f.Name), "))")
			e.P("return")
			e.P("}")
			e.encodeField(f, field, true)
		case isPointer(d, f):
			e.P("if ", field, " != nil {")
			e.encodeField(f, field, true)
			e.P("}")
		default:
			e.encodeField(f, field, false)
		}
	}
	if union {
		e.P("if set != 1 {")
		e.P("e.Fail(", e.codec("UnionError"), "(", quote(d.Name), ", set))")
		e.P("}")
	}
	e.P("e.EndStruct(outer)")
	e.P("}")
	e.P()
}

// encodeField prints the statements that write a present field, header and value. expr is a pointer if pointer is set.
func (e *emitter) encodeField(f *schema.Field, expr string, pointer bool) {
	t := f.Type
	if s, ok := scalars[t.Kind]; ok {
		if pointer {
			expr = "*" + expr
		}
		e.P("e.", s.codec, "Field(", f.ID, ", ", toWire(t, expr), ")")
		return
	}
	e.P("e.Field(", f.ID, ", ", e.wireType(t), ")")
	e.encodeValue(t, expr, 0)
}

// encodeValue prints the statements that write a value without a header. expr is addressable, or a pointer if t is a
// struct.
func (e *emitter) encodeValue(t *schema.Type, expr string, depth int) {
	switch t.Kind {
	case schema.KindStruct:
		e.P(expr, ".EncodeThrift(e)")
	case schema.KindList, schema.KindSet:
		e.P("e.", wireTypes[t.Kind], "(", e.wireType(t.Elem), ", len(", expr, "))")
		if t.Elem.Kind == schema.KindStruct {
			i := local("i", depth)
			e.P("for ", i, " := range ", expr, " {")
			e.encodeValue(t.Elem, expr+"["+i+"]", depth+1)
			e.P("}")
			return
		}
		v := local("v", depth)
		e.P("for _, ", v, " := range ", expr, " {")
		e.encodeValue(t.Elem, v, depth+1)
		e.P("}")
	case schema.KindMap:
		e.P("e.Map(", e.wireType(t.Key), ", ", e.wireType(t.Elem), ", len(", expr, "))")
		if e.isGoMap(t) {
			k, v := local("k", depth), local("v", depth)
			e.P("for ", k, ", ", v, " := range ", expr, " {")
			e.encodeValue(t.Key, k, depth+1)
			e.encodeValue(t.Elem, v, depth+1)
			e.P("}")
			return
		}
		p := local("p", depth)
		e.P("for ", local("i", depth), " := range ", expr, " {")
		e.P(p, " := &", expr, "[", local("i", depth), "]")
		e.encodeValue(t.Key, p+".Key", depth+1)
		e.encodeValue(t.Elem, p+".Value", depth+1)
		e.P("}")
	default:
		e.P("e.", scalars[t.Kind].codec, "(", toWire(t, expr), ")")
	}
}

// toWire converts a value to what the codec's method takes.
func toWire(t *schema.Type, expr string) string {
	if t.Kind == schema.KindEnum {
		return "int32(" + expr + ")"
	}
	return expr
}

// key returns the case for a field in a decoder's switch.
func (e *emitter) key(id int16, t *schema.Type) string {
	if id < 0 {
		return fmt.Sprintf("0x%x<<8 | uint32(%s)", uint16(id), e.wireType(t))
	}
	return fmt.Sprintf("%d<<8 | uint32(%s)", id, e.wireType(t))
}
