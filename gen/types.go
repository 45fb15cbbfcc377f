package gen

import (
	"strconv"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// scalars holds, for each kind that is one value, its Go type and the name that it has in the methods of the codec.
var scalars = map[schema.Kind]struct{ goType, codec string }{
	schema.KindBool:   {"bool", "Bool"},
	schema.KindI8:     {"int8", "I8"},
	schema.KindI16:    {"int16", "I16"},
	schema.KindI32:    {"int32", "I32"},
	schema.KindI64:    {"int64", "I64"},
	schema.KindDouble: {"float64", "Double"},
	schema.KindString: {"string", "String"},
	schema.KindBinary: {"[]byte", "Binary"},
	schema.KindUUID:   {"[16]byte", "UUID"},
	schema.KindEnum:   {"", "I32"},
}

// wireTypes holds the codec's constant for each kind.
var wireTypes = map[schema.Kind]string{
	schema.KindBool: "Bool", schema.KindI8: "I8", schema.KindI16: "I16", schema.KindI32: "I32", schema.KindI64: "I64",
	schema.KindDouble: "Double", schema.KindString: "String", schema.KindBinary: "String", schema.KindUUID: "UUID",
	schema.KindEnum: "I32", schema.KindStruct: "Struct", schema.KindList: "List", schema.KindSet: "Set", schema.KindMap: "Map",
}

// wireType returns the codec's constant for t: codec.I64.
func (e *emitter) wireType(t *schema.Type) string { return e.codec(wireTypes[t.Kind]) }

// codec and rpc return a name of the runtime, qualified.
func (e *emitter) codec(name string) string { return e.use(codecPath) + "." + name }
func (e *emitter) rpc(name string) string   { return e.use(rpcPath) + "." + name }

// name returns the Go name of what key stands for, which is declared in file f, as it is written here.
func (e *emitter) name(f *schema.File, key any) string {
	if p := e.units[f].pkg; p != e.pkg {
		return e.use(p.Path) + "." + e.names[key]
	}
	return e.names[key]
}

// goType returns the Go type of a value of t as it is stored in a container or in a field that is neither optional nor
// recursive.
func (e *emitter) goType(t *schema.Type) string {
	if t.Typedef != nil {
		return e.name(t.Typedef.File, t.Typedef)
	}
	switch t.Kind {
	case schema.KindEnum:
		return e.name(t.Enum.File, t.Enum)
	case schema.KindStruct:
		return e.name(t.Struct.File, t.Struct)
	case schema.KindList, schema.KindSet:
		return "[]" + e.goType(t.Elem)
	case schema.KindMap:
		if e.isGoMap(t) {
			return "map[" + e.goType(t.Key) + "]" + e.goType(t.Elem)
		}
		return "[]" + e.pairType(t)
	}
	return scalars[t.Kind].goType
}

// pairType returns the element of a map that cannot be a Go map.
func (e *emitter) pairType(t *schema.Type) string {
	return "struct { Key " + e.goType(t.Key) + "; Value " + e.goType(t.Elem) + " }"
}

// isGoMap reports whether a map type becomes a Go map: its keys must be equal as Go values exactly when they are equal
// as Thrift values. That rules out slices, pointers and floating-point numbers.
func (g *generator) isGoMap(t *schema.Type) bool { return g.isKeyable(t.Key) }

func (g *generator) isKeyable(t *schema.Type) bool {
	switch t.Kind {
	case schema.KindDouble, schema.KindBinary, schema.KindList, schema.KindSet, schema.KindMap:
		return false
	case schema.KindStruct:
		return g.isKeyableStruct(t.Struct)
	}
	return true
}

func (g *generator) isKeyableStruct(d *schema.Struct) bool {
	if ok, known := g.keyable[d]; known {
		return ok
	}
	g.keyable[d] = false // should d contain itself, some field of it is a pointer
	ok := d.Kind != idl.StructUnion
	for _, f := range d.Fields {
		ok = ok && !isPointer(d, f) && g.isKeyable(f.Type)
	}
	g.keyable[d] = ok
	return ok
}

// isOptional reports whether the absence of a field is visible in its Go value.
func isOptional(d *schema.Struct, f *schema.Field) bool {
	return f.Requiredness == idl.RequirednessOptional || d != nil && d.Kind == idl.StructUnion
}

// isPointer reports whether a field of d is held by pointer: optional ones whose type has no nil, and structs that
// would contain themselves. d is nil for arguments and results.
func isPointer(d *schema.Struct, f *schema.Field) bool {
	switch f.Type.Kind {
	case schema.KindList, schema.KindSet, schema.KindMap, schema.KindBinary:
		return false
	case schema.KindStruct:
		return isOptional(d, f) || f.Recursive
	}
	return isOptional(d, f)
}

// fieldType returns the Go type of a field of d.
func (e *emitter) fieldType(d *schema.Struct, f *schema.Field) string {
	if isPointer(d, f) {
		return "*" + e.goType(f.Type)
	}
	return e.goType(f.Type)
}

// reachable returns the structs that values of d can contain, at any depth and through any container.
func (g *generator) reachable(d *schema.Struct) map[*schema.Struct]bool {
	if set, ok := g.reaches[d]; ok {
		return set
	}
	set := make(map[*schema.Struct]bool)
	todo := []*schema.Struct{d}
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, f := range next.Fields {
			structsOf(f.Type, func(s *schema.Struct) {
				if !set[s] {
					set[s] = true
					todo = append(todo, s)
				}
			})
		}
	}
	g.reaches[d] = set
	return set
}

// structsOf visits the structs that t is made of.
func structsOf(t *schema.Type, visit func(*schema.Struct)) {
	switch t.Kind {
	case schema.KindStruct:
		visit(t.Struct)
	case schema.KindMap:
		structsOf(t.Key, visit)
		structsOf(t.Elem, visit)
	case schema.KindList, schema.KindSet, schema.KindStream:
		structsOf(t.Elem, visit)
	}
}

func quote(s string) string { return strconv.Quote(s) }
