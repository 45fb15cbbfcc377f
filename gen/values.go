package gen

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// constant prints a constant: a Go const where the language has one, else a variable.
func (e *emitter) constant(d *schema.Const) {
	e.doc(d.Doc, nil)
	if isGoConst(d.Value) {
		e.P("const ", e.names[d], " ", e.goType(d.Type), " = ", e.literal(d.Type, d.Value))
	} else {
		e.P("var ", e.names[d], " ", e.varType(d.Type), "= ", e.literal(d.Type, d.Value))
	}
	e.P()
}

// varType returns the type to declare a variable with, followed by a space; empty where the literal says it. A typedef
// keeps its name.
func (e *emitter) varType(t *schema.Type) string {
	if t.Typedef != nil && t.Kind != schema.KindStruct {
		return e.goType(t) + " "
	}
	return ""
}

// isGoConst reports whether a value can be a Go constant. Infinities and the negative zero cannot.
func isGoConst(v *schema.Value) bool {
	switch v.Type.Kind {
	case schema.KindBool, schema.KindI8, schema.KindI16, schema.KindI32, schema.KindI64, schema.KindString, schema.KindEnum:
		return true
	case schema.KindDouble:
		return !math.IsInf(v.Double, 0) && !math.IsNaN(v.Double) && (v.Double != 0 || !math.Signbit(v.Double))
	}
	return false
}

// literal returns v as a Go expression that is assignable to the Go type of t. A constant that the IDL names is named
// here too if it is a constant in Go; others are written out, so that no two variables share a container.
func (e *emitter) literal(t *schema.Type, v *schema.Value) string {
	if v.Ref != nil && v.Ref.Value != nil && isGoConst(v) && isGoConst(v.Ref.Value) && v.Ref.Type.Kind == t.Kind && v.Ref.Type.Enum == t.Enum {
		return e.name(v.Ref.File, v.Ref)
	}
	switch t.Kind {
	case schema.KindBool:
		return strconv.FormatBool(v.Bool)
	case schema.KindI8, schema.KindI16, schema.KindI32, schema.KindI64:
		return strconv.FormatInt(v.Int, 10)
	case schema.KindEnum:
		return e.enumValue(t, v)
	case schema.KindDouble:
		return e.double(v.Double)
	case schema.KindString:
		return quote(v.Str)
	case schema.KindBinary:
		return "[]byte(" + quote(v.Str) + ")"
	case schema.KindUUID:
		parts := make([]string, len(v.UUID))
		for i, b := range v.UUID {
			parts[i] = fmt.Sprintf("0x%02x", b)
		}
		return "[16]byte{" + strings.Join(parts, ", ") + "}"
	case schema.KindList, schema.KindSet:
		return e.listLiteral(t, v)
	case schema.KindMap:
		return e.mapLiteral(t, v)
	}
	return e.structLiteral(t, v)
}

