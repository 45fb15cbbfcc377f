package schema

import (
	"math"

	"github.com/kuafu-rpc/kuafu/idl"
)

// constState is what is known about a constant besides its value.
type constState struct {
	progress progress
	size     int // values in Const.Value, references written out
}

// constHop is a constant being folded, and the reference in it that is being followed.
type constHop struct {
	constant *Const
	next     idl.Span
}

// constant folds d if nobody has yet. It returns its value, nil if that is an error, and its size.
func (l *linker) constant(d *Const) (*Value, int) {
	state := l.consts[d]
	if state == nil {
		state = &constState{}
		l.consts[d] = state
	}
	switch state.progress {
	case done:
		return d.Value, state.size
	case active:
		l.constCycle(d)
		return nil, 0
	}
	if len(l.constStack) >= maxChain {
		l.add(codeConstTooLarge, d.File, d.AST.Name.Span, "more than %d constants refer forward to one another", maxChain)
		state.progress = done
		return nil, 0
	}
	state.progress = active
	l.constStack = append(l.constStack, constHop{constant: d})
	d.Value, state.size = l.fold(l.unitOf[d.File], d.AST.Value, d.Type)
	l.constStack = l.constStack[:len(l.constStack)-1]
	state.progress = done
	return d.Value, state.size
}

// constCycle reports that d, which is on the stack, has been met again.
func (l *linker) constCycle(d *Const) {
	start := len(l.constStack) - 1
	for l.constStack[start].constant != d {
		start--
	}
	hops := l.constStack[start:]
	if len(hops) == 1 {
		l.add(codeConstCycle, d.File, hops[0].next, "constant `%s` refers to itself", d.Name)
		return
	}
	names := make([]string, 0, len(hops)+1)
	for _, hop := range hops {
		names = append(names, hop.constant.Name)
	}
	names = append(names, d.Name)
	diag := l.add(codeConstCycle, d.File, hops[0].next, "constant cycle: %s", chain(names))
	for i, hop := range hops[1:] {
		label(diag, hop.constant.File, hop.next, "`%s` refers to `%s` here", hop.constant.Name, names[i+2])
	}
}

// fold turns a written value into a value of type t. It returns nil after reporting why that cannot be done, and also
// where t is nil, whose error has been reported. The second result is the value's size, references written out.
func (l *linker) fold(u *unit, v idl.Value, t *Type) (*Value, int) {
	if t == nil || v == nil {
		return nil, 0
	}
	switch v := v.(type) {
	case *idl.IdentValue:
		return l.reference(u, v, t)
	case *idl.IntValue:
		return l.integer(u, v, t), 1
	case *idl.DoubleValue:
		if t.Kind == KindDouble {
			return &Value{Type: t, Double: v.Value}, 1
		}
	case *idl.StringValue:
		switch t.Kind {
		case KindString, KindBinary:
			return &Value{Type: t, Str: v.Value}, 1
		case KindUUID:
			id, ok := parseUUID(v.Value)
			if !ok {
				l.badUUID(u, v.Span)
				return nil, 0
			}
			return &Value{Type: t, UUID: id}, 1
		}
	case *idl.ListValue:
		switch {
		case t.Kind == KindList || t.Kind == KindSet:
			return l.list(u, v, t)
		case t.Kind == KindMap && len(v.Elems) == 0:
			return &Value{Type: t}, 1
		}
	case *idl.MapValue:
		switch {
		case t.Kind == KindMap:
			return l.mapping(u, v, t)
		case t.Kind == KindStruct:
			return l.structure(u, v, t)
		case (t.Kind == KindList || t.Kind == KindSet) && len(v.Entries) == 0:
			return &Value{Type: t}, 1
		}
	}
	l.mismatch(u, v, t)
	return nil, 0
}

// mismatch reports a value that is not of the type it stands at.
func (l *linker) mismatch(u *unit, v idl.Value, t *Type) {
	d := l.add(codeValueType, u.file, v.Range(), "expected %s, found %s", describe(t), found(v))
	if t.Kind == KindEnum {
		d.Help = message("values of an enum are written `%s.NAME`", t.Enum.Name)
	}
}

// found describes a written value.
func found(v idl.Value) string {
	switch v := v.(type) {
	case *idl.IntValue:
		return "the integer " + v.Text
	case *idl.DoubleValue:
		return "the double " + v.Text
	case *idl.StringValue:
		return "a string"
	case *idl.ListValue:
		return "a list"
	case *idl.MapValue:
		return "a map"
	}
	return "a name"
}

// intRanges holds the least and the greatest value of each integer kind.
var intRanges = map[Kind][2]int64{
	KindI8:  {math.MinInt8, math.MaxInt8},
	KindI16: {math.MinInt16, math.MaxInt16},
	KindI32: {math.MinInt32, math.MaxInt32},
	KindI64: {math.MinInt64, math.MaxInt64},
}

// integer folds an integer. It is also a double, a bool and, if one of its values has the number, an enum.
func (l *linker) integer(u *unit, v *idl.IntValue, t *Type) *Value {
	switch t.Kind {
	case KindI8, KindI16, KindI32, KindI64, KindBool, KindDouble, KindEnum:
		if t.Kind == KindBool && v.Value != 0 && v.Value != 1 {
			d := l.add(codeBoolInteger, u.file, v.Span, "%s stands for true here", v.Text)
			d.Help = "write `true`"
		}
		return l.number(u, v.Span, v.Value, t)
	}
	l.mismatch(u, v, t)
	return nil
}

// number makes a value of the integer n, or reports that it does not fit. The kind of t takes integers.
func (l *linker) number(u *unit, span idl.Span, n int64, t *Type) *Value {
	switch t.Kind {
	case KindBool:
		return &Value{Type: t, Bool: n != 0}
	case KindDouble:
		return &Value{Type: t, Double: float64(n)}
	case KindEnum:
		member := l.enums[t.Enum].byValue[int32(n)]
		if int64(int32(n)) != n || member == nil {
			d := l.add(codeNotMember, u.file, span, "no value of %s is %d", describe(t), n)
			label(d, t.Enum.File, t.Enum.AST.Name.Span, "the enum")
			return nil
		}
		return &Value{Type: t, Int: n, Enum: member}
	}
	limits := intRanges[t.Kind]
	if n < limits[0] || n > limits[1] {
		l.add(codeValueRange, u.file, span, "%d does not fit %s, which holds %d to %d", n, describe(t), limits[0], limits[1])
		return nil
	}
	return &Value{Type: t, Int: n}
}

func (l *linker) badUUID(u *unit, span idl.Span) {
	d := l.add(codeUUID, u.file, span, "the string is not a UUID")
	d.Help = "a UUID is written `01234567-89ab-cdef-0123-456789abcdef`, with or without braces around it"
}

// parseUUID reads the form of 36 characters, or the same in braces.
func parseUUID(s string) (id [16]byte, ok bool) {
	if len(s) == 38 && s[0] == '{' && s[37] == '}' {
		s = s[1:37]
	}
	if len(s) != 36 {
		return id, false
	}
	digits := 0
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return id, false
			}
			continue
		}
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return id, false
		}
		id[digits/2] = id[digits/2]<<4 | c
		digits++
	}
	return id, true
}
