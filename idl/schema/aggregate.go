package schema

import (
	"math"
	"strconv"

	"github.com/kuafu-rpc/kuafu/idl"
)

// This file folds list, set, map and struct constants.

// list folds [a, b, c] to a list or set. Of the equal elements of a set the first stays.
func (l *linker) list(u *unit, v *idl.ListValue, t *Type) (*Value, int) {
	out, size := &Value{Type: t, List: make([]*Value, 0, len(v.Elems))}, 1
	var seen map[string]idl.Span
	if t.Kind == KindSet {
		seen = make(map[string]idl.Span, len(v.Elems))
	}
	for _, e := range v.Elems {
		elem, n := l.fold(u, e, t.Elem)
		size += n
		if elem == nil {
			continue
		}
		if seen != nil {
			key := string(appendKey(nil, elem))
			if first, ok := seen[key]; ok {
				l.duplicateKey(u, e.Range(), first, "set element")
				continue
			}
			seen[key] = e.Range()
		}
		out.List = append(out.List, elem)
	}
	return out, size
}

// mapping folds {a: b} to a map. Of entries with equal keys the last one's value stays, in the first one's place.
func (l *linker) mapping(u *unit, v *idl.MapValue, t *Type) (*Value, int) {
	type place struct {
		index int
		span  idl.Span
	}
	out, size := &Value{Type: t, Map: make([]Pair, 0, len(v.Entries))}, 1
	seen := make(map[string]place, len(v.Entries))
	for _, e := range v.Entries {
		key, n := l.fold(u, e.Key, t.Key)
		value, m := l.fold(u, e.Value, t.Elem)
		size += n + m
		if key == nil || value == nil {
			continue
		}
		id := string(appendKey(nil, key))
		if first, ok := seen[id]; ok {
			l.duplicateKey(u, e.Key.Range(), first.span, "map key")
			out.Map[first.index].Value = value
			continue
		}
		seen[id] = place{len(out.Map), e.Key.Range()}
		out.Map = append(out.Map, Pair{Key: key, Value: value})
	}
	return out, size
}

// structure folds {"field": value} to a struct, union or exception. Of two values for one field the last stays, in the
// first one's place.
func (l *linker) structure(u *unit, v *idl.MapValue, t *Type) (*Value, int) {
	type place struct {
		index int
		span  idl.Span
	}
	out, size := &Value{Type: t, Fields: make([]FieldValue, 0, len(v.Entries))}, 1
	seen := make(map[*Field]place, len(v.Entries))
	for _, e := range v.Entries {
		key, ok := e.Key.(*idl.StringValue)
		if !ok {
			if e.Key != nil {
				l.add(codeStructKey, u.file, e.Key.Range(), "expected the name of a field of %s in quotes, found %s", describe(t), found(e.Key))
			}
			continue
		}
		field := l.fields[t.Struct][key.Value]
		if field == nil {
			l.unknownField(u, key, t.Struct)
			continue
		}
		if first, ok := seen[field]; ok && t.Struct.Kind == idl.StructUnion {
			l.duplicateKey(u, key.Span, first.span, "union member")
		} else if ok {
			l.duplicateKey(u, key.Span, first.span, "struct field")
		}
		value, n := l.fold(u, e.Value, field.Type)
		size += n
		if first, ok := seen[field]; ok {
			if value != nil && first.index < len(out.Fields) {
				out.Fields[first.index].Value = value
			}
			continue
		}
		seen[field] = place{len(out.Fields), key.Span}
		if value != nil {
			out.Fields = append(out.Fields, FieldValue{Field: field, Value: value})
		}
	}
	if t.Struct.Kind == idl.StructUnion {
		l.unionMembers(u, v, t.Struct, len(seen))
	}
	return out, size
}

// unionMembers checks that a union constant sets one member.
func (l *linker) unionMembers(u *unit, v *idl.MapValue, d *Struct, set int) {
	switch {
	case len(v.Entries) == 0:
		l.add(codeEmptyUnion, u.file, v.Span, "the constant sets no member of union `%s`, which cannot be sent", d.Name)
	case set > 1:
		diag := l.add(codeUnionConstant, u.file, v.Span, "a constant of union `%s` sets one member, not %d", d.Name, set)
		label(diag, d.File, d.AST.Name.Span, "the union")
	}
}

func (l *linker) unknownField(u *unit, key *idl.StringValue, d *Struct) {
	if owner := l.unitOf[d.File]; owner.broken != nil && owner.broken[key.Value] {
		return
	}
	diag := l.add(codeUnknownField, u.file, key.Span, "%s `%s` has no field `%s`", d.Kind, d.Name, key.Value)
	label(diag, d.File, d.AST.Name.Span, "defined here")
	diag.Help = l.suggest(key.Value, func() []string {
		names := make([]string, 0, len(d.Fields))
		for _, f := range d.Fields {
			names = append(names, f.Name)
		}
		return names
	})
}

func (l *linker) duplicateKey(u *unit, span, first idl.Span, what string) {
	d := l.add(codeDuplicateKey, u.file, span, "the constant has the same %s twice", what)
	label(d, u.file, first, "first one here")
}

// appendKey appends bytes that are equal for equal values of one type and different for different ones. Its cost is
// the value's size, which the source or maxExpansion bounds.
func appendKey(b []byte, v *Value) []byte {
	text := func(s string) {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, ':')
		b = append(b, s...)
	}
	list := func(n int) {
		b = strconv.AppendInt(b, int64(n), 10)
		b = append(b, '[')
	}
	switch v.Type.Kind {
	case KindBool:
		b = strconv.AppendBool(b, v.Bool)
	case KindDouble:
		bits := math.Float64bits(v.Double)
		if v.Double == 0 {
			bits = 0 // -0 equals 0
		}
		b = strconv.AppendUint(b, bits, 16)
	case KindString, KindBinary:
		text(v.Str)
	case KindUUID:
		b = append(b, v.UUID[:]...)
	case KindList, KindSet:
		list(len(v.List))
		for _, e := range v.List {
			b = appendKey(b, e)
		}
	case KindMap:
		list(len(v.Map))
		for _, p := range v.Map {
			b = appendKey(appendKey(b, p.Key), p.Value)
		}
	case KindStruct:
		list(len(v.Fields))
		for _, f := range v.Fields {
			text(f.Field.Name)
			b = appendKey(b, f.Value)
		}
	default:
		b = strconv.AppendInt(b, v.Int, 10)
	}
	return append(b, ',')
}
