package idl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	for _, test := range languageTests {
		f.Add([]byte(test.src))
	}
	files, err := filepath.Glob("testdata/*/*.idl")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, nest := range nests {
		f.Add([]byte(nest[0] + strings.Repeat(nest[1], maxDepth+10)))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 64<<10 {
			return
		}
		original := bytes.Clone(src)
		start := time.Now()
		file, diags := Parse("fuzz.idl", src)
		if took := time.Since(start); took > 5*time.Second { // fuzzing itself makes it slow
			t.Errorf("Parse took %v for %d bytes", took, len(src))
		}
		if !bytes.Equal(src, original) {
			t.Error("Parse changed its input")
		}
		if err := checkSpans(file, diags); err != nil {
			t.Error(err)
		}
		for _, d := range file.Definitions {
			if d.Ident().Name == "" {
				t.Errorf("definition without a name at %v", d.Range())
			}
		}
		var out bytes.Buffer
		if err := Render(&out, diags, RenderOptions{Max: -1}); err != nil {
			t.Error(err)
		}
		if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' }); i >= 0 {
			t.Errorf("Render lets %q through", out.Bytes()[i])
		}
	})
}

// nests are sources that open what they never close, as a start and what is repeated after it.
var nests = [][2]string{
	{"", "("}, {"", "{"}, {"", "["}, {"", "<"}, {"", "list<"}, {"const i32 A = ", "["}, {"const i32 A = ", "{"}, {"const i32 A = ", "{1:"},
	{"const i32 A = ", "[{"}, {"typedef ", "list<"}, {"typedef ", "map<i32,"}, {"typedef ", "a<"}, {"struct A {", "1: i32 a xsd_attrs {"},
	{"struct A {", "(["}, {"service A { void f(", "("}, {"", "struct A {"}, {"", "\nstruct A {"}, {"", "\nservice A { void f("},
}

// 64 KiB of anything are read within a second, and no time grows faster than the source.
func TestHostileSources(t *testing.T) {
	const size = 64 << 10
	starts := []string{"", "struct A { 1: ", "const list<i32> A = ["}
	repeated := []string{
		"}", ")", "]", ">", ",", ";", ":", "=", "&", "*", "@", "\"", "'\n", "/*", "/**/", "/** a */", "//", "\n", "\x00", "\xff", "日",
		"a ", "a a{", "1 ", "1,", "1: ", "-", "0x", "i32 ", "struct ", "\nstruct ", "\nstruct A {}", "\nstruct A { struct B {", "\nstruct A {\nconst i32 a ",
		"1: i32 a\n", "1: i32\n", "1: i32 = ,", "void f(1: i32)\n", "void f(1: i32 a) throws (\n", "a = 1 (b = \"c\")\n", "strct A {}\n", "include 'a'\n",
		"{}", "()", "[]", "}{", ")(", "{(}", "([)]", "<(", "aaaaaaaa",
	}
	var sources [][2]string
	sources = append(sources, nests...)
	for _, s := range starts {
		for _, r := range repeated {
			sources = append(sources, [2]string{s, r})
		}
	}
	for _, s := range sources {
		src := []byte(s[0] + strings.Repeat(s[1], size/len(s[1])))
		// The machine may be busy with something else for a while.
		best := time.Hour
		for range 5 {
			start := time.Now()
			Parse("hostile.idl", src)
			best = min(best, time.Since(start))
			if best < time.Second*raceFactor {
				break
			}
		}
		if best > time.Second*raceFactor {
			t.Errorf("%q and then %q took %v", s[0], s[1], best)
		}
	}
}

func TestNestingLimit(t *testing.T) {
	for _, nest := range nests[1:] {
		if strings.Contains(nest[1], "\n") || nest[1] == "list<" && nest[0] == "" {
			continue // starts anew on each line, or is no definition at all
		}
		_, diags := Parse("deep.idl", []byte(nest[0]+strings.Repeat(nest[1], maxDepth+1)))
		found := false
		for _, d := range diags {
			found = found || d.Code == codeTooDeep
		}
		if !found {
			t.Errorf("%q and then %q: no %s in %v", nest[0], nest[1], codeTooDeep, diags)
		}
	}
	// At the limit itself nothing is wrong, and a nest that is too deep does not hide what comes after it.
	src := "const i32 A = " + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	if _, diags := Parse("deep.idl", []byte(src)); len(diags) > 0 {
		t.Errorf("at the limit: %v", diags)
	}
	src = "const i32 A = " + strings.Repeat("[", maxDepth+50) + "1" + strings.Repeat("]", maxDepth+50) + "\nconst i32 B = 1"
	f, diags := Parse("deep.idl", []byte(src))
	if len(diags) != 1 || diags[0].Code != codeTooDeep || len(f.Definitions) != 2 {
		t.Errorf("over the limit: %v, %d definitions", diags, len(f.Definitions))
	}
}
