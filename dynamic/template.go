package dynamic

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// maxTemplate bounds the values of a template: structs that hold others twice double it with each level.
const maxTemplate = 10_000

var errTemplate = errors.New("dynamic: the message is too large for a template")

// TemplateArgs returns indented JSON that ParseArgs takes for f: every argument and field is there, with its default or a
// zero value, lists and maps with one element, unions with their first member. What leads back to a struct that is
// being written is left out, or empty. It fails if there is too much of it.
func TemplateArgs(f *schema.Function) ([]byte, error) {
	return template(&schema.Struct{Fields: f.Args})
}

// Template is TemplateArgs for a struct, union or exception.
func Template(s *schema.Struct) ([]byte, error) { return template(s) }

func template(s *schema.Struct) ([]byte, error) {
	t := templater{left: maxTemplate, open: make(map[*schema.Struct]bool)}
	n := t.structure(s)
	if t.left < 0 {
		return nil, errTemplate
	}
	var b bytes.Buffer
	if err := json.Indent(&b, n.append(nil), "", "  "); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

type templater struct {
	left int
	open map[*schema.Struct]bool
}

func (t *templater) structure(s *schema.Struct) *node {
	n := &node{kind: isObject}
	t.open[s] = true
	defer delete(t.open, s)
	for _, f := range s.Fields {
		if f.Type.Kind == schema.KindStream || t.left < 0 ||
			f.Type.Kind == schema.KindStruct && t.open[f.Type.Struct] && f.Requiredness != idl.RequirednessRequired {
			continue
		}
		if s.Kind == idl.StructUnion && len(n.elems) == 1 {
			break
		}
		v := t.value(f.Type)
		if f.Default != nil {
			v = constant(f.Default)
		}
		n.keys, n.elems = append(n.keys, f.Name), append(n.elems, *v)
	}
	return n
}

func (t *templater) value(typ *schema.Type) *node {
	t.left--
	switch typ.Kind {
	case schema.KindBool:
		return &node{kind: isBool, text: "false"}
	case schema.KindString, schema.KindBinary:
		return &node{kind: isString}
	case schema.KindUUID:
		return &node{kind: isString, text: string(appendUUID(nil, [16]byte{}))}
	case schema.KindEnum:
		if len(typ.Enum.Values) > 0 {
			return &node{kind: isString, text: typ.Enum.Values[0].Name}
		}
	case schema.KindList, schema.KindSet:
		n := &node{kind: isArray}
		if !t.closes(typ.Elem) {
			n.elems = append(n.elems, *t.value(typ.Elem))
		}
		return n
	case schema.KindMap:
		return t.entry(typ)
	case schema.KindStruct:
		if t.left < 0 || t.open[typ.Struct] {
			return &node{kind: isObject}
		}
		return t.structure(typ.Struct)
	}
	return &node{kind: isNumber, text: "0"}
}

func (t *templater) entry(typ *schema.Type) *node {
	n := &node{kind: isObject}
	if !hasTextForm(typ.Key) {
		n.kind = isArray
	}
	if t.closes(typ.Key) || t.closes(typ.Elem) {
		return n
	}
	k, v := t.value(typ.Key), t.value(typ.Elem)
	if n.kind == isArray {
		n.elems = []node{{kind: isArray, elems: []node{*k, *v}}}
		return n
	}
	n.keys, n.elems = []string{k.text}, []node{*v}
	return n
}

// closes reports whether a value of the type leads back to a struct that is being written.
func (t *templater) closes(typ *schema.Type) bool {
	switch typ.Kind {
	case schema.KindStruct:
		return t.open[typ.Struct]
	case schema.KindMap:
		return t.closes(typ.Key) || t.closes(typ.Elem)
	case schema.KindList, schema.KindSet:
		return t.closes(typ.Elem)
	}
	return false
}
