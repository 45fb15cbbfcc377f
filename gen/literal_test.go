package gen

import (
	"go/constant"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// TestSourceLiteral: the literal stands for exactly the text, and no line of it is one that the go command obeys.
func TestSourceLiteral(t *testing.T) {
	for _, test := range []struct {
		text string
		raw  bool
	}{
		{"", true},
		{"/** Plain. */\nstruct A { 1: string s = \"\\n\" }\n", true},
		{"// the end has no newline", true},
		{"// \u5938\u7236\nstruct A {}\n", true},
		{"  //go:generate is no directive when indented\n", true},
		{"// `quoted`\nstruct A {} // and ``` more\n", false},
		{"struct A {}\r\nstruct B {}\r\n", false},
		{"struct A {}\n//go:generate rm -rf everything\n", false},
		{"//go:generate rm -rf everything\nstruct A {}\n", false},
		{"// \xff\xfe\nstruct A {}\n", false},
		{"struct A {} // \ufeff\n", false},
		{"// \x00\nstruct A {}\n", false},
	} {
		lit := sourceLiteral(test.text)
		if raw := strings.HasPrefix(lit, "`"); raw != test.raw {
			t.Errorf("%q: raw is %v", test.text, raw)
		}
		for line := range strings.Lines(lit) {
			if strings.HasPrefix(line, "//go:") {
				t.Errorf("%q: the go command would obey %q", test.text, line)
			}
		}
		v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, lit)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
		} else if got := constant.StringVal(v.Value); got != test.text {
			t.Errorf("%q became %q", test.text, got)
		}
	}
}
