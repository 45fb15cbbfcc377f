package idl

import (
	"fmt"

	"github.com/alecthomas/participle/v2/lexer"
)

// This file turns participle's tree into the syntax tree, and reports what the grammar lets through so that it can be
// reported well.

// build adds an item to the file.
func (p *parser) build(raw *item) {
	switch {
	case raw.Include != nil:
		span, path := spanOfAll(raw.Include.Tokens), literal(raw.Include.Path)
		if raw.Include.Word.Value == "include" {
			p.addHeader(&Include{Span: span, Path: path})
		} else {
			p.addHeader(&CppInclude{Span: span, Path: path})
		}
	case raw.Namespace != nil:
		n := raw.Namespace
		if n.Name.Type == tokenLiteral {
			p.report(&Diagnostic{
				Code: codeQuotedName, Span: spanOf(n.Name), Message: "a namespace is a name, not a string",
				Help: "write it without quotes",
			})
		}
		p.addHeader(&Namespace{Span: spanOfAll(n.Tokens), Scope: ident(n.Scope), Name: ident(n.Name), Annotations: p.annotations(n.Annots)})
	case raw.Legacy != nil:
		l := raw.Legacy
		h := &Namespace{Span: spanOfAll(l.Tokens), Scope: Ident{spanOf(l.Word), legacyScopes[l.Word.Value]}, Name: ident(l.Name)}
		p.report(&Diagnostic{
			Severity: Warning, Code: codeLegacyNamespace, Span: spanOf(l.Word), Message: fmt.Sprintf("`%s` is obsolete", l.Word.Value),
			Help: fmt.Sprintf("write `namespace %s %s`", h.Scope.Name, printable(h.Name.Name)),
		})
		p.addHeader(h)
	case raw.Const != nil:
		c := raw.Const
		p.addDefinition(&Const{
			Span: withoutSep(c.Tokens, c.Sep), Doc: p.doc(c.Tokens[0]), Type: p.fieldType(c.Type), Name: p.declared(c.Name), Value: p.value(c.Value),
		})
	case raw.Typedef != nil:
		t := raw.Typedef
		p.addDefinition(&Typedef{
			Span: withoutSep(t.Tokens, t.Sep), Doc: p.doc(t.Tokens[0]), Type: p.fieldType(t.Type), Name: p.declared(t.Name), Annotations: p.annotations(t.Annots),
		})
	case raw.Enum != nil:
		p.addDefinition(p.enum(raw.Enum))
	case raw.Senum != nil:
		p.addDefinition(p.senum(raw.Senum))
	case raw.Struct != nil:
		p.addDefinition(p.structure(raw.Struct))
	case raw.Service != nil:
		p.addDefinition(p.service(raw.Service))
	}
}

func (p *parser) addHeader(h Header) {
	if defs := p.file.Definitions; len(defs) > 0 {
		p.report(&Diagnostic{
			Code: codeLateHeader, Span: h.Range(), Message: "headers must come before all definitions",
			Labels: []Label{{Span: defs[0].Ident().Span, Message: "first definition"}}, Help: "move this line above it",
		})
	}
	p.file.Headers = append(p.file.Headers, h)
}

// addDefinition adds a definition, unless its name could not be read, which has been reported.
func (p *parser) addDefinition(d Definition) {
	if d.Ident().Name != "" {
		p.file.Definitions = append(p.file.Definitions, d)
	}
}

func (p *parser) enum(raw *enumeration) *Enum {
	e := &Enum{Span: spanOfAll(raw.Tokens), Doc: p.doc(raw.Tokens[0]), Name: p.declared(raw.Head.Name), Annotations: p.annotations(raw.Tail.Annots)}
	for _, v := range raw.Values {
		ev := &EnumValue{Span: withoutSep(v.Tokens, v.Sep), Doc: p.doc(v.Tokens[0]), Name: p.declared(v.Name), Annotations: p.annotations(v.Annots)}
		if v.Value != nil {
			ev.Value = intValue(*v.Value)
		}
		e.Values = append(e.Values, ev)
	}
	return e
}

// senum makes a senum the typedef that it always was on the wire. Its strings were never checked by anything.
func (p *parser) senum(raw *senum) *Typedef {
	word := raw.Tokens[0]
	name := p.declared(raw.Head.Name)
	p.report(&Diagnostic{
		Severity: Warning, Code: codeSenum, Span: spanOf(word), Message: "`senum` is obsolete and read as a typedef of `string`",
		Help: fmt.Sprintf("write `typedef string %s`", name.Name),
	})
	return &Typedef{
		Span: spanOfAll(raw.Tokens), Doc: p.doc(word), Name: name, Annotations: p.annotations(raw.Tail.Annots),
		Type: &BaseType{Span: spanOf(word), Name: "string"},
	}
}

