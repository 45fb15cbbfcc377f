package gen_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/gen"
	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// TestDiagnostics generates the files of each testdata/diagnostics/*.txt, the first being the root, and compares what is
// reported with the .golden file beside it. go test ./gen -update rewrites those.
func TestDiagnostics(t *testing.T) {
	reported := make(map[string]bool)
	for _, path := range glob(t, "testdata/diagnostics/*.txt") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			files := sections(t, path)
			prog, diags := schema.Load(schema.Options{FS: files}, "main.idl")
			requireNoErrors(t, diags)
			out, diags, err := gen.Generate(prog, gen.Options{Recursive: true})
			if err != nil {
				t.Fatal(err)
			}
			failed := false
			for _, d := range diags {
				reported[d.Code] = true
				failed = failed || d.Severity == idl.Error
			}
			if failed != (len(out) == 0) {
				t.Errorf("%d files were generated", len(out))
			}
			var got bytes.Buffer
			if err := idl.Render(&got, diags, idl.RenderOptions{}); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(path, ".txt") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", &got, want)
			}
		})
	}
	for _, code := range gen.Codes() {
		if !reported[code.Code] && code.Code != "E203" && code.Code != "E204" { // these need options: see below
			t.Errorf("no test reports %s: %s", code.Code, code.Explanation)
		}
	}
}

// sections cuts a file at lines of the form "-- name --". What is above the first is prose.
func sections(t *testing.T, path string) schema.MapFS {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files, name := schema.MapFS{}, ""
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "-- "); ok {
			name = strings.TrimSuffix(strings.TrimSpace(rest), " --")
			continue
		}
		if name != "" {
			files[name] += line
		}
	}
	if files["main.idl"] == "" {
		t.Fatalf("%s has no main.idl", path)
	}
	return files
}

func load(t *testing.T, opts schema.Options, files schema.MapFS, roots ...string) *schema.Program {
	t.Helper()
	opts.FS = files
	prog, diags := schema.Load(opts, roots...)
	requireNoErrors(t, diags)
	return prog
}

func codesOf(diags []*idl.Diagnostic) []string {
	var codes []string
	for _, d := range diags {
		codes = append(codes, d.Code)
	}
	return codes
}

// TestPackageClash: what Options.Package returns must be consistent.
func TestPackageClash(t *testing.T) {
	prog := load(t, schema.Options{}, schema.MapFS{"a.idl": "struct A {}", "b.idl": "struct B {}"}, "a.idl", "b.idl")
	for _, place := range []func(*schema.File) gen.Package{
		func(f *schema.File) gen.Package { return gen.Package{Path: f.Base, Name: f.Base, Dir: "same"} },
		func(f *schema.File) gen.Package { return gen.Package{Path: "same", Name: "same", Dir: f.Base} },
		func(f *schema.File) gen.Package { return gen.Package{Path: "same", Name: f.Base, Dir: "same"} },
	} {
		out, diags, err := gen.Generate(prog, gen.Options{Package: place})
		if err != nil || len(out) != 0 || !slices.Equal(codesOf(diags), []string{"E203"}) {
			t.Errorf("%d files, %v, %v", len(out), diags, err)
		}
	}
}

// TestPackagePath: what cannot be imported is refused.
func TestPackagePath(t *testing.T) {
	prog := load(t, schema.Options{}, schema.MapFS{"a.idl": "struct A {}"}, "a.idl")
	for _, path := range []string{"", "/abs", "../up", "a//b", "a/", "with space", "a\\b", "a\"b", "ünicode", "."} {
		_, diags, err := gen.Generate(prog, gen.Options{Package: func(*schema.File) gen.Package {
			return gen.Package{Path: path, Name: "a", Dir: "a"}
		}})
		if err != nil || !slices.Equal(codesOf(diags), []string{"E204"}) {
			t.Errorf("%q: %v, %v", path, diags, err)
		}
	}
}

// TestOnlyRoots: included files are generated only on demand.
func TestOnlyRoots(t *testing.T) {
	prog := load(t, schema.Options{}, schema.MapFS{
		"a.idl": "namespace go x.a\ninclude \"b.idl\"\nstruct A { 1: b.B b }",
		"b.idl": "namespace go x.b\nstruct B {}\nservice S { stream<i32> f() }",
	}, "a.idl")
	out, diags, err := gen.Generate(prog, gen.Options{})
	if err != nil || len(diags) != 0 || len(out) != 1 || out[0].Path != filepath.Join("x", "a", "a_gen.go") {
		t.Fatalf("%v, %v, %v", out, diags, err)
	}
	if !strings.Contains(string(out[0].Content), `"x/b"`) {
		t.Errorf("no import of x/b in:\n%s", out[0].Content)
	}
	if out, diags, err := gen.Generate(prog, gen.Options{Recursive: true}); err != nil || len(diags) != 0 || len(out) != 2 {
		t.Errorf("%d files, %v, %v", len(out), diags, err)
	}
}

// TestImportNames: packages of one name get different ones, and an import path whose last element is not the package's
// name is given it.
func TestImportNames(t *testing.T) {
	prog := load(t, schema.Options{}, schema.MapFS{
		"main.idl": "include \"a.idl\"\ninclude \"b.idl\"\ninclude \"c.idl\"\nstruct S { 1: a.T a; 2: b.T b; 3: c.T c }",
		"a.idl":    "namespace go one.shared\nstruct T {}",
		"b.idl":    "namespace go two.shared\nstruct T {}",
		"c.idl":    "namespace go two.Odd\nstruct T {}",
	}, "main.idl")
	out, diags, err := gen.Generate(prog, gen.Options{})
	if err != nil || len(diags) != 0 || len(out) != 1 {
		t.Fatalf("%d files, %v, %v", len(out), diags, err)
	}
	for _, want := range []string{"\t\"one/shared\"\n", "\tshared_ \"two/shared\"\n", "\todd \"two/Odd\"\n", "B shared_.T", "C odd.T"} {
		if !strings.Contains(string(out[0].Content), want) {
			t.Errorf("no %q in:\n%s", want, out[0].Content)
		}
	}
}

// TestFileNames: no base name makes the go command skip or condition the file.
func TestFileNames(t *testing.T) {
	for base, want := range map[string]string{
		"echo": "echo_gen.go", "api_test": "api_test_gen.go", "disk_linux": "disk_linux_gen.go", "a.b-c": "a_b_c_gen.go",
		"_hidden": "hidden_gen.go", ".dot": "dot_gen.go", "7": "x7_gen.go",
	} {
		prog := load(t, schema.Options{}, schema.MapFS{base + ".idl": "namespace go p"}, base+".idl")
		out, diags, err := gen.Generate(prog, gen.Options{})
		if err != nil || len(diags) != 0 || len(out) != 1 || filepath.Base(out[0].Path) != want {
			t.Errorf("%s: %v, %v, %v", base, out, diags, err)
		}
	}
}

// TestComments: text that a Go file cannot hold does not get there.
func TestComments(t *testing.T) {
	prog := load(t, schema.Options{}, schema.MapFS{
		"a.idl": "/** Bad \xff\x00 bytes,\r\n * \ufeff and */\nnamespace go a\n/** Star\n *\n *     indented\n */\nstruct A { /** in\x01side */ 1: i32 x }",
	}, "a.idl")
	out, _, err := gen.Generate(prog, gen.Options{})
	if err != nil || len(out) != 1 {
		t.Fatal(err)
	}
	for _, want := range []string{"// Star\n", "// inside\n"} {
		if !strings.Contains(string(out[0].Content), want) {
			t.Errorf("no %q in:\n%s", want, out[0].Content)
		}
	}
}
