package dynamic

import (
	"math"
	"slices"

	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Message is a struct, or the arguments of a function, made from JSON. It is not changed once it is made, so several
// goroutines may encode it at once.
type Message struct {
	root value
}

// Parse makes a Message of a struct, union or exception. Errors about the JSON itself say line and column; those about
// what it says are an *Error.
func Parse(s *schema.Struct, json []byte) (*Message, error) {
	return parse(&schema.Type{Kind: schema.KindStruct, Struct: s}, s.Name, json)
}

// ParseArgs makes a Message of the arguments of f: an object whose members are named like them. A stream is not among
// them; ParseElement makes its messages.
func ParseArgs(f *schema.Function, json []byte) (*Message, error) {
	args := slices.DeleteFunc(slices.Clone(f.Args), func(arg *schema.Field) bool { return arg.Type.Kind == schema.KindStream })
	return parse(&schema.Type{Kind: schema.KindStruct, Struct: &schema.Struct{Name: "args", Fields: args}}, "args", json)
}

func parse(t *schema.Type, root string, json []byte) (*Message, error) {
	n, err := parseJSON(json)
	if err != nil {
		return nil, err
	}
	c := converter{path: path{root}}
	v, err := c.value(t, n)
	if err != nil {
		return nil, err
	}
	m := &Message{v}
	// The encoder knows limits that a schema does not, such as the depth of a message.
	e := codec.NewEncoder(codec.Binary, nil)
	m.EncodeThrift(e)
	if err := e.Err(); err != nil {
		return nil, &Error{root, err.Error()}
	}
	return m, nil
}

// EncodeThrift implements codec.Encodable.
func (m *Message) EncodeThrift(e *codec.Encoder) { m.root.encode(e) }

// value is a value that fits its type.
type value struct {
	typ    *schema.Type
	bits   uint64  // of a bool, integer, enum or double
	text   string  // of a string, binary or uuid
	elems  []value // of a list or set; the keys and values of a map in turn
	fields []member
}

type member struct {
	id int16
	value
}

func (v *value) encode(e *codec.Encoder) {
	switch v.typ.Kind {
	case schema.KindBool:
		e.Bool(v.bits != 0)
	case schema.KindI8:
		e.I8(int8(v.bits))
	case schema.KindI16:
		e.I16(int16(v.bits))
	case schema.KindI32, schema.KindEnum:
		e.I32(int32(v.bits))
	case schema.KindI64:
		e.I64(int64(v.bits))
	case schema.KindDouble:
		e.Double(math.Float64frombits(v.bits))
	case schema.KindString, schema.KindBinary:
		e.String(v.text)
	case schema.KindUUID:
		e.UUID([16]byte([]byte(v.text)))
	case schema.KindList:
		e.List(wireType(v.typ.Elem), len(v.elems))
	case schema.KindSet:
		e.Set(wireType(v.typ.Elem), len(v.elems))
	case schema.KindMap:
		e.Map(wireType(v.typ.Key), wireType(v.typ.Elem), len(v.elems)/2)
	case schema.KindStruct:
		outer := e.BeginStruct()
		for i := range v.fields {
			f := &v.fields[i]
			if f.typ.Kind == schema.KindBool {
				e.BoolField(f.id, f.bits != 0)
				continue
			}
			e.Field(f.id, wireType(f.typ))
			f.encode(e)
		}
		e.EndStruct(outer)
	}
	for i := range v.elems {
		v.elems[i].encode(e)
	}
}

var wireTypes = [...]codec.Type{
	schema.KindBool: codec.Bool, schema.KindI8: codec.I8, schema.KindI16: codec.I16, schema.KindI32: codec.I32,
	schema.KindI64: codec.I64, schema.KindDouble: codec.Double, schema.KindString: codec.String,
	schema.KindBinary: codec.String, schema.KindUUID: codec.UUID, schema.KindEnum: codec.I32,
	schema.KindStruct: codec.Struct, schema.KindList: codec.List, schema.KindSet: codec.Set, schema.KindMap: codec.Map,
	schema.KindStream: codec.Stop,
}

func wireType(t *schema.Type) codec.Type { return wireTypes[t.Kind] }
