package schema

import (
	"fmt"

	"github.com/kuafu-rpc/kuafu/idl"
)

var baseKinds = map[string]Kind{
	"bool": KindBool, "i8": KindI8, "i16": KindI16, "i32": KindI32, "i64": KindI64, "double": KindDouble,
	"string": KindString, "binary": KindBinary, "uuid": KindUUID,
}

// typeOf resolves a type that may not be a stream. It returns nil where the type is wrong, which has been reported
// then; nothing that depends on it is reported again.
func (l *linker) typeOf(u *unit, t idl.Type) *Type {
	resolved := l.resolve(u, t)
	if resolved != nil && !withinLimits(resolved) {
		l.add(codeTypeTooLarge, u.file, t.Range(), "the type is too large: it has more than %d parts, or nests more than %d deep",
			maxTypeNodes, maxTypeDepth)
		return nil
	}
	return resolved
}

func (l *linker) resolve(u *unit, t idl.Type) *Type {
	switch t := t.(type) {
	case *idl.BaseType:
		kind, ok := baseKinds[t.Name]
		if !ok {
			l.unknown(codeUnknownType, u, t.Name, t.Span, "type", u.typeCandidates)
			return nil
		}
		return &Type{Kind: kind, Annotations: t.Annotations}
	case *idl.NamedType:
		return l.named(u, t)
	case *idl.ListType:
		return container(KindList, nil, l.resolve(u, t.Elem), t.Annotations)
	case *idl.SetType:
		return container(KindSet, nil, l.resolve(u, t.Elem), t.Annotations)
	case *idl.MapType:
		key, elem := l.resolve(u, t.Key), l.resolve(u, t.Value)
		if key == nil {
			return nil
		}
		return container(KindMap, key, elem, t.Annotations)
	case *idl.StreamType:
		d := l.add(codeStreamPlace, u.file, t.Span, "a stream cannot stand here")
		d.Help = "`stream<T>` is a function's result, or its last argument"
		l.resolve(u, t.Elem)
	}
	return nil
}

func container(kind Kind, key, elem *Type, annotations []idl.Annotation) *Type {
	if elem == nil {
		return nil
	}
	return &Type{Kind: kind, Key: key, Elem: elem, Annotations: annotations}
}

// named resolves a reference to a definition.
func (l *linker) named(u *unit, t *idl.NamedType) *Type {
	switch d := find(u, t.Name, typeScope).(type) {
	case *Enum:
		return &Type{Kind: KindEnum, Enum: d}
	case *Struct:
		return &Type{Kind: KindStruct, Struct: d}
	case *Typedef:
		target := l.typedef(d)
		if target == nil {
			return nil
		}
		resolved := *target
		resolved.Typedef = d
		return &resolved
	}
	l.unknown(codeUnknownType, u, t.Name, t.Span, "type", u.typeCandidates)
	return nil
}

// typedef returns what d stands for, resolving it if nobody has yet; nil if that is an error.
func (l *linker) typedef(d *Typedef) *Type {
	switch l.typedefs[d] {
	case done:
		return d.Type
	case active:
		l.typedefCycle(d)
		return nil
	}
	if len(l.typedefStack) >= maxChain {
		l.add(codeTypeTooLarge, d.File, d.AST.Name.Span, "more than %d typedefs refer forward to one another", maxChain)
		l.typedefs[d] = done
		return nil
	}
	l.typedefs[d] = active
	l.typedefStack = append(l.typedefStack, d)
	d.Type = l.typeOf(l.unitOf[d.File], d.AST.Type)
	l.typedefStack = l.typedefStack[:len(l.typedefStack)-1]
	l.typedefs[d] = done
	return d.Type
}

// typedefCycle reports that d, which is on the stack, has been met again.
func (l *linker) typedefCycle(d *Typedef) {
	start := len(l.typedefStack) - 1
	for l.typedefStack[start] != d {
		start--
	}
	hops := l.typedefStack[start:]
	if len(hops) == 1 {
		l.add(codeTypedefCycle, d.File, d.AST.Type.Range(), "typedef `%s` stands for itself", d.Name)
		return
	}
	names := make([]string, 0, len(hops)+1)
	for _, hop := range hops {
		names = append(names, hop.Name)
	}
	names = append(names, d.Name)
	diag := l.add(codeTypedefCycle, d.File, d.AST.Type.Range(), "typedef cycle: %s", chain(names))
	for i, hop := range hops[1:] {
		label(diag, hop.File, hop.AST.Type.Range(), "`%s` refers to `%s` here", hop.Name, names[i+2])
	}
}

// withinLimits reports whether a walk of t, typedefs replaced, stays within maxTypeNodes and maxTypeDepth.
func withinLimits(t *Type) bool {
	nodes := 0
	var walk func(t *Type, depth int) bool
	walk = func(t *Type, depth int) bool {
		if t == nil {
			return true
		}
		nodes++
		return nodes <= maxTypeNodes && depth <= maxTypeDepth && walk(t.Key, depth+1) && walk(t.Elem, depth+1)
	}
	return walk(t, 1)
}

// same reports whether two types are one: written through the same typedef, or alike in every part. It does not look
// behind typedefs, so it costs no more than the types' own text.
func same(a, b *Type) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Typedef != nil || b.Typedef != nil {
		return a.Typedef == b.Typedef
	}
	return a.Kind == b.Kind && a.Enum == b.Enum && a.Struct == b.Struct && same(a.Key, b.Key) && same(a.Elem, b.Elem)
}

// alike reports whether two types are one once their typedefs are replaced.
func alike(a, b *Type) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Enum == b.Enum && a.Struct == b.Struct && alike(a.Key, b.Key) && alike(a.Elem, b.Elem)
}

var kindNames = [...]string{
	KindBool: "bool", KindI8: "i8", KindI16: "i16", KindI32: "i32", KindI64: "i64", KindDouble: "double",
	KindString: "string", KindBinary: "binary", KindUUID: "uuid", KindEnum: "enum", KindStruct: "struct",
	KindList: "list", KindSet: "set", KindMap: "map", KindStream: "stream",
}

// String returns the IDL's word for the kind.
func (k Kind) String() string { return kindNames[k] }

// String returns the type as it would be written in its own file: typedefs by their names, other files' names without
// a prefix.
func (t *Type) String() string {
	if t.Typedef != nil {
		return t.Typedef.Name
	}
	switch t.Kind {
	case KindEnum:
		return t.Enum.Name
	case KindStruct:
		return t.Struct.Name
	case KindList, KindSet, KindStream:
		return fmt.Sprintf("%s<%s>", t.Kind, t.Elem)
	case KindMap:
		return fmt.Sprintf("map<%s, %s>", t.Key, t.Elem)
	}
	return t.Kind.String()
}

// describe returns a type for a message: `UserID` (i64) where a typedef hides what matters.
func describe(t *Type) string {
	if t.Typedef == nil {
		return fmt.Sprintf("`%s`", t)
	}
	behind := *t
	behind.Typedef = nil
	return fmt.Sprintf("`%s` (%s)", t, &behind)
}
