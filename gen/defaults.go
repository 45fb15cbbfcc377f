package gen

import (
	"strconv"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// needsDefault reports whether a field of d starts as something else than its zero value. Optional fields start absent:
// their default is what the getter returns. d is nil for arguments.
func (g *generator) needsDefault(d *schema.Struct, f *schema.Field) bool {
	switch {
	case d != nil && d.Kind == idl.StructUnion:
		return f.Default != nil
	case isOptional(d, f):
		return false
	case f.Default != nil:
		return !isZero(f.Default)
	}
	return f.Type.Kind == schema.KindStruct && !isPointer(d, f) && g.hasDefaults(f.Type.Struct)
}

// hasDefaults reports whether d has a NewX function.
func (g *generator) hasDefaults(d *schema.Struct) bool {
	if has, known := g.defaults[d]; known {
		return has
	}
	g.defaults[d] = false
	has := false
	for _, f := range d.Fields {
		has = has || g.needsDefault(d, f)
	}
	g.defaults[d] = has
	return has
}

// hasGetter reports whether a field has a GetX method: it is optional and has a default.
func hasGetter(f *schema.Field) bool {
	return f.Requiredness == idl.RequirednessOptional && f.Default != nil
}

// isZero reports whether v is the zero value of its Go type, as it is stored in a field that is no pointer.
func isZero(v *schema.Value) bool {
	switch v.Type.Kind {
	case schema.KindBool:
		return !v.Bool
	case schema.KindDouble:
		return isGoConst(v) && v.Double == 0
	case schema.KindString, schema.KindBinary:
		return v.Str == ""
	case schema.KindUUID:
		return v.UUID == [16]byte{}
	case schema.KindList, schema.KindSet, schema.KindMap:
		return len(v.List)+len(v.Map) == 0
	case schema.KindStruct:
		return false
	}
	return v.Int == 0
}

// allocates reports whether the default of a field needs memory of its own. Such defaults are set only where the field
// turns out to be absent, and the memory is charged to the message.
func (g *generator) allocates(d *schema.Struct, f *schema.Field) bool {
	switch {
	case !g.needsDefault(d, f):
		return false
	case isPointer(d, f):
		return true
	case f.Default != nil:
		return g.valueAllocates(f.Default)
	}
	return g.structAllocates(f.Type.Struct, nil)
}

func (g *generator) valueAllocates(v *schema.Value) bool {
	switch v.Type.Kind {
	case schema.KindBinary, schema.KindList, schema.KindSet, schema.KindMap:
		return true
	case schema.KindStruct:
		return g.structAllocates(v.Type.Struct, v)
	}
	return false
}

// structAllocates answers for a struct of which v gives some members; v may be nil.
func (g *generator) structAllocates(d *schema.Struct, v *schema.Value) bool {
	given := make(map[*schema.Field]bool)
	if v != nil {
		for _, f := range v.Fields {
			given[f.Field] = true
			if isPointer(d, f.Field) || g.valueAllocates(f.Value) {
				return true
			}
		}
	}
	for _, f := range d.Fields {
		if !given[f] && g.allocates(d, f) {
			return true
		}
	}
	return false
}

// fillDefault prints statements that set target, which is zero, to a field's default, charging the decoder for the
// memory that it takes.
func (e *emitter) fillDefault(target string, d *schema.Struct, f *schema.Field, depth int) {
	if f.Default != nil {
		e.fillField(target, d, f, f.Default, depth)
		return
	}
	e.fillStruct(target, f.Type.Struct, nil, depth)
}

func (e *emitter) fillField(target string, d *schema.Struct, f *schema.Field, v *schema.Value, depth int) {
	if !isPointer(d, f) {
		e.fill(target, f.Type, v, depth)
		return
	}
	e.P(target, " = ", e.codec("New"), "[", e.goType(f.Type), "](d)")
	if f.Type.Kind == schema.KindStruct {
		e.fillStruct(target, f.Type.Struct, v, depth)
		return
	}
	e.fill("*"+target, f.Type, v, depth)
}

// fill sets target to v.
func (e *emitter) fill(target string, t *schema.Type, v *schema.Value, depth int) {
	if !e.valueAllocates(v) {
		e.P(target, " = ", e.literal(t, v))
		return
	}
	s, list := local("s", depth), entries(v)
	n := strconv.Itoa(len(list))
	switch t.Kind {
	case schema.KindBinary:
		e.P("if ", s, " := ", e.codec("MakeSlice"), "[byte](d, ", len(v.Str), "); ", e.noError(), " {")
		e.P("copy(", s, ", ", quote(v.Str), ")")
	case schema.KindList, schema.KindSet:
		e.P("if ", s, " := ", e.codec("MakeSlice"), "[", e.goType(t.Elem), "](d, ", n, "); ", e.noError(), " {")
		for i, p := range list {
			e.fill(s+"["+strconv.Itoa(i)+"]", t.Elem, p.Key, depth+1)
		}
	case schema.KindMap:
		if !e.isGoMap(t) {
			e.P("if ", s, " := ", e.codec("MakeSlice"), "[", e.pairType(t), "](d, ", n, "); ", e.noError(), " {")
			for i, p := range list {
				e.fill(s+"["+strconv.Itoa(i)+"].Key", t.Key, p.Key, depth+1)
				e.fill(s+"["+strconv.Itoa(i)+"].Value", t.Elem, p.Value, depth+1)
			}
			break
		}
		e.P("if ", s, " := ", e.codec("MakeMap"), "[", e.goType(t.Key), ", ", e.goType(t.Elem), "](d, ", n, "); ", e.noError(), " {")
		for _, p := range list {
			key := e.literal(t.Key, p.Key) // keys of Go maps allocate nothing
			if !e.valueAllocates(p.Value) {
				e.P(s, "[", key, "] = ", e.literal(t.Elem, p.Value))
				continue
			}
			value := local("v", depth)
			e.P("{")
			e.P("var ", value, " ", e.goType(t.Elem))
			e.fill(value, t.Elem, p.Value, depth+1)
			e.P(s, "[", key, "] = ", value)
			e.P("}")
		}
	default:
		e.fillStruct(target, t.Struct, v, depth)
		return
	}
	e.P(target, " = ", s)
	e.P("}")
}

func (e *emitter) noError() string { return "d.Err() == nil" }

// fillStruct sets the members of target that v gives, and those that have defaults. v may be nil.
func (e *emitter) fillStruct(target string, d *schema.Struct, v *schema.Value, depth int) {
	given := make(map[*schema.Field]*schema.Value)
	if v != nil {
		for _, f := range v.Fields {
			given[f.Field] = f.Value
		}
	}
	for _, f := range d.Fields {
		member := target + "." + e.names[f]
		switch {
		case given[f] != nil:
			e.fillField(member, d, f, given[f], depth)
		case e.needsDefault(d, f) && (d.Kind != idl.StructUnion || len(given) == 0):
			e.fillDefault(member, d, f, depth)
		}
	}
}
