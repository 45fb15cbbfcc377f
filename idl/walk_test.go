package idl

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file, or writes the file with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got (go test -update rewrites it):\n%s", file, diff)
	}
}

// walk calls visit for every node below v that has a Span, parents first, in the order of the struct's fields.
func walk(v reflect.Value, depth int, visit func(depth int, node string, span Span)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), depth, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), depth, visit)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Span]() || v.Type() == reflect.TypeFor[Pos]() {
			return
		}
		if span := v.FieldByName("Span"); span.IsValid() {
			visit(depth, v.Type().Name(), span.Interface().(Span))
			depth++
		}
		for i := range v.NumField() {
			walk(v.Field(i), depth, visit)
		}
	}
}

func TestPositions(t *testing.T) {
	src, err := os.ReadFile("testdata/positions.idl")
	if err != nil {
		t.Fatal(err)
	}
	f, diags := Parse("positions.idl", src)
	for _, d := range diags {
		if d.Severity == Error {
			t.Error(d)
		}
	}
	var b strings.Builder
	walk(reflect.ValueOf(f), 0, func(depth int, node string, span Span) {
		fmt.Fprintf(&b, "%s%s %d:%d %q\n", strings.Repeat("  ", depth), node, span.Start.Line, span.Start.Col, src[span.Start.Offset:span.End.Offset])
	})
	golden(t, "testdata/positions.golden", b.String())
}

// checkSpans returns what is wrong with the positions of a parsed file: each must lie in the source, say the same by
// line and column as by offset, and lie inside its parent.
func checkSpans(f *File, diags []*Diagnostic) error {
	lineStarts := []int{0}
	for i, c := range f.Source {
		if c == '\n' {
			lineStarts = append(lineStarts, i+1)
		}
	}
	check := func(what string, s Span) error {
		if s.Start.Offset > s.End.Offset {
			return fmt.Errorf("%s ends before it starts: %v", what, s)
		}
		for _, p := range []Pos{s.Start, s.End} {
			if p.Offset < 0 || p.Offset > len(f.Source) || p.Line < 1 || p.Line > len(lineStarts) || lineStarts[p.Line-1]+p.Col-1 != p.Offset {
				return fmt.Errorf("%s: wrong position %v", what, p)
			}
		}
		return nil
	}
	var failure error
	var parents []Span
	walk(reflect.ValueOf(f), 0, func(depth int, node string, span Span) {
		if span == (Span{}) && (node == "Literal") {
			return // the value of an annotation without one
		}
		if err := check(node, span); err != nil && failure == nil {
			failure = err
		}
		parents = append(parents[:depth], span)
		if depth > 0 && node != "BaseType" { // a senum's type has the place of the word senum
			if p := parents[depth-1]; (span.Start.Offset < p.Start.Offset || span.End.Offset > p.End.Offset) && failure == nil {
				failure = fmt.Errorf("%s %v lies outside of its parent %v", node, span, p)
			}
		}
	})
	for i, d := range diags {
		if err := check(d.Error(), d.Span); err != nil {
			return err
		}
		for _, l := range d.Labels {
			if err := check(l.Message, l.Span); err != nil {
				return err
			}
		}
		if i > 0 && compareDiagnostics(diags[i-1], d) >= 0 {
			return fmt.Errorf("diagnostics out of order: %v, %v", diags[i-1], d)
		}
	}
	for i, c := range f.Comments {
		if string(f.Source[c.Span.Start.Offset:c.Span.End.Offset]) != c.Text {
			return fmt.Errorf("comment %q has another text in the source", c.Text)
		}
		if i > 0 && f.Comments[i-1].Span.End.Offset > c.Span.Start.Offset {
			return fmt.Errorf("comments %d and %d overlap", i-1, i)
		}
	}
	return failure
}

// The grammar as participle reads it; a change of the language shows here.
func TestGrammarText(t *testing.T) {
	golden(t, "testdata/grammar.ebnf", grammar().item.String()+"\n")
}
