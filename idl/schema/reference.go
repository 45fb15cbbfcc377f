package schema

import (
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
)

// reference folds a name that stands for a value: a constant, or a value of an enum.
func (l *linker) reference(u *unit, v *idl.IdentValue, t *Type) (*Value, int) {
	if c := find(u, v.Name, constScope); c != nil {
		return l.useConstant(u, v, c, t)
	}
	if member := l.enumMember(u, v.Name); member != nil {
		return l.useMember(u, v, member, t)
	}
	last := v.Name[strings.LastIndexByte(v.Name, '.')+1:]
	if t.Kind == KindEnum {
		if member := l.enums[t.Enum].byName[last]; member != nil {
			if last == v.Name {
				d := l.add(codeUnqualified, u.file, v.Span, "enum value `%s` is written without its enum", v.Name)
				d.Help = message("did you mean `%s`?", u.memberName(member))
				return nil, 0
			}
			return l.wrongQualifier(u, v, member, t)
		}
	}
	if u.excused(v.Name) || t.Kind == KindEnum && l.unitOf[t.Enum.File].broken[last] {
		return nil, 0
	}
	if dot := strings.LastIndexByte(v.Name, '.'); dot > 0 {
		if d, ok := find(u, v.Name[:dot], typeScope).(*Enum); ok {
			l.noMember(u, v, d, last)
			return nil, 0
		}
	}
	if other, what := u.anyKind(v.Name); other != nil {
		d := l.add(codeWrongKind, u.file, v.Span, "`%s` is a %s, not a value", v.Name, what)
		label(d, other.DefFile(), identOf(other).Span, "defined here")
		return nil, 0
	}
	d := l.add(codeUnknownConst, u.file, v.Span, "unknown constant `%s`", v.Name)
	d.Help = l.hint(u, v.Name, u.constCandidates)
	return nil, 0
}

// noMember reports a name behind an enum that is none of its values.
func (l *linker) noMember(u *unit, v *idl.IdentValue, enum *Enum, name string) {
	d := l.add(codeUnknownConst, u.file, v.Span, "enum `%s` has no value `%s`", enum.Name, name)
	label(d, enum.File, enum.AST.Name.Span, "defined here")
	d.Help = l.suggest(v.Name, func() []string {
		names := make([]string, 0, len(enum.Values))
		for _, m := range enum.Values {
			names = append(names, u.memberName(m))
		}
		return names
	})
}

// enumMember returns the enum value that a qualified name stands for: E.A, file.E.A, or either with a typedef of the
// enum for E. It is nil if there is none.
func (l *linker) enumMember(u *unit, name string) *EnumValue {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return nil
	}
	switch d := find(u, name[:dot], typeScope).(type) {
	case *Enum:
		return l.enums[d].byName[name[dot+1:]]
	case *Typedef:
		if d.Type != nil && d.Type.Kind == KindEnum {
			return l.enums[d.Type.Enum].byName[name[dot+1:]]
		}
	}
	return nil
}

// memberName returns the name by which u refers to an enum value.
func (u *unit) memberName(m *EnumValue) string {
	if m.Enum.File == u.file {
		return m.Enum.Name + "." + m.Name
	}
	return m.Enum.File.Base + "." + m.Enum.Name + "." + m.Name
}

// useMember makes a value of type t of an enum value that was named.
func (l *linker) useMember(u *unit, v *idl.IdentValue, member *EnumValue, t *Type) (*Value, int) {
	switch {
	case t.Kind == KindEnum && t.Enum == member.Enum:
		return &Value{Type: t, Int: int64(member.Value), Enum: member}, 1
	case t.Kind == KindEnum:
		if other := l.enums[t.Enum].byName[member.Name]; other != nil {
			return l.wrongQualifier(u, v, other, t)
		}
	case takesIntegers(t.Kind):
		return l.number(u, v.Span, int64(member.Value), t), 1
	}
	d := l.add(codeValueType, u.file, v.Span, "expected %s, found a value of enum `%s`", describe(t), member.Enum.Name)
	if t.Kind == KindEnum {
		label(d, t.Enum.File, t.Enum.AST.Name.Span, "the enum that is expected")
	}
	return nil, 0
}

// wrongQualifier accepts an enum value whose last word alone is right, because Apache's compiler looks at no more.
func (l *linker) wrongQualifier(u *unit, v *idl.IdentValue, member *EnumValue, t *Type) (*Value, int) {
	d := l.add(codeEnumQualifier, u.file, v.Span, "`%s` is taken for `%s`", v.Name, u.memberName(member))
	d.Help = message("write `%s`", u.memberName(member))
	return &Value{Type: t, Int: int64(member.Value), Enum: member}, 1
}

func takesIntegers(k Kind) bool {
	switch k {
	case KindBool, KindI8, KindI16, KindI32, KindI64, KindDouble, KindEnum:
		return true
	}
	return false
}

// useConstant makes a value of type t of a constant that was named.
func (l *linker) useConstant(u *unit, v *idl.IdentValue, c *Const, t *Type) (*Value, int) {
	if n := len(l.constStack); n > 0 {
		l.constStack[n-1].next = v.Span
	}
	value, size := l.constant(c)
	if value == nil {
		return nil, 0 // reported where c is defined
	}
	if l.expanded += size; l.expanded > maxExpansion {
		if l.expanded-size <= maxExpansion {
			l.add(codeConstTooLarge, u.file, v.Span, "references to constants expand to more than %d values", maxExpansion)
		}
		return nil, 0
	}
	converted := l.convert(u, v.Span, value, t)
	if converted == nil {
		return nil, 0
	}
	named := *converted // a copy: the parts are shared, the reference is this value's own
	named.Ref = c
	return &named, size
}

// convert makes a value of one type a value of another: integers of any width, doubles, bools and enums of integers,
// strings, binaries and UUIDs of strings. Containers must have the same type, but for typedefs; a list<i32> is no
// list<i64>, because its equal and different elements need not be equal and different there. Values of the same type
// are shared. It returns nil after reporting, at the reference's span, why there is no such value.
func (l *linker) convert(u *unit, span idl.Span, v *Value, t *Type) *Value {
	from := v.Type.Kind
	switch {
	case same(v.Type, t):
		return v
	case alike(v.Type, t):
		return retype(v, t)
	case (isInteger(from) || from == KindEnum && t.Kind != KindEnum) && takesIntegers(t.Kind):
		return l.number(u, span, v.Int, t)
	case from == KindString && t.Kind == KindUUID:
		id, ok := parseUUID(v.Str)
		if !ok {
			l.badUUID(u, span)
			return nil
		}
		return &Value{Type: t, UUID: id}
	case (from == KindString || from == KindBinary) && (t.Kind == KindString || t.Kind == KindBinary):
		return &Value{Type: t, Str: v.Str}
	}
	l.add(codeValueType, u.file, span, "expected %s, found a constant of type %s", describe(t), describe(v.Type))
	return nil
}

func isInteger(k Kind) bool { return k >= KindI8 && k <= KindI64 }

// retype copies a value for a type that differs from its own in typedefs only.
func retype(v *Value, t *Type) *Value {
	out := *v
	out.Type = t
	if v.List != nil {
		out.List = make([]*Value, len(v.List))
	}
	for i, e := range v.List {
		out.List[i] = retype(e, t.Elem)
	}
	if v.Map != nil {
		out.Map = make([]Pair, len(v.Map))
	}
	for i, p := range v.Map {
		out.Map[i] = Pair{Key: retype(p.Key, t.Key), Value: retype(p.Value, t.Elem)}
	}
	return &out
}
