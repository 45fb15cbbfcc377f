package schema

import (
	"math"

	"github.com/kuafu-rpc/kuafu/idl"
)

// fieldList is the kind of list a field stands in; the rules differ.
type fieldList int

const (
	listStruct fieldList = iota // of a struct or exception
	listUnion
	listArgs
	listThrows
)

// structFields links the members of d, and what else it says.
func (l *linker) structFields(u *unit, d *Struct) {
	list := listStruct
	if d.Kind == idl.StructUnion {
		list = listUnion
	}
	d.Fields = l.fieldsOf(u, d.AST.Fields, list)
	index := make(map[string]*Field, len(d.Fields))
	for _, f := range d.Fields {
		if index[f.Name] == nil {
			index[f.Name] = f
		}
	}
	l.fields[d] = index
	if d.Kind == idl.StructException {
		l.exceptionAnnotations(u, d)
	}
}

// fieldsOf links a list of fields: numbers them, resolves their types and applies the rules of the list. A stream may
// be the type of the last argument and of nothing else.
func (l *linker) fieldsOf(u *unit, asts []*idl.Field, list fieldList) []*Field {
	var (
		fields       = make([]*Field, 0, len(asts))
		ids          = make(map[int64]*idl.Field)
		names        = make(map[string]*idl.Field)
		next         = int64(-1) // the next automatic id: they count down
		firstDefault *idl.Field
		free         = int64(1) // an id above all that are written
	)
	for _, ast := range asts {
		if ast.ID != nil && ast.ID.Value < math.MaxInt64 {
			free = max(free, ast.ID.Value+1)
		}
	}
	for i, ast := range asts {
		id := l.fieldID(u, ast, &next)
		if first := ids[id]; first != nil {
			l.duplicateID(u, free, ast, first, id)
		} else {
			ids[id] = ast
		}
		if first := names[ast.Name.Name]; first != nil {
			d := l.add(codeDuplicateFieldName, u.file, ast.Name.Span, "the name `%s` is used twice", ast.Name.Name)
			label(d, u.file, first.Name.Span, "first used here")
		} else {
			names[ast.Name.Name] = ast
		}
		f := &Field{
			AST:          ast,
			ID:           int16(id),
			Name:         ast.Name.Name,
			Doc:          ast.Doc,
			Requiredness: l.requiredness(u, ast, list),
			Annotations:  ast.Annotations,
		}
		if stream, ok := ast.Type.(*idl.StreamType); ok && list == listArgs && i == len(asts)-1 {
			f.Type = l.streamOf(u, stream)
		} else {
			f.Type = l.typeOf(u, ast.Type)
		}
		if list == listThrows && f.Type != nil && (f.Type.Kind != KindStruct || f.Type.Struct.Kind != idl.StructException) {
			d := l.add(codeThrowsType, u.file, ast.Type.Range(), "only exceptions can be thrown, and %s is none", describe(f.Type))
			if f.Type.Kind == KindStruct {
				label(d, f.Type.Struct.File, f.Type.Struct.AST.Name.Span, "defined as a %s here", f.Type.Struct.Kind)
			}
		}
		if ast.Default != nil {
			if list == listUnion && firstDefault != nil {
				d := l.add(codeUnionDefaults, u.file, ast.Default.Range(), "a union can have one default value, and this is another")
				label(d, u.file, firstDefault.Default.Range(), "the first one")
			}
			if firstDefault == nil {
				firstDefault = ast
			}
			l.defaults = append(l.defaults, pendingDefault{u, f})
		}
		if len(ast.XsdAttrs) > 0 {
			l.fieldsOf(u, ast.XsdAttrs, listStruct) // checked; nothing generates code from them
		}
		fields = append(fields, f)
	}
	return fields
}

// fieldID returns the id of a field. As in Apache's compiler, ids that are left out count down from -1, and so do
// written ones of zero and less unless Options.AllowNegativeIDs keeps them; the count then goes on below them.
func (l *linker) fieldID(u *unit, ast *idl.Field, next *int64) int64 {
	var id int64
	span := ast.Name.Span
	switch {
	case ast.ID == nil:
		id = *next
		*next--
		d := l.add(codeNoFieldID, u.file, span, "field `%s` has no id; it gets %d, and another when fields are added before it", ast.Name.Name, id)
		d.Help = "write an id: `1: ...`"
	case ast.ID.Value > 0:
		id, span = ast.ID.Value, ast.ID.Span
	case l.opts.AllowNegativeIDs:
		id, span = ast.ID.Value, ast.ID.Span
		*next = max(id, math.MinInt16-1) - 1
	default:
		id, span = *next, ast.ID.Span
		*next--
		d := l.add(codeFieldIDIgnored, u.file, span, "field id %s is not positive; `%s` gets %d instead", ast.ID.Text, ast.Name.Name, id)
		d.Help = "write a positive id, or compile with negative ids allowed to keep this one"
	}
	if id < math.MinInt16 || id > math.MaxInt16 {
		l.add(codeFieldIDRange, u.file, span, "field id %d does not fit 16 bits; the largest is %d", id, math.MaxInt16)
	}
	return id
}

// duplicateID reports that ast and first have one id, and offers a free one.
func (l *linker) duplicateID(u *unit, free int64, ast, first *idl.Field, id int64) {
	place := func(f *idl.Field) idl.Span {
		if f.ID != nil {
			return f.ID.Span
		}
		return f.Name.Span
	}
	d := l.add(codeDuplicateFieldID, u.file, place(ast), "field id %d is used twice", id)
	label(d, u.file, place(first), "first used here, by `%s`", first.Name.Name)
	if free <= math.MaxInt16 {
		d.Help = message("the next free id is %d", free)
	}
}

// requiredness returns what a field's word amounts to in its list, and warns where that is not what it says.
func (l *linker) requiredness(u *unit, ast *idl.Field, list fieldList) idl.Requiredness {
	written := ast.Requiredness
	switch {
	case list == listUnion && written == idl.RequirednessRequired:
		l.add(codeUnionRequired, u.file, ast.ReqSpan, "`required` is ignored here: a union holds one of its members")
	case list == listThrows && written == idl.RequirednessRequired:
		l.add(codeRequiredThrow, u.file, ast.ReqSpan, "`required` is ignored here: a reply holds at most one exception")
	case list == listArgs && written == idl.RequirednessOptional:
		l.add(codeOptionalArg, u.file, ast.ReqSpan, "`optional` is ignored here: an argument is always sent")
	}
	switch {
	case list == listUnion || list == listThrows:
		return idl.RequirednessOptional
	case list == listArgs && written == idl.RequirednessOptional:
		return idl.RequirednessDefault
	}
	return written
}

// streamOf resolves a stream that stands where one may.
func (l *linker) streamOf(u *unit, t *idl.StreamType) *Type {
	elem := l.typeOf(u, t.Elem)
	if elem == nil {
		return nil
	}
	return &Type{Kind: KindStream, Elem: elem, Annotations: t.Annotations}
}
