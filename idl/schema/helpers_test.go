package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/idl"
)

// program loads files, of which main.idl is the root, and fails the test on any error.
func program(t *testing.T, opts Options, files MapFS) *Program {
	t.Helper()
	opts.FS = files
	p, diags := Load(opts, "main.idl")
	for _, d := range diags {
		if d.Severity == idl.Error {
			t.Fatal(d)
		}
	}
	return p
}

// messages loads files, of which main.idl is the root, and returns the diagnostics one a line.
func messages(opts Options, files MapFS) string {
	opts.FS = files
	_, diags := Load(opts, "main.idl")
	var b strings.Builder
	for _, d := range diags {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}

// show writes a value with its type, references marked by = and the constant's name.
func show(v *Value) string {
	if v == nil {
		return "none"
	}
	text := ""
	switch v.Type.Kind {
	case KindBool:
		text = fmt.Sprint(v.Bool)
	case KindDouble:
		text = fmt.Sprint(v.Double)
	case KindString, KindBinary:
		text = fmt.Sprintf("%q", v.Str)
	case KindUUID:
		text = fmt.Sprintf("%x", v.UUID)
	case KindEnum:
		text = fmt.Sprintf("%d:%s", v.Int, v.Enum.Name)
	case KindList, KindSet:
		var parts []string
		for _, e := range v.List {
			parts = append(parts, show(e))
		}
		text = "[" + strings.Join(parts, " ") + "]"
	case KindMap:
		var parts []string
		for _, p := range v.Map {
			parts = append(parts, show(p.Key)+"="+show(p.Value))
		}
		text = "{" + strings.Join(parts, " ") + "}"
	case KindStruct:
		var parts []string
		for _, f := range v.Fields {
			parts = append(parts, f.Field.Name+"="+show(f.Value))
		}
		text = "(" + strings.Join(parts, " ") + ")"
	default:
		text = fmt.Sprint(v.Int)
	}
	if v.Ref != nil {
		text += "<-" + v.Ref.Name
	}
	return v.Type.String() + " " + text
}