func (e *emitter) double(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return e.use("math") + ".Inf(1)"
	case math.IsInf(v, -1):
		return e.use("math") + ".Inf(-1)"
	case math.IsNaN(v):
		return e.use("math") + ".NaN()"
	case v == 0 && math.Signbit(v):
		return e.use("math") + ".Copysign(0, -1)"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// entries returns the elements of a list, set or map constant as they end up: of equal elements of a set the first stays,
// of equal keys of a map the last value counts, as when they are added one by one.
func entries(v *schema.Value) []schema.Pair {
	var out []schema.Pair
	at := make(map[string]int)
	add := func(p schema.Pair, unique bool) {
		if key := canonical(p.Key); unique {
			if i, ok := at[key]; ok {
				out[i].Value = p.Value
				return
			}
			at[key] = len(out)
		}
		out = append(out, p)
	}
	for _, elem := range v.List {
		add(schema.Pair{Key: elem}, v.Type.Kind == schema.KindSet)
	}
	for _, p := range v.Map {
		add(p, true)
	}
	return out
}

// canonical returns a text that two values of one type share exactly when they are equal.
func canonical(v *schema.Value) string {
	var b strings.Builder
	switch v.Type.Kind {
	case schema.KindList, schema.KindSet, schema.KindMap:
		for _, p := range entries(v) {
			b.WriteString(canonical(p.Key) + ",")
			if p.Value != nil {
				b.WriteString(canonical(p.Value) + ";")
			}
		}
		return "[" + b.String() + "]"
	case schema.KindStruct:
		for _, f := range v.Fields {
			b.WriteString(strconv.Itoa(int(f.Field.ID)) + ":" + canonical(f.Value) + ",")
		}
		return "{" + b.String() + "}"
	}
	return fmt.Sprintf("%t %d %x %q %x", v.Bool, v.Int, math.Float64bits(v.Double), v.Str, v.UUID)
}

func (e *emitter) listLiteral(t *schema.Type, v *schema.Value) string {
	var parts []string
	for _, p := range entries(v) {
		parts = append(parts, elided(e.literal(t.Elem, p.Key), e.goType(t.Elem)))
	}
	return composite(e.goType(t), parts)
}

func (e *emitter) mapLiteral(t *schema.Type, v *schema.Value) string {
	isMap := e.isGoMap(t)
	var parts []string
	for _, p := range entries(v) {
		key := elided(e.literal(t.Key, p.Key), e.goType(t.Key))
		value := elided(e.literal(t.Elem, p.Value), e.goType(t.Elem))
		if isMap {
			parts = append(parts, key+": "+value)
		} else {
			// Inside a struct the types of composite literals cannot be left out.
			parts = append(parts, "{Key: "+e.literal(t.Key, p.Key)+", Value: "+e.literal(t.Elem, p.Value)+"}")
		}
	}
	return composite(e.goType(t), parts)
}

// structLiteral returns a struct constant: the members that the IDL gives, and the defaults of the others.
func (e *emitter) structLiteral(t *schema.Type, v *schema.Value) string {
	if len(v.Fields) == 0 && e.hasDefaults(t.Struct) {
		return e.newValue(t.Struct)
	}
	var parts []string
	for _, m := range e.initial(t.Struct, v) {
		parts = append(parts, e.names[m.field]+": "+m.text)
	}
	return composite(e.name(t.Struct.File, t.Struct), parts)
}

// initialMember is a field that does not start as its zero value.
type initialMember struct {
	field *schema.Field
	text  string
}

// initial returns the members that a value of d starts with: those that v gives, if v is not nil, and the defaults of
// the others.
func (e *emitter) initial(d *schema.Struct, v *schema.Value) []initialMember {
	given := make(map[*schema.Field]*schema.Value)
	if v != nil {
		for _, f := range v.Fields {
			given[f.Field] = f.Value
		}
	}
	var out []initialMember
	for _, f := range d.Fields {
		switch {
		case given[f] != nil:
			out = append(out, initialMember{f, e.fieldLiteral(d, f, given[f])})
		case !e.needsDefault(d, f) || d.Kind == idl.StructUnion && len(given) > 0:
		case f.Default != nil:
			out = append(out, initialMember{f, e.fieldLiteral(d, f, f.Default)})
		default:
			out = append(out, initialMember{f, e.newValue(f.Type.Struct)})
		}
	}
	return out
}

// newValue returns an expression for a struct with its defaults.
func (e *emitter) newValue(d *schema.Struct) string {
	return "*" + e.name(d.File, part{d, roleNew}) + "()"
}

// fieldLiteral returns v as an expression for a field of d.
func (e *emitter) fieldLiteral(d *schema.Struct, f *schema.Field, v *schema.Value) string {
	text := e.literal(f.Type, v)
	if !isPointer(d, f) {
		return text
	}
	return e.pointerTo(f.Type, text)
}

// pointerTo returns a pointer to a new variable with the value of text, an expression of type t.
func (e *emitter) pointerTo(t *schema.Type, text string) string {
	switch t.Kind {
	case schema.KindStruct:
		if call, ok := strings.CutPrefix(text, "*"); ok {
			return call
		}
		return "&" + text
	case schema.KindUUID:
		return "&" + text
	case schema.KindBool, schema.KindString, schema.KindEnum:
		return "new(" + text + ")"
	}
	return "new(" + e.goType(t) + "(" + text + "))"
}

// elided drops a composite literal's type where the element type around it says it.
func elided(text, elemType string) string {
	if rest, ok := strings.CutPrefix(text, elemType+"{"); ok {
		return "{" + rest
	}
	return text
}

// composite returns a composite literal, on several lines if it is long.
func composite(goType string, parts []string) string {
	one := goType + "{" + strings.Join(parts, ", ") + "}"
	if len(one) <= 100 && !strings.Contains(one, "\n") {
		return one
	}
	return goType + "{\n" + strings.Join(parts, ",\n") + ",\n}"
}
