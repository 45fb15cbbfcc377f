package gen

import (
	"fmt"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// doc prints a definition's comment, with what its annotations add to it.
func (p *printer) doc(text string, annotations []idl.Annotation) {
	p.comment(withDeprecation(text, annotations))
}

func withDeprecation(text string, annotations []idl.Annotation) string {
	for _, a := range annotations {
		if a.Name.Name != "deprecated" {
			continue
		}
		why := strings.TrimSpace(a.Value.Value)
		if !a.HasValue || why == "" {
			why = "do not use."
		}
		return text + "\n\nDeprecated: " + why
	}
	return text
}

// typedef prints an alias: a second name for a type, as the IDL has it, needs no conversions.
func (e *emitter) typedef(d *schema.Typedef) {
	e.doc(d.Doc, d.Annotations)
	e.P("type ", e.names[d], " = ", e.goType(d.Type))
	e.P()
}

// enum prints an enum's type, values and methods.
func (e *emitter) enum(d *schema.Enum) {
	name := e.names[d]
	e.doc(d.Doc, d.Annotations)
	e.P("type ", name, " int32")
	e.P()
	if len(d.Values) > 0 {
		e.P("const (")
		for _, v := range d.Values {
			e.doc(v.Doc, v.Annotations)
			e.P(e.names[v], " ", name, " = ", v.Value)
		}
		e.P(")")
		e.P()
	}

	// Of several names for one value, the first is its text.
	seen := make(map[int32]bool)
	e.P("// String returns the value's name in the IDL, \"", d.Name, "(n)\" for a number without one.")
	e.P("func (v ", name, ") String() string {")
	if len(d.Values) > 0 {
		e.P("switch v {")
		for _, v := range d.Values {
			if !seen[v.Value] {
				seen[v.Value] = true
				e.P("case ", e.names[v], ":")
				e.P("return ", quote(v.Name))
			}
		}
		e.P("}")
	}
	e.P("return ", quote(d.Name+"("), " + ", e.use("strconv"), `.Itoa(int(v)) + ")"`)
	e.P("}")
	e.P()

	e.P("// MarshalText returns the value's name in the IDL, the number itself where it has none.")
	e.P("func (v ", name, ") MarshalText() ([]byte, error) {")
	if len(seen) > 0 {
		cases := make([]string, 0, len(seen))
		clear(seen)
		for _, v := range d.Values {
			if !seen[v.Value] {
				seen[v.Value] = true
				cases = append(cases, e.names[v])
			}
		}
		sep := ", "
		if len(strings.Join(cases, sep)) > 100 {
			sep = ",\n"
		}
		e.P("switch v {")
		e.P("case ", strings.Join(cases, sep), ":")
		e.P("return []byte(v.String()), nil")
		e.P("}")
	}
	e.P("return strconv.AppendInt(nil, int64(v), 10), nil")
	e.P("}")
	e.P()

	e.P("// UnmarshalText takes what MarshalText returns: a name of the IDL, or any number of 32 bits.")
	e.P("func (v *", name, ") UnmarshalText(text []byte) error {")
	if len(d.Values) > 0 {
		e.P("switch string(text) {")
		for _, v := range d.Values {
			e.P("case ", quote(v.Name), ":")
			e.P("*v = ", e.names[v])
			e.P("return nil")
		}
		e.P("}")
	}
	e.P("n, err := strconv.ParseInt(string(text), 10, 32)")
	e.P("if err != nil {")
	e.P("return ", e.use("fmt"), ".Errorf(", quote("%q is neither a name nor a number of "+strings.ReplaceAll(d.Name, "%", "")), ", text)")
	e.P("}")
	e.P("*v = ", name, "(n)")
	e.P("return nil")
	e.P("}")
	e.P()
}

// enumValue returns the Go constant of an enum value, or a conversion where no name has the value.
func (e *emitter) enumValue(t *schema.Type, v *schema.Value) string {
	if v.Enum != nil {
		return e.name(v.Enum.Enum.File, v.Enum)
	}
	return fmt.Sprintf("%s(%d)", e.name(t.Enum.File, t.Enum), v.Int)
}
