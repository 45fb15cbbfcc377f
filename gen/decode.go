package gen

import (
	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// target is a field as a decoder fills it.
type target struct {
	*schema.Field
	owner *schema.Struct // nil for arguments
	expr  string         // "m.ID"
	name  string         // Go name, capitalized: part of a variable's name
}

// decodeStruct prints DecodeThrift of d.
func (e *emitter) decodeStruct(d *schema.Struct) {
	e.P("// DecodeThrift implements codec.Decodable. It replaces all of m.")
	e.P("func (m *", e.names[d], ") DecodeThrift(d *", e.codec("Decoder"), ") {")
	if d.Kind == idl.StructUnion {
		e.decodeUnion(d)
		return
	}
	targets := make([]target, 0, len(d.Fields))
	for _, f := range byID(d.Fields) {
		targets = append(targets, target{f, d, "m." + e.names[f], e.names[f]})
	}
	var parts []string
	for _, f := range d.Fields {
		if e.needsDefault(d, f) && !e.allocates(d, f) {
			text := ""
			if f.Default != nil {
				text = e.fieldLiteral(d, f, f.Default)
			} else {
				text = e.newValue(f.Type.Struct)
			}
			parts = append(parts, e.names[f]+": "+text)
		}
	}
	e.P("*m = ", composite(e.names[d], parts))
	e.decodeFields(d.Name, targets)
	e.P("}")
	e.P()
}

// decodeFields prints the loop over a struct's fields, and what is to be done about those that did not come.
func (e *emitter) decodeFields(structName string, targets []target) {
	var watched []target // fields whose arrival must be remembered
	for _, t := range targets {
		if t.Requiredness == idl.RequirednessRequired || e.allocates(t.owner, t.Field) && t.Type.Kind == schema.KindStruct && !isPointer(t.owner, t.Field) {
			watched = append(watched, t)
		}
	}
	if len(watched) > 0 {
		list := ""
		for _, t := range watched {
			if list != "" {
				list += ", "
			}
			list += "has" + t.name
		}
		e.P("var ", list, " bool")
	}
	e.P("outer := d.BeginStruct()")
	e.P("for f := d.Field(); f.Type != ", e.codec("Stop"), "; f = d.Field() {")
	if len(targets) == 0 {
		e.P("d.Skip(f.Type)")
	} else {
		e.P("switch f.Key() {")
		for _, t := range targets {
			e.P("case ", e.key(t.ID, t.Type), ":")
			e.decodeField(t)
			for _, w := range watched {
				if w.Field == t.Field {
					e.P("has", t.name, " = true")
				}
			}
		}
		e.P("default:")
		e.P("d.Skip(f.Type)")
		e.P("}")
	}
	e.P("}")
	e.P("d.EndStruct(outer)")
	for _, t := range targets {
		switch {
		case t.Requiredness == idl.RequirednessRequired:
			e.P("if !has", t.name, " && d.Err() == nil {")
			e.P("d.Fail(", e.codec("MissingField"), "(", quote(structName), ", ", quote(t.Field.Name), "))")
			e.P("}")
		case !e.allocates(t.owner, t.Field):
		case t.Type.Kind == schema.KindStruct && !isPointer(t.owner, t.Field):
			e.P("if !has", t.name, " {")
			e.fillDefault(t.expr, t.owner, t.Field, 0)
			e.P("}")
		default:
			e.P("if ", t.expr, " == nil {")
			e.fillDefault(t.expr, t.owner, t.Field, 0)
			e.P("}")
		}
	}
}

// decodeField prints the statements that read a field's value.
func (e *emitter) decodeField(t target) {
	if !isPointer(t.owner, t.Field) {
		e.decodeValue(t.Type, t.expr, "=", 0)
		return
	}
	e.P(t.expr, " = ", e.codec("New"), "[", e.goType(t.Type), "](d)")
	if t.Type.Kind == schema.KindStruct {
		e.P(t.expr, ".DecodeThrift(d)")
		return
	}
	e.decodeValue(t.Type, "*"+t.expr, "=", 0)
}

// decodeUnion prints the rest of a union's DecodeThrift. Each member that arrives displaces the one before it, so that
// there is never more than one; a member that is not known here leaves none.
func (e *emitter) decodeUnion(d *schema.Struct) {
	name := e.names[d]
	e.P("*m = ", name, "{}")
	e.P("outer := d.BeginStruct()")
	e.P("for f := d.Field(); f.Type != ", e.codec("Stop"), "; f = d.Field() {")
	if len(d.Fields) == 0 {
		e.P("d.Skip(f.Type)")
	} else {
		e.P("*m = ", name, "{}")
		e.P("switch f.Key() {")
		for _, f := range byID(d.Fields) {
			e.P("case ", e.key(f.ID, f.Type), ":")
			e.decodeField(target{f, d, "m." + e.names[f], e.names[f]})
		}
		e.P("default:")
		e.P("d.Skip(f.Type)")
		e.P("}")
	}
	e.P("}")
	e.P("d.EndStruct(outer)")
	e.P("}")
	e.P()
}

// decodeValue prints the statements that read a value into expr: what is addressable if assign is "=", a variable to be
// declared if it is ":=".
func (e *emitter) decodeValue(t *schema.Type, expr, assign string, depth int) {
	switch t.Kind {
	case schema.KindStruct:
		if assign == ":=" {
			e.P("var ", expr, " ", e.goType(t))
		}
		e.P(expr, ".DecodeThrift(d)")
	case schema.KindList, schema.KindSet:
		s, i := local("s", depth), local("i", depth)
		e.P(s, " := ", e.codec("MakeSlice"), "[", e.goType(t.Elem), "](d, d.", wireTypes[t.Kind], "(", e.wireType(t.Elem), "))")
		e.P("for ", i, " := range ", s, " {")
		e.decodeValue(t.Elem, s+"["+i+"]", "=", depth+1)
		e.P("}")
		e.P(expr, " ", assign, " ", s)
	case schema.KindMap:
		e.decodeMap(t, expr, assign, depth)
	default:
		value := "d." + scalars[t.Kind].codec + "()"
		if t.Kind == schema.KindEnum {
			value = e.goType(t) + "(" + value + ")"
		}
		e.P(expr, " ", assign, " ", value)
	}
}

func (e *emitter) decodeMap(t *schema.Type, expr, assign string, depth int) {
	header := "d.Map(" + e.wireType(t.Key) + ", " + e.wireType(t.Elem) + ")"
	if !e.isGoMap(t) {
		s, i, p := local("s", depth), local("i", depth), local("p", depth)
		e.P(s, " := ", e.codec("MakeSlice"), "[", e.pairType(t), "](d, ", header, ")")
		e.P("for ", i, " := range ", s, " {")
		e.P(p, " := &", s, "[", i, "]")
		e.decodeValue(t.Key, p+".Key", "=", depth+1)
		if _, isScalar := scalars[t.Key.Kind]; !isScalar {
			depth++ // the key may have declared variables of its own
		}
		e.decodeValue(t.Elem, p+".Value", "=", depth+1)
		e.P("}")
		e.P(expr, " ", assign, " ", s)
		return
	}
	n, s, k, v := local("n", depth), local("s", depth), local("k", depth), local("v", depth)
	e.P(n, " := ", header)
	e.P(s, " := ", e.codec("MakeMap"), "[", e.goType(t.Key), ", ", e.goType(t.Elem), "](d, ", n, ")")
	e.P("for range ", n, " {")
	e.decodeValue(t.Key, k, ":=", depth+1)
	e.decodeValue(t.Elem, v, ":=", depth+1)
	e.P(s, "[", k, "] = ", v)
	e.P("}")
	e.P(expr, " ", assign, " ", s)
}
