package schemajson

import (
	"encoding/json"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// Marshal returns prog, which must have been loaded without errors, as JSON. The same program always gives the same
// bytes. The error is that of a program that cannot be written: it is nil for every program that schema.Load accepts.
func Marshal(prog *schema.Program) ([]byte, error) {
	out := program{Files: make([]file, 0, len(prog.Files)), Roots: []string{}}
	for _, f := range prog.Files {
		out.Files = append(out.Files, newFile(f))
	}
	for _, f := range prog.Roots {
		out.Roots = append(out.Roots, f.Path)
	}
	return json.Marshal(out)
}

type program struct {
	Files []file   `json:"files"`
	Roots []string `json:"roots"`
}

type file struct {
	Path       string            `json:"path"`
	Doc        string            `json:"doc,omitempty"`
	Namespaces map[string]string `json:"namespaces,omitempty"`
	Includes   []string          `json:"includes,omitempty"`
	Consts     []constant        `json:"consts,omitempty"`
	Typedefs   []typedef         `json:"typedefs,omitempty"`
	Enums      []enum            `json:"enums,omitempty"`
	Structs    []structure       `json:"structs,omitempty"`
	Services   []service         `json:"services,omitempty"`
}

type annotation struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type constant struct {
	Name  string  `json:"name"`
	Doc   string  `json:"doc,omitempty"`
	Type  typeRef `json:"type"`
	Value any     `json:"value"`
}

type typedef struct {
	Name        string       `json:"name"`
	Doc         string       `json:"doc,omitempty"`
	Type        typeRef      `json:"type"`
	Annotations []annotation `json:"annotations,omitempty"`
}

type enum struct {
	Name        string       `json:"name"`
	Doc         string       `json:"doc,omitempty"`
	Values      []enumValue  `json:"values"`
	Annotations []annotation `json:"annotations,omitempty"`
}

type enumValue struct {
	Name        string       `json:"name"`
	Value       int32        `json:"value"`
	Doc         string       `json:"doc,omitempty"`
	Annotations []annotation `json:"annotations,omitempty"`
}

type structure struct {
	Kind        string       `json:"kind"`
	Name        string       `json:"name"`
	Doc         string       `json:"doc,omitempty"`
	Fields      []field      `json:"fields"`
	Annotations []annotation `json:"annotations,omitempty"`
}

type field struct {
	ID           int16        `json:"id"`
	Name         string       `json:"name"`
	Requiredness string       `json:"requiredness,omitempty"`
	Type         typeRef      `json:"type"`
	Default      any          `json:"default,omitempty"`
	Doc          string       `json:"doc,omitempty"`
	Annotations  []annotation `json:"annotations,omitempty"`
}

type service struct {
	Name        string       `json:"name"`
	Doc         string       `json:"doc,omitempty"`
	Extends     *reference   `json:"extends,omitempty"`
	Functions   []function   `json:"functions"`
	Annotations []annotation `json:"annotations,omitempty"`
}

type function struct {
	Name        string       `json:"name"`
	Doc         string       `json:"doc,omitempty"`
	Oneway      bool         `json:"oneway,omitempty"`
	Result      *typeRef     `json:"result,omitempty"`
	Args        []field      `json:"args"`
	Throws      []field      `json:"throws,omitempty"`
	Annotations []annotation `json:"annotations,omitempty"`
}

// reference names a definition.
type reference struct {
	File string `json:"file"`
	Name string `json:"name"`
}

// typeRef is a type where it is used.
type typeRef struct {
	Kind        string       `json:"kind"`
	Typedef     *reference   `json:"typedef,omitempty"`
	Ref         *reference   `json:"ref,omitempty"`
	Key         *typeRef     `json:"key,omitempty"`
	Elem        *typeRef     `json:"elem,omitempty"`
	Annotations []annotation `json:"annotations,omitempty"`
}

var kindNames = [...]string{
	schema.KindBool: "bool", schema.KindI8: "i8", schema.KindI16: "i16", schema.KindI32: "i32", schema.KindI64: "i64",
	schema.KindDouble: "double", schema.KindString: "string", schema.KindBinary: "binary", schema.KindUUID: "uuid",
	schema.KindEnum: "enum", schema.KindStruct: "struct", schema.KindList: "list", schema.KindSet: "set",
	schema.KindMap: "map", schema.KindStream: "stream",
}

func newFile(f *schema.File) file {
	out := file{Path: f.Path, Doc: f.AST.Doc}
	for _, h := range f.AST.Headers {
		if ns, ok := h.(*idl.Namespace); ok {
			if out.Namespaces == nil {
				out.Namespaces = make(map[string]string)
			}
			out.Namespaces[ns.Scope.Name] = ns.Name.Name
		}
	}
	for _, inc := range f.Includes {
		out.Includes = append(out.Includes, inc.Path)
	}
	for _, d := range f.Consts {
		out.Consts = append(out.Consts, constant{d.Name, d.Doc, newType(d.Type), newValue(d.Value)})
	}
	for _, d := range f.Typedefs {
		out.Typedefs = append(out.Typedefs, typedef{d.Name, d.Doc, newType(d.Type), newAnnotations(d.Annotations)})
	}
	for _, d := range f.Enums {
		e := enum{d.Name, d.Doc, make([]enumValue, 0, len(d.Values)), newAnnotations(d.Annotations)}
		for _, v := range d.Values {
			e.Values = append(e.Values, enumValue{v.Name, v.Value, v.Doc, newAnnotations(v.Annotations)})
		}
		out.Enums = append(out.Enums, e)
	}
	for _, d := range f.Structs {
		out.Structs = append(out.Structs, structure{d.Kind.String(), d.Name, d.Doc, newFields(d.Fields), newAnnotations(d.Annotations)})
	}
	for _, d := range f.Services {
		out.Services = append(out.Services, newService(d))
	}
	return out
}

func newService(d *schema.Service) service {
	out := service{Name: d.Name, Doc: d.Doc, Functions: make([]function, 0, len(d.Functions)), Annotations: newAnnotations(d.Annotations)}
	if d.Extends != nil {
		out.Extends = &reference{d.Extends.File.Path, d.Extends.Name}
	}
	for _, f := range d.Functions {
		fn := function{
			Name: f.Name, Doc: f.Doc, Oneway: f.Oneway, Args: newFields(f.Args), Throws: newFields(f.Throws),
			Annotations: newAnnotations(f.Annotations),
		}
		if f.Result != nil {
			t := newType(f.Result)
			fn.Result = &t
		}
		out.Functions = append(out.Functions, fn)
	}
	return out
}

func newFields(fields []*schema.Field) []field {
	out := make([]field, 0, len(fields))
	for _, f := range fields {
		fd := field{ID: f.ID, Name: f.Name, Type: newType(f.Type), Doc: f.Doc, Annotations: newAnnotations(f.Annotations)}
		switch f.Requiredness {
		case idl.RequirednessRequired:
			fd.Requiredness = "required"
		case idl.RequirednessOptional:
			fd.Requiredness = "optional"
		}
		if f.Default != nil {
			fd.Default = newValue(f.Default)
		}
		out = append(out, fd)
	}
	return out
}

func newAnnotations(list []idl.Annotation) []annotation {
	var out []annotation
	for _, a := range list {
		out = append(out, annotation{a.Name.Name, a.Value.Value})
	}
	return out
}

func newType(t *schema.Type) typeRef {
	out := typeRef{Kind: kindNames[t.Kind], Annotations: newAnnotations(t.Annotations)}
	if t.Typedef != nil {
		out.Typedef = &reference{t.Typedef.File.Path, t.Typedef.Name}
	}
	switch t.Kind {
	case schema.KindEnum:
		out.Ref = &reference{t.Enum.File.Path, t.Enum.Name}
	case schema.KindStruct:
		out.Ref = &reference{t.Struct.File.Path, t.Struct.Name}
		out.Kind = t.Struct.Kind.String()
	case schema.KindMap:
		key := newType(t.Key)
		out.Key = &key
	}
	if t.Elem != nil {
		elem := newType(t.Elem)
		out.Elem = &elem
	}
	return out
}
