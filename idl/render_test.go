package idl

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRender(t *testing.T) {
	src, err := os.ReadFile("testdata/render/program.idl")
	if err != nil {
		t.Fatal(err)
	}
	_, diags := Parse("program.idl", src)
	for _, test := range []struct {
		file string
		opts RenderOptions
	}{
		{"all", RenderOptions{}},
		{"color", RenderOptions{Color: true, Max: 1}},
		{"two", RenderOptions{Max: 2}},
	} {
		var b bytes.Buffer
		if err := Render(&b, diags, test.opts); err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/render/"+test.file+".golden", b.String())
	}
	var b bytes.Buffer
	if err := RenderJSON(&b, diags); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/render/json.golden", b.String())
	for line := range strings.Lines(b.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not an object: %s", line)
		}
	}
}

func TestRenderAcrossFiles(t *testing.T) {
	a := &File{Name: "a.idl", Source: []byte("struct A {\n  1: B b\n}\n")}
	b := &File{Name: "b.idl", Source: []byte("\nstruct B {}")}
	span := func(offset, line, col, n int) Span {
		return Span{Pos{offset, line, col}, Pos{offset + n, line, col + n}}
	}
	var out strings.Builder
	err := Render(&out, []*Diagnostic{
		{Code: "E900", File: a, FileName: "a.idl", Span: span(16, 2, 6, 1), Message: "one", Labels: []Label{
			{File: b, FileName: "b.idl", Span: span(8, 2, 8, 1), Message: "other file"},
			{File: a, FileName: "a.idl", Span: span(7, 1, 8, 1), Message: "same file"},
			{File: a, FileName: "a.idl", Span: span(18, 2, 8, 1), Message: "same line"},
		}},
		{Severity: Warning, FileName: "gone.idl", Message: "cannot be\x1b opened", Help: "look elsewhere"},
		{Code: "E901", File: a, FileName: "a.idl", Span: Span{Pos{0, 1, 1}, Pos{21, 3, 2}}, Message: "several lines"},
	}, RenderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/render/files.golden", out.String())
}

// Carets stand under what they mean, whatever the width of the characters before it.
func TestExcerpt(t *testing.T) {
	long := strings.Repeat("é", 500)
	for _, test := range []struct {
		line          string
		from, to      int
		text          string
		column, width int
	}{
		{"abc", 1, 2, "abc", 1, 1},
		{"\tabc", 1, 4, "    abc", 4, 3},
		{"a\tb", 2, 3, "a    b", 5, 1},
		{"日本x", 6, 7, "日本x", 4, 1},
		{"日本x", 3, 6, "日本x", 2, 2},
		{"e\u0301x", 3, 4, "e\u0301x", 1, 1},
		{"\ufeffx", 3, 4, "x", 0, 1},
		{"\x00\x1b\x7f\u202e\xffx", 7, 8, "␀␛␡\ufffd\ufffdx", 5, 1},
		{"abc", 3, 3, "abc", 3, 1},
		{"", 5, 9, "", 0, 1},
		{long, 500, 502, "…" + strings.Repeat("é", 80) + "…", 31, 1},
		{long, 0, 1000, strings.Repeat("é", 80) + "…", 0, 80},
		{long, 998, 1000, "…" + strings.Repeat("é", 80), 80, 1},
	} {
		e := newExcerpt(test.line, test.from)
		column, width := e.underline(test.from, test.to)
		if e.text != test.text || column != test.column || width != test.width {
			t.Errorf("%.20q [%d,%d): %q, column %d, width %d; want %q, %d, %d", test.line, test.from, test.to, e.text, column, width,
				test.text, test.column, test.width)
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestRenderReturnsWriteErrors(t *testing.T) {
	diags := []*Diagnostic{{FileName: "a.idl", Message: "x"}}
	if err := Render(brokenWriter{}, diags, RenderOptions{}); !errors.Is(err, errBroken) {
		t.Errorf("Render returned %v", err)
	}
	if err := RenderJSON(brokenWriter{}, diags); !errors.Is(err, errBroken) {
		t.Errorf("RenderJSON returned %v", err)
	}
}

func TestSort(t *testing.T) {
	at := func(file string, offset int, severity Severity, code string) *Diagnostic {
		return &Diagnostic{FileName: file, Span: Span{Start: Pos{Offset: offset}}, Severity: severity, Code: code}
	}
	got := Sort([]*Diagnostic{
		at("b", 0, Error, "E1"), at("a", 5, Warning, "W1"), at("a", 5, Error, "E2"), at("a", 5, Error, "E1"), at("a", 2, Error, "E9"), at("a", 5, Error, "E1"),
	})
	want := []*Diagnostic{
		at("a", 2, Error, "E9"), at("a", 5, Error, "E1"), at("a", 5, Error, "E2"), at("a", 5, Warning, "W1"), at("b", 0, Error, "E1"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSuggest(t *testing.T) {
	words := []string{"string", "struct", "list", "i32", "i64", "Status", "status"}
	for _, test := range []struct{ name, want string }{
		{"Strng", "string"},
		{"strct", "struct"},
		{"sturct", "struct"},
		{"lsit", "list"},
		{"int32", "i32"},
		{"i23", "i32"},
		{"STATUS", "Status"},
		{"statu", "status"},
		{"string", ""},
		{"banana", ""},
		{"x", ""},
		{"", ""},
		{strings.Repeat("string", 20), ""},
	} {
		if got := Suggest(test.name, words); got != test.want {
			t.Errorf("Suggest(%q) = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCodes(t *testing.T) {
	last := ""
	for _, c := range Codes() {
		if c.Code <= last {
			t.Errorf("%s comes after %s", c.Code, last)
		}
		last = c.Code
		if !strings.HasSuffix(c.Explanation, ".") {
			t.Errorf("%s: %q is no sentence", c.Code, c.Explanation)
		}
	}
}
