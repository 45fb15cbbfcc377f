package dynamic_test

import (
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/dynamic"
	"github.com/kuafu-rpc/kuafu/idl"
)

// TestTemplates: a template is JSON that fits what it is the template of.
func TestTemplates(t *testing.T) {
	file := program(t)
	for _, s := range file.Structs {
		text, err := dynamic.Template(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dynamic.Parse(s, text); err != nil {
			t.Errorf("%s: %v\n%s", s.Name, err, text)
		}
		for _, f := range s.Fields {
			if s.Kind != idl.StructUnion && s.Name != "Node" && !strings.Contains(string(text), "\n  \""+f.Name+"\":") {
				t.Errorf("%s: no %s\n%s", s.Name, f.Name, text)
			}
		}
	}
	for _, s := range file.Services {
		for _, f := range s.Functions {
			text, err := dynamic.TemplateArgs(f)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := dynamic.ParseArgs(f, text); err != nil {
				t.Errorf("%s: %v\n%s", f.Name, err, text)
			}
		}
	}
}

// TestTemplateOfManyStructs: each level doubles the template, which is refused before it is large.
func TestTemplateOfManyStructs(t *testing.T) {
	var b strings.Builder
	b.WriteString("struct S0 { 1: i32 x }\n")
	names := []string{"S0"}
	for i := range 60 {
		name := "S" + strings.Repeat("x", i+1)
		b.WriteString("struct " + name + " { 1: " + names[i] + " a, 2: " + names[i] + " b }\n")
		names = append(names, name)
	}
	f := link(t, b.String())
	if text, err := dynamic.Template(structOf(t, f, names[60])); err == nil {
		t.Errorf("%d bytes", len(text))
	}
	if _, err := dynamic.Template(structOf(t, f, names[5])); err != nil {
		t.Error(err)
	}
}