func (p *parser) structure(raw *structure) *Struct {
	kinds := map[string]StructKind{"struct": StructStruct, "union": StructUnion, "exception": StructException}
	return &Struct{
		Span:        spanOfAll(raw.Tokens),
		Doc:         p.doc(raw.Tokens[0]),
		Kind:        kinds[raw.Head.Kind.Value],
		Name:        p.declared(raw.Head.Name),
		XsdAll:      raw.Head.XsdAll,
		Fields:      p.fields(raw.Fields),
		Annotations: p.annotations(raw.Tail.Annots),
	}
}

func (p *parser) fields(raw []*field) []*Field {
	var fields []*Field
	for _, f := range raw {
		fields = append(fields, p.field(f))
	}
	return fields
}

func (p *parser) field(raw *field) *Field {
	f := &Field{
		Span:        withoutSep(raw.Tokens, raw.Sep),
		Doc:         p.doc(raw.Tokens[0]),
		Type:        p.fieldType(raw.Type),
		Reference:   raw.Reference,
		Name:        p.declared(raw.Name),
		XsdOptional: raw.XsdOptional,
		XsdNillable: raw.XsdNillable,
		XsdAttrs:    p.fields(raw.XsdAttrs),
		Annotations: p.annotations(raw.Annots),
	}
	if raw.ID != nil {
		f.ID = intValue(*raw.ID)
	}
	if raw.Req != nil {
		f.ReqSpan = spanOf(*raw.Req)
		f.Requiredness = RequirednessOptional
		if raw.Req.Value == "required" {
			f.Requiredness = RequirednessRequired
		}
	}
	if raw.Default != nil {
		f.Default = p.value(raw.Default)
	}
	return f
}

func (p *parser) service(raw *service) *Service {
	s := &Service{Span: spanOfAll(raw.Tokens), Doc: p.doc(raw.Tokens[0]), Name: p.declared(raw.Head.Name), Annotations: p.annotations(raw.Tail.Annots)}
	if raw.Head.Extends != nil {
		base := ident(*raw.Head.Extends)
		s.Extends = &base
	}
	for _, f := range raw.Functions {
		s.Functions = append(s.Functions, p.function(f))
	}
	return s
}

func (p *parser) function(raw *function) *Function {
	f := &Function{
		Span:        withoutSep(raw.Tokens, raw.Tail.Sep),
		Doc:         p.doc(raw.Tokens[0]),
		Name:        p.declared(raw.Head.Name),
		Args:        p.fields(raw.Args),
		Throws:      p.fields(raw.Tail.Throws),
		Annotations: p.annotations(raw.Tail.Annots),
	}
	if word := raw.Head.Oneway; word != nil {
		f.Oneway, f.OnewaySpan = true, spanOf(*word)
		if word.Value == "async" {
			p.report(&Diagnostic{
				Severity: Warning, Code: codeAsync, Span: f.OnewaySpan, Message: "`async` is obsolete", Help: "write `oneway`",
			})
		}
	}
	if raw.Head.Void != nil {
		f.ResultSpan = spanOf(*raw.Head.Void)
	} else {
		f.Result = p.fieldType(raw.Head.Result)
		f.ResultSpan = f.Result.Range()
	}
	return f
}

func (p *parser) fieldType(raw *fieldType) Type {
	span := spanOfAll(raw.Tokens)
	switch {
	case raw.Base != nil:
		name := raw.Base.Name.Value
		if name == "byte" {
			name = "i8"
		}
		return &BaseType{Span: span, Name: name, Annotations: p.annotations(raw.Base.Annots)}
	case raw.Map != nil:
		m := raw.Map
		return &MapType{Span: span, Key: p.fieldType(m.Key), Value: p.fieldType(m.Value), CppType: cppName(m.Cpp), Annotations: p.annotations(m.Annots)}
	case raw.Set != nil:
		s := raw.Set
		return &SetType{Span: span, Elem: p.fieldType(s.Elem), CppType: cppName(s.Cpp), Annotations: p.annotations(s.Annots)}
	case raw.List != nil:
		l := raw.List
		t := &ListType{Span: span, Elem: p.fieldType(l.Elem), CppType: cppName(l.Cpp), Annotations: p.annotations(l.Annots)}
		if l.Late != nil {
			t.CppType = cppName(l.Late)
			p.report(&Diagnostic{
				Severity: Warning, Code: codeLateCppType, Span: spanOf(l.Late.Name), Message: "`cpp_type` after a list's element type is obsolete",
				Help: "write it right after `list`",
			})
		}
		return t
	}
	return p.namedType(raw.Named, span)
}

