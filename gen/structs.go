package gen

import (
	"reflect"
	"slices"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// structure prints a struct, union or exception with all its methods.
func (e *emitter) structure(d *schema.Struct) {
	name := e.names[d]
	e.doc(structDoc(d), d.Annotations)
	e.P("type ", name, " struct {")
	for _, f := range d.Fields {
		e.doc(f.Doc, f.Annotations)
		e.P(e.names[f], " ", e.fieldType(d, f), e.tag(f))
	}
	e.P("}")
	e.P()
	if e.hasDefaults(d) {
		constructor := e.names[part{d, roleNew}]
		e.P("// ", constructor, " returns ", article(name), " with the defaults of its fields.")
		e.P("func ", constructor, "() *", name, " {")
		var parts []string
		for _, m := range e.initial(d, nil) {
			parts = append(parts, e.names[m.field]+": "+m.text)
		}
		e.P("return ", composite("&"+name, parts))
		e.P("}")
		e.P()
	}
	for _, f := range d.Fields {
		if hasGetter(f) {
			e.getter(d, f)
		}
	}
	e.encodeStruct(d)
	e.decodeStruct(d)
	e.stringMethod(d)
}

// structDoc adds what a union's author need not write.
func structDoc(d *schema.Struct) string {
	if d.Kind == idl.StructUnion && d.Doc == "" {
		return "Exactly one member is set."
	}
	return d.Doc
}

func article(name string) string {
	if strings.ContainsRune("AEIOU", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

func (e *emitter) getter(d *schema.Struct, f *schema.Field) {
	getter, field := e.names[part{f, roleGetter}], e.names[f]
	result, star := e.goType(f.Type), ""
	switch {
	case f.Type.Kind == schema.KindStruct:
		result = "*" + result
	case isPointer(d, f):
		star = "*"
	}
	e.P("// ", getter, " returns ", field, ", its default if it is absent.")
	e.P("func (m *", e.names[d], ") ", getter, "() ", result, " {")
	e.P("if m.", field, " != nil {")
	e.P("return ", star, "m.", field)
	e.P("}")
	if f.Type.Kind == schema.KindStruct {
		e.P("return ", e.pointerTo(f.Type, e.literal(f.Type, f.Default)))
	} else {
		e.P("return ", e.literal(f.Type, f.Default))
	}
	e.P("}")
	e.P()
}

// tag returns the struct tag that go.tag annotations ask for.
func (e *emitter) tag(f *schema.Field) string {
	text := goTag(f)
	switch {
	case text == "":
		return ""
	case strings.Contains(text, "`"):
		return " " + quote(text)
	}
	return " `" + text + "`"
}

func goTag(f *schema.Field) string {
	var tags []string
	for _, a := range f.Annotations {
		if a.Name.Name == "go.tag" && a.HasValue {
			tags = append(tags, strings.TrimSpace(a.Value.Value))
		}
	}
	return strings.Join(tags, " ")
}

// wellFormedTag reports whether a struct tag is a list of key:"value" pairs, one space between them.
func wellFormedTag(tag string) bool {
	for tag != "" {
		key, _, ok := strings.Cut(tag, ":")
		if !ok || key == "" || strings.ContainsAny(key, " \"`") {
			return false
		}
		value, ok := reflect.StructTag(tag).Lookup(key)
		if !ok {
			return false
		}
		rest, ok := strings.CutPrefix(tag, key+":"+quote(value))
		if !ok || rest != "" && rest[0] != ' ' {
			return false
		}
		tag = strings.TrimPrefix(rest, " ")
	}
	return true
}

// byID returns fields in the order in which they are written.
func byID(fields []*schema.Field) []*schema.Field {
	sorted := slices.Clone(fields)
	slices.SortFunc(sorted, func(a, b *schema.Field) int { return int(a.ID) - int(b.ID) })
	return sorted
}

func annotated(name string, lists ...[]idl.Annotation) bool {
	for _, list := range lists {
		if slices.ContainsFunc(list, func(a idl.Annotation) bool { return a.Name.Name == name }) {
			return true
		}
	}
	return false
}

// isRedacted reports whether a field's content must not show in String: it, its type or a typedef on the way is
// annotated so.
func isRedacted(f *schema.Field) bool {
	if annotated("redacted", f.Annotations, f.Type.Annotations) {
		return true
	}
	for t := f.Type; t.Typedef != nil; t = t.Typedef.Type {
		if annotated("redacted", t.Typedef.Annotations, t.Typedef.Type.Annotations) {
			return true
		}
	}
	return false
}

// stringMethod prints String. It has a value receiver, so that fmt finds it for elements of containers too. What can
// lead back to the same struct is abbreviated: that bounds the depth, whatever the value.
func (e *emitter) stringMethod(d *schema.Struct) {
	name := e.names[d]
	e.P("// String returns the fields that are set, in the order of the IDL, for people to read.")
	e.P("func (m ", name, ") String() string {")
	if len(d.Fields) == 0 {
		e.P("return ", quote(d.Name+"{}"))
		e.P("}")
		e.P()
		e.errorMethod(d)
		return
	}
	e.P("b := []byte(", quote(d.Name+"{"), ")")
	for _, f := range d.Fields {
		e.stringField(d, f)
	}
	e.P("return ", e.use("strings"), `.TrimSuffix(string(b), ", ") + "}"`)
	e.P("}")
	e.P()
	e.errorMethod(d)
}

func (e *emitter) errorMethod(d *schema.Struct) {
	if d.Kind != idl.StructException {
		return
	}
	e.P("// Error implements error: it returns what String returns.")
	e.P("func (m *", e.names[d], ") Error() string { return m.String() }")
	e.P()
	e.failureMethod(d)
}

// failureMethod prints what the IDL says of an exception's cause.
func (e *emitter) failureMethod(d *schema.Struct) {
	var doc, value string
	switch d.Failure {
	case schema.FailureTransient:
		doc, value = "its cause may be gone when the call is made again", "true"
	case schema.FailurePermanent:
		doc, value = "to make the call again is of no use", "false"
	default:
		return
	}
	e.P("// TransientFailure implements rpc.Transient: ", doc, ".")
	e.P("func (m *", e.names[d], ") TransientFailure() bool { return ", value, " }")
	e.P()
}

func (e *emitter) stringField(d *schema.Struct, f *schema.Field) {
	field := "m." + e.names[f]
	nilable := isPointer(d, f) || isOptional(d, f)
	if nilable {
		e.P("if ", field, " != nil {")
		defer e.P("}")
	}
	value := field
	if isPointer(d, f) {
		value = "*" + field
	}
	label := strings.ReplaceAll(f.Name, "%", "%%") + ": "
	switch {
	case isRedacted(f):
		e.P("b = append(b, ", quote(label+"<redacted>, "), "...)")
	case e.leadsBack(d, f.Type) && f.Type.Kind == schema.KindStruct:
		e.P("b = append(b, ", quote(label+f.Type.Struct.Name+"{...}, "), "...)")
	case e.leadsBack(d, f.Type):
		e.P("b = ", e.use("fmt"), ".Appendf(b, ", quote(label+"[%d elements], "), ", len(", field, "))")
	case f.Type.Kind == schema.KindBinary:
		e.P("b = ", e.use("fmt"), ".Appendf(b, ", quote(label+"%.32x (%d bytes), "), ", ", field, ", len(", field, "))")
	default:
		e.P("b = ", e.use("fmt"), ".Appendf(b, ", quote(label+verb(f.Type)+", "), ", ", value, ")")
	}
}

// leadsBack reports whether a value of t can contain a d.
func (e *emitter) leadsBack(d *schema.Struct, t *schema.Type) bool {
	found := false
	structsOf(t, func(s *schema.Struct) { found = found || s == d || e.reachable(s)[d] })
	return found
}

// verb returns the fmt verb that shows a value of t: quoted where all of it is text, hexadecimal where all of it is
// bytes.
func verb(t *schema.Type) string {
	verbs := make(map[string]bool)
	var visit func(t *schema.Type)
	visit = func(t *schema.Type) {
		switch t.Kind {
		case schema.KindString:
			verbs["%q"] = true
		case schema.KindBinary, schema.KindUUID:
			verbs["%x"] = true
		case schema.KindList, schema.KindSet:
			visit(t.Elem)
		case schema.KindMap:
			visit(t.Key)
			visit(t.Elem)
		default:
			verbs["%v"] = true
		}
	}
	visit(t)
	if len(verbs) == 1 {
		for v := range verbs {
			return v
		}
	}
	return "%v"
}
