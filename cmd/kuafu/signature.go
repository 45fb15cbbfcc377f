package main

import (
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// signature returns a method on one line, as the IDL would have it, without ids and annotations.
func signature(f *schema.Function) string {
	var b strings.Builder
	if f.Oneway {
		b.WriteString("oneway ")
	}
	if f.Result == nil {
		b.WriteString("void")
	} else {
		b.WriteString(typeText(f.AST.Result))
	}
	b.WriteString(" " + f.Name + "(" + fieldTexts(f.Args) + ")")
	if len(f.Throws) > 0 {
		b.WriteString(" throws (" + fieldTexts(f.Throws) + ")")
	}
	return b.String()
}

func fieldTexts(fields []*schema.Field) string {
	texts := make([]string, 0, len(fields))
	for _, f := range fields {
		texts = append(texts, typeText(f.AST.Type)+" "+f.Name)
	}
	return strings.Join(texts, ", ")
}

// typeText returns a type as it is written.
func typeText(t idl.Type) string {
	switch t := t.(type) {
	case *idl.BaseType:
		return t.Name
	case *idl.NamedType:
		return t.Name
	case *idl.ListType:
		return "list<" + typeText(t.Elem) + ">"
	case *idl.SetType:
		return "set<" + typeText(t.Elem) + ">"
	case *idl.MapType:
		return "map<" + typeText(t.Key) + ", " + typeText(t.Value) + ">"
	case *idl.StreamType:
		return "stream<" + typeText(t.Elem) + ">"
	}
	return "void"
}