func (p *parser) namedType(raw *namedType, span Span) Type {
	name := raw.Name
	switch {
	case raw.Args != nil && name.Value == "stream" && len(raw.Args.List) == 1:
		return &StreamType{Span: span, Elem: p.fieldType(raw.Args.List[0]), Annotations: p.annotations(raw.Args.Annots)}
	case raw.Args != nil:
		d := &Diagnostic{Code: codeUnknownContainer, Span: spanOf(name), Message: fmt.Sprintf("`%s` takes no type arguments", printable(name.Value))}
		if name.Value == "stream" {
			d.Message = "`stream` takes one type argument"
		} else if near := Suggest(name.Value, containerWords); near != "" {
			d.Help = fmt.Sprintf("did you mean `%s`?", near)
		}
		p.report(d)
		for _, arg := range raw.Args.List {
			p.fieldType(arg) // for its own errors
		}
	case name.Value == "slist":
		p.report(&Diagnostic{Severity: Warning, Code: codeSlist, Span: span, Message: "`slist` is obsolete and read as `string`", Help: "write `string`"})
		return &BaseType{Span: span, Name: "string"}
	}
	return &NamedType{Span: span, Name: name.Value}
}

func (p *parser) value(raw *value) Value {
	span := spanOfAll(raw.Tokens)
	switch {
	case raw.Int != nil:
		return intValue(*raw.Int)
	case raw.Double != nil:
		return &DoubleValue{Span: span, Value: parseDouble(raw.Double.Value), Text: raw.Double.Value}
	case raw.String != nil:
		return &StringValue{Span: span, Value: unquote(raw.String.Value)}
	case raw.Ident != nil:
		return &IdentValue{Span: span, Name: raw.Ident.Value}
	case raw.List != nil:
		v := &ListValue{Span: span}
		for _, e := range raw.List.Elems {
			v.Elems = append(v.Elems, p.value(e))
		}
		return v
	}
	v := &MapValue{Span: span}
	for _, e := range raw.Map.Entries {
		v.Entries = append(v.Entries, MapEntry{p.value(e.Key), p.value(e.Value)})
	}
	return v
}

func (p *parser) annotations(raw *annotations) []Annotation {
	if raw == nil {
		return nil
	}
	var list []Annotation
	for _, a := range raw.List {
		an := Annotation{Span: withoutSep(a.Tokens, a.Sep), Name: ident(a.Name), Value: Literal{Value: "1"}}
		if a.Value != nil {
			an.HasValue = true
			an.Value = literal(*a.Value)
			if a.Value.Type != tokenLiteral {
				p.report(&Diagnostic{
					Code: codeAnnotationValue, Span: spanOf(*a.Value), Message: fmt.Sprintf("the value of an annotation is a string, not %s", describe(*a.Value)),
					Help: fmt.Sprintf("write \"%s\"", printable(a.Value.Value)),
				})
			}
		}
		list = append(list, an)
	}
	return list
}

// declared is the name of something that is being defined. A dot would make it unreachable: references use dots to
// cross files.
func (p *parser) declared(t lexer.Token) Ident {
	for i := range len(t.Value) {
		if t.Value[i] == '.' {
			p.report(&Diagnostic{Code: codeDottedName, Span: spanOf(t), Message: fmt.Sprintf("the name `%s` cannot hold a dot", printable(t.Value))})
			break
		}
	}
	return ident(t)
}

func ident(t lexer.Token) Ident {
	if t.Type == tokenLiteral {
		return Ident{spanOf(t), unquote(t.Value)}
	}
	return Ident{spanOf(t), t.Value}
}

func literal(t lexer.Token) Literal {
	if t.Type == tokenLiteral {
		return Literal{spanOf(t), unquote(t.Value)}
	}
	return Literal{spanOf(t), t.Value}
}

func cppName(raw *cppType) *Literal {
	if raw == nil {
		return nil
	}
	l := literal(raw.Name)
	return &l
}

func intValue(t lexer.Token) *IntValue {
	v, _ := parseInt(t.Value)
	return &IntValue{Span: spanOf(t), Value: v, Text: t.Value}
}

// withoutSep is the span of tokens that may end in a separator, which belongs to the list and not to its member.
func withoutSep(toks []lexer.Token, sep *lexer.Token) Span {
	if sep != nil {
		toks = toks[:len(toks)-1]
	}
	return spanOfAll(toks)
}
