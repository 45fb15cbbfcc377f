package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kuafu-rpc/kuafu/idl"
)

func TestIncludeSearch(t *testing.T) {
	files := MapFS{
		"sub/main.idl": `include "near.idl"
			include "both.idl"
			include "x/first.idl"
			include "/abs/far.idl"
			include "../up.idl"`,
		"sub/near.idl":    "",
		"sub/both.idl":    "",
		"one/both.idl":    "",
		"one/x/first.idl": "",
		"two/x/first.idl": "",
		"/abs/far.idl":    "",
		"up.idl":          "",
		"near.idl":        "",
	}
	p, diags := Load(Options{FS: files, IncludeDirs: []string{"one", "two/"}}, "./sub/main.idl")
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	var got []string
	for _, f := range p.Files {
		got = append(got, f.Path)
	}
	want := []string{"sub/near.idl", "sub/both.idl", "one/x/first.idl", "/abs/far.idl", "up.idl", "sub/main.idl"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A file that several others include is loaded once, and before them.
func TestFilesAreLoadedOnce(t *testing.T) {
	files := MapFS{
		"a.idl":   `include "c.idl" struct A { 1: c.C c }`,
		"b.idl":   `include "c.idl" include "a.idl" struct B { 1: c.C c, 2: a.A a }`,
		"c.idl":   `struct C {}`,
		"d/e.idl": `include "../c.idl"`,
	}
	p, diags := Load(Options{FS: files}, "b.idl", "a.idl", "./b.idl", "d/e.idl")
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	paths := func(files []*File) string {
		var s []string
		for _, f := range files {
			s = append(s, f.Path)
		}
		return strings.Join(s, " ")
	}
	if got := paths(p.Files); got != "c.idl a.idl b.idl d/e.idl" {
		t.Errorf("files %s", got)
	}
	if got := paths(p.Roots); got != "b.idl a.idl d/e.idl" {
		t.Errorf("roots %s", got)
	}
	if c := p.Files[0].Structs[0]; p.Files[1].Structs[0].Fields[0].Type.Struct != c || p.Files[2].Structs[0].Fields[0].Type.Struct != c {
		t.Error("the files see different definitions of C")
	}
}

func TestIncludeErrors(t *testing.T) {
	tests := []struct {
		name  string
		files MapFS
		want  []string // every line, in order
	}{
		{"missing root", MapFS{}, []string{"main.idl: error[E100]: cannot read the file: no such file"}},
		{"self", MapFS{"main.idl": `include "main.idl" struct S { 1: main.T t }`},
			[]string{"main.idl:1:9: error[E102]: `main.idl` includes itself"}},
		{"cycle", MapFS{
			"main.idl": `include "b.idl" struct A { 1: b.B b }`,
			"b.idl":    `include "c.idl" struct B { 1: c.C c }`,
			"c.idl":    `include "b.idl" struct C { 1: b.B b }`,
		}, []string{"c.idl:1:9: error[E102]: include cycle: `b.idl` -> `c.idl` -> `b.idl`"}},
		{"syntax error in an include", MapFS{
			"main.idl": `include "b.idl" struct A { 1: b.Bad b, 2: b.Good c, 3: b.Gone d, 4: b.E e = b.E.Y }`,
			"b.idl":    "struct Good {}\nstrct Bad { 1: i32 x }\nenum E { X }",
		}, []string{
			"b.idl:2:1: error[E011]: unknown definition `strct`",
			"main.idl:1:56: error[E111]: unknown type `b.Gone`",
			"main.idl:1:77: error[E162]: enum `E` has no value `Y`",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Split(strings.TrimSuffix(messages(Options{}, tt.files), "\n"), "\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// failFS fails on one path with an error that is not "no such file".
type failFS struct {
	MapFS
	path string
	err  error
}

func (f failFS) ReadFile(path string) ([]byte, error) {
	if path == f.path {
		return nil, &fs.PathError{Op: "open", Path: path, Err: f.err}
	}
	return f.MapFS.ReadFile(path)
}

// A file that is there but cannot be read ends the search: the next directory may hold another one.
func TestUnreadableInclude(t *testing.T) {
	fsys := failFS{MapFS{"main.idl": `include "a.idl"`, "dir/a.idl": ""}, "a.idl", errors.New("input/output error")}
	_, diags := Load(Options{FS: fsys, IncludeDirs: []string{"dir"}}, "main.idl")
	if len(diags) != 1 || diags[0].Error() != "main.idl:1:9: error[E100]: cannot read `a.idl`: input/output error" {
		t.Errorf("got %v", diags)
	}
}

// endlessFS makes up a file for every number, and each includes two more.
type endlessFS struct{}

func (endlessFS) ReadFile(path string) ([]byte, error) {
	var n int
	if _, err := fmt.Sscanf(path, "%d.idl", &n); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "include '%d.idl'\ninclude '%d.idl'\n", n+1, n+1_000_000), nil
}

func TestEndlessIncludes(t *testing.T) {
	p, diags := Load(Options{FS: endlessFS{}}, "0.idl")
	if len(diags) != 1 || diags[0].Code != "E104" {
		t.Errorf("%d diagnostics: %.3v", len(diags), diags)
	}
	if len(p.Files) != maxFiles {
		t.Errorf("%d files", len(p.Files))
	}
}

func TestOS(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root := write("main.idl", `include "part.idl" include "loop/other.idl" struct S { 1: part.P p }`)
	write("inc/part.idl", "struct P {}")
	write("other.idl", `include "loop/main.idl"`)
	if err := os.Mkdir(filepath.Join(dir, "part.idl"), 0o755); err != nil {
		t.Fatal(err) // a directory of the name does not end the search
	}
	if err := os.Symlink(".", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	p, diags := Load(Options{IncludeDirs: []string{filepath.Join(dir, "inc")}}, root, filepath.Join(dir, "loop", "main.idl"))
	if len(diags) != 1 || diags[0].Code != "E102" {
		t.Errorf("want the cycle through the symbolic link alone, got %v", diags)
	}
	if len(p.Roots) != 1 || len(p.Files) != 3 {
		t.Errorf("%d roots, %d files", len(p.Roots), len(p.Files))
	}

	pipe := filepath.Join(dir, "pipe.idl")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Skip("no pipes here:", err)
	}
	_, diags = Load(Options{}, pipe)
	if len(diags) != 1 || !strings.Contains(diags[0].Message, "not a regular file") {
		t.Errorf("pipe: got %v", diags)
	}
	big := write("big.idl", "")
	if err := os.Truncate(big, maxFileSize+1); err != nil {
		t.Fatal(err)
	}
	_, diags = Load(Options{}, big)
	if len(diags) != 1 || diags[0].Severity != idl.Error || diags[0].Code != "E009" {
		t.Errorf("big file: %d diagnostics", len(diags))
	}
}
