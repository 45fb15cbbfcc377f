package idl

import (
	"fmt"
	"strconv"
	"strings"
)

// dump writes a tree as short text without positions, one line per header, definition and member.
func dump(f *File) string {
	var b strings.Builder
	if f.Doc != "" {
		fmt.Fprintf(&b, "doc %q\n", f.Doc)
	}
	for _, h := range f.Headers {
		switch h := h.(type) {
		case *Include:
			fmt.Fprintf(&b, "include %q\n", h.Path.Value)
		case *CppInclude:
			fmt.Fprintf(&b, "cpp_include %q\n", h.Path.Value)
		case *Namespace:
			fmt.Fprintf(&b, "namespace %s %s%s\n", h.Scope.Name, h.Name.Name, dumpAnnotations(h.Annotations))
		}
	}
	for _, d := range f.Definitions {
		if doc := d.DocText(); doc != "" {
			fmt.Fprintf(&b, "doc %q\n", doc)
		}
		switch d := d.(type) {
		case *Const:
			fmt.Fprintf(&b, "const %s %s = %s\n", dumpType(d.Type), d.Name.Name, dumpValue(d.Value))
		case *Typedef:
			fmt.Fprintf(&b, "typedef %s %s%s\n", dumpType(d.Type), d.Name.Name, dumpAnnotations(d.Annotations))
		case *Enum:
			fmt.Fprintf(&b, "enum %s%s\n", d.Name.Name, dumpAnnotations(d.Annotations))
			for _, v := range d.Values {
				value := ""
				if v.Value != nil {
					value = fmt.Sprintf(" = %d", v.Value.Value)
				}
				fmt.Fprintf(&b, "  %s%s%s%s\n", dumpDoc(v.Doc), v.Name.Name, value, dumpAnnotations(v.Annotations))
			}
		case *Struct:
			all := ""
			if d.XsdAll {
				all = " xsd_all"
			}
			fmt.Fprintf(&b, "%s %s%s%s\n", d.Kind, d.Name.Name, all, dumpAnnotations(d.Annotations))
			for _, f := range d.Fields {
				fmt.Fprintf(&b, "  %s\n", dumpField(f))
			}
		case *Service:
			base := ""
			if d.Extends != nil {
				base = " extends " + d.Extends.Name
			}
			fmt.Fprintf(&b, "service %s%s%s\n", d.Name.Name, base, dumpAnnotations(d.Annotations))
			for _, f := range d.Functions {
				result, oneway, throws := "void", "", ""
				if f.Result != nil {
					result = dumpType(f.Result)
				}
				if f.Oneway {
					oneway = "oneway "
				}
				if len(f.Throws) > 0 {
					throws = " throws (" + dumpFields(f.Throws) + ")"
				}
				fmt.Fprintf(&b, "  %s%s%s %s(%s)%s%s\n", dumpDoc(f.Doc), oneway, result, f.Name.Name, dumpFields(f.Args), throws,
					dumpAnnotations(f.Annotations))
			}
		}
	}
	return b.String()
}

func dumpDoc(doc string) string {
	if doc == "" {
		return ""
	}
	return strconv.Quote(doc) + " "
}

func dumpFields(fields []*Field) string {
	var all []string
	for _, f := range fields {
		all = append(all, dumpField(f))
	}
	return strings.Join(all, "; ")
}

func dumpField(f *Field) string {
	s := dumpDoc(f.Doc)
	if f.ID != nil {
		s += fmt.Sprintf("%d: ", f.ID.Value)
	}
	s += map[Requiredness]string{RequirednessRequired: "required ", RequirednessOptional: "optional "}[f.Requiredness]
	s += dumpType(f.Type)
	if f.Reference {
		s += " &"
	}
	s += " " + f.Name.Name
	if f.Default != nil {
		s += " = " + dumpValue(f.Default)
	}
	if f.XsdOptional {
		s += " xsd_optional"
	}
	if f.XsdNillable {
		s += " xsd_nillable"
	}
	if f.XsdAttrs != nil {
		s += " xsd_attrs {" + dumpFields(f.XsdAttrs) + "}"
	}
	return s + dumpAnnotations(f.Annotations)
}

func dumpType(t Type) string {
	cpp := func(l *Literal) string {
		if l == nil {
			return ""
		}
		return fmt.Sprintf(" cpp_type %q", l.Value)
	}
	switch t := t.(type) {
	case *BaseType:
		return t.Name + dumpAnnotations(t.Annotations)
	case *NamedType:
		return "@" + t.Name
	case *ListType:
		return "list<" + dumpType(t.Elem) + ">" + cpp(t.CppType) + dumpAnnotations(t.Annotations)
	case *SetType:
		return "set<" + dumpType(t.Elem) + ">" + cpp(t.CppType) + dumpAnnotations(t.Annotations)
	case *MapType:
		return "map<" + dumpType(t.Key) + "," + dumpType(t.Value) + ">" + cpp(t.CppType) + dumpAnnotations(t.Annotations)
	case *StreamType:
		return "stream<" + dumpType(t.Elem) + ">" + dumpAnnotations(t.Annotations)
	}
	return fmt.Sprintf("%T", t)
}

func dumpValue(v Value) string {
	switch v := v.(type) {
	case *IntValue:
		if v.Text == "true" || v.Text == "false" {
			return fmt.Sprintf("%d(%s)", v.Value, v.Text)
		}
		return fmt.Sprint(v.Value)
	case *DoubleValue:
		return fmt.Sprintf("%gd", v.Value)
	case *StringValue:
		return strconv.Quote(v.Value)
	case *IdentValue:
		return "@" + v.Name
	case *ListValue:
		var all []string
		for _, e := range v.Elems {
			all = append(all, dumpValue(e))
		}
		return "[" + strings.Join(all, " ") + "]"
	case *MapValue:
		var all []string
		for _, e := range v.Entries {
			all = append(all, dumpValue(e.Key)+":"+dumpValue(e.Value))
		}
		return "{" + strings.Join(all, " ") + "}"
	}
	return fmt.Sprintf("%T", v)
}

func dumpAnnotations(list []Annotation) string {
	if len(list) == 0 {
		return ""
	}
	var all []string
	for _, a := range list {
		if a.HasValue {
			all = append(all, fmt.Sprintf("%s=%q", a.Name.Name, a.Value.Value))
		} else {
			all = append(all, a.Name.Name+"~"+a.Value.Value)
		}
	}
	return " (" + strings.Join(all, " ") + ")"
}
