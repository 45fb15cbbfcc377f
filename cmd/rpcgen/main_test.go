package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree makes the test run in a new directory that holds files.
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// rpcgen runs the command and returns its exit status and what it printed.
func rpcgen(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

// generated returns the paths of all Go files below the current directory, and fails on anything that a run left behind.
func generated(t *testing.T) []string {
	t.Helper()
	paths := []string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
		case strings.HasPrefix(d.Name(), "."):
			t.Errorf("temporary file %s was left", path)
		case strings.HasSuffix(path, ".go"):
			paths = append(paths, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLayout: which files a command line writes, and under which path their packages import one another.
func TestLayout(t *testing.T) {
	const mod = "// a comment\nmodule  \"example.com/mod\" // another\n\ngo 1.26\n"
	for _, test := range []struct {
		name  string
		files map[string]string
		args  []string
		want  []string
		has   map[string]string // file -> text in it
	}{
		{
			name:  "below the directory of the file",
			files: map[string]string{"go.mod": mod, "service.idl": "namespace go hello"},
			args:  []string{"service.idl"},
			want:  []string{"hello/service_gen.go"},
			has:   map[string]string{"hello/service_gen.go": "package hello\n"},
		},
		{
			name:  "the directory is the package",
			files: map[string]string{"go.mod": mod, "api/echo/echo.idl": "namespace go echo"},
			args:  []string{"api/echo/echo.idl"},
			want:  []string{"api/echo/echo_gen.go"},
		},
		{
			name:  "the directory is the package, of several elements",
			files: map[string]string{"go.mod": mod, "api/v1/echo.idl": "namespace go api.v1"},
			args:  []string{"api/v1/echo.idl"},
			want:  []string{"api/v1/echo_gen.go"},
			has:   map[string]string{"api/v1/echo_gen.go": "package v1\n"},
		},
		{
			name:  "no namespace",
			files: map[string]string{"go.mod": mod, "Disk-Usage.idl": ""},
			args:  []string{"Disk-Usage.idl"},
			want:  []string{"disk_usage/Disk_Usage_gen.go"},
		},
		{
			name:  "no module",
			files: map[string]string{"echo/echo.idl": "namespace go a.b"},
			args:  []string{"echo/echo.idl"},
			want:  []string{"echo/a/b/echo_gen.go"},
		},
		{
			name:  "-o",
			files: map[string]string{"go.mod": mod, "idl/echo.idl": "namespace go a.b"},
			args:  []string{"-o", "gen", "idl/echo.idl"},
			want:  []string{"gen/a/b/echo_gen.go"},
		},
		{
			name:  "-o that is the package",
			files: map[string]string{"go.mod": mod, "idl/echo.idl": "namespace go echo"},
			args:  []string{"-o", "gen/echo", "idl/echo.idl"},
			want:  []string{"gen/echo/echo_gen.go"},
		},
		{
			name:  "--go-package with an import path of the module",
			files: map[string]string{"go.mod": mod, "idl/echo.idl": "namespace go ignored"},
			args:  []string{"--go-package", "example.com/mod/internal/echo/v2", "idl/echo.idl"},
			want:  []string{"internal/echo/v2/echo_gen.go"},
			has:   map[string]string{"internal/echo/v2/echo_gen.go": "package echo\n"},
		},
		{
			name:  "--go-package for several files",
			files: map[string]string{"go.mod": mod, "a.idl": "", "b.idl": "namespace go other"},
			args:  []string{"-go-package=one", "a.idl", "b.idl"},
			want:  []string{"one/a_gen.go", "one/b_gen.go"},
		},
		{
			name: "an included package is imported by its path, and not generated",
			files: map[string]string{
				"go.mod": mod, "svc/a.idl": "include \"../shared/s.idl\"\nnamespace go svc\nstruct A { 1: s.S s }",
				"shared/s.idl": "namespace go shared\nstruct S {}",
			},
			args: []string{"svc/a.idl"},
			want: []string{"svc/a_gen.go"},
			has:  map[string]string{"svc/a_gen.go": "\t\"example.com/mod/shared\"\n"},
		},
		{
			name: "-r, -I, flags after files, and -o",
			files: map[string]string{
				"go.mod": mod, "svc/a.idl": "include \"s.idl\"\nnamespace go svc\nstruct A { 1: s.S s }",
				"inc/deep/s.idl": "namespace go shared\nstruct S {}",
			},
			args: []string{"svc/a.idl", "-I", "nowhere", "--I=inc/deep", "-r", "--o", "out"},
			want: []string{"out/shared/s_gen.go", "out/svc/a_gen.go"},
			has:  map[string]string{"out/svc/a_gen.go": "\t\"example.com/mod/out/shared\"\n"},
		},
		{
			name:  "a module in a nested directory",
			files: map[string]string{"go.mod": mod, "nested/go.mod": "module nested\n", "nested/x/x.idl": "namespace go x"},
			args:  []string{"nested/x/x.idl"},
			want:  []string{"nested/x/x_gen.go"},
		},
		{
			name:  "a file after --",
			files: map[string]string{"go.mod": mod, "-r.idl": "namespace go dash"},
			args:  []string{"--", "-r.idl"},
			want:  []string{"dash/r_gen.go"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree(t, test.files)
			status, stdout, stderr := rpcgen(test.args...)
			if status != exitOK || stdout != "" || stderr != "" {
				t.Fatalf("status %d, output %q, errors:\n%s", status, stdout, stderr)
			}
			if diff := cmp.Diff(test.want, generated(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for path, text := range test.has {
				if !strings.Contains(read(t, path), text) {
					t.Errorf("no %q in:\n%s", text, read(t, path))
				}
			}
		})
	}
}

// TestUnchanged: a file that would not change is not written again, one that would is replaced.
func TestUnchanged(t *testing.T) {
	tree(t, map[string]string{"go.mod": "module m\n", "a.idl": "namespace go a\nstruct A {}"})
	if status, _, stderr := rpcgen("a.idl"); status != exitOK {
		t.Fatal(stderr)
	}
	const out = "a/a_gen.go"
	first, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := rpcgen("a.idl"); status != exitOK {
		t.Fatal(stderr)
	}
	if again, err := os.Stat(out); err != nil || !os.SameFile(first, again) {
		t.Errorf("the file was replaced by an equal one (error %v)", err)
	}
	content := read(t, out)
	if err := os.WriteFile(out, []byte("package a // by hand\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := rpcgen("a.idl"); status != exitOK {
		t.Fatal(stderr)
	}
	if read(t, out) != content {
		t.Error("the file was not replaced")
	}
	generated(t)
}

const broken = `struct A {
  1: Strng name
}
`

// TestDiagnostics: errors are printed, nothing is written, and what was there before stays.
func TestDiagnostics(t *testing.T) {
	tree(t, map[string]string{"go.mod": "module m\n", "good.idl": "namespace go a", "bad.idl": broken, "a/bad_gen.go": "package a\n"})
	status, stdout, stderr := rpcgen("good.idl", "bad.idl")
	want := "error[E111]: unknown type `Strng`\n" +
		" --> bad.idl:2:6\n" +
		"  |\n" +
		"2 |   1: Strng name\n" +
		"  |      ^^^^^\n" +
		"  |\n" +
		"  = help: did you mean `string`?\n\n"
	if status != exitDiagnostics || stdout != "" || stderr != want {
		t.Errorf("status %d, output %q, errors:\n%s", status, stdout, stderr)
	}
	if got := generated(t); !slices.Equal(got, []string{"a/bad_gen.go"}) {
		t.Errorf("files %v", got)
	}
}

func TestJSON(t *testing.T) {
	tree(t, map[string]string{"bad.idl": broken})
	status, stdout, stderr := rpcgen("--format", "json", "bad.idl")
	var d struct {
		Code, File string
		Start      struct{ Line, Col int }
	}
	if err := json.Unmarshal([]byte(stderr), &d); err != nil || status != exitDiagnostics || stdout != "" {
		t.Fatalf("status %d, %v: %s", status, err, stderr)
	}
	if d.Code != "E111" || d.File != "bad.idl" || d.Start.Line != 2 || d.Start.Col != 6 {
		t.Errorf("%+v", d)
	}
}

// TestStrict: a warning is printed and the file written; with --strict it is an error.
func TestStrict(t *testing.T) {
	tree(t, map[string]string{"go.mod": "module m\n", "a.idl": "struct A { string noID }"})
	status, _, stderr := rpcgen("--strict", "a.idl")
	if status != exitDiagnostics || !strings.HasPrefix(stderr, "error[W050]") || len(generated(t)) != 0 {
		t.Errorf("status %d, files %v, errors:\n%s", status, generated(t), stderr)
	}
	status, _, stderr = rpcgen("a.idl")
	if status != exitOK || !strings.HasPrefix(stderr, "warning[W050]") || len(generated(t)) != 1 {
		t.Errorf("status %d, files %v, errors:\n%s", status, generated(t), stderr)
	}
	if strings.Contains(stderr, "\x1b") {
		t.Error("colour on something that is no terminal")
	}
}

func TestNegativeIDs(t *testing.T) {
	tree(t, map[string]string{"go.mod": "module m\n", "a.idl": "struct A { -7: string s }"})
	status, _, stderr := rpcgen("--allow-negative-ids", "a.idl")
	if status != exitOK || !strings.Contains(read(t, "a/a_gen.go"), "e.StringField(-7, m.S)") {
		t.Errorf("status %d, errors:\n%s", status, stderr)
	}
}

func TestUsage(t *testing.T) {
	tree(t, map[string]string{"a.idl": ""})
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "no IDL file given"},
		{[]string{"-r"}, "no IDL file given"},
		{[]string{"--nonsense", "a.idl"}, "provided but not defined: -nonsense"},
		{[]string{"a.idl", "-o"}, "needs an argument: -o"},
		{[]string{"--format", "xml", "a.idl"}, `--format is "xml"`},
		{[]string{"-I", "", "a.idl"}, "no directory given"},
		{[]string{"-r=maybe", "a.idl"}, "-r"},
	} {
		status, stdout, stderr := rpcgen(test.args...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, "rpcgen --help") {
			t.Errorf("%q: status %d, output %q, errors %q, want %q", test.args, status, stdout, stderr, test.want)
		}
	}
	if len(generated(t)) != 0 {
		t.Error("something was generated")
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, flag := range []string{"-h", "--h", "-help", "--help"} {
		if status, stdout, stderr := rpcgen(flag); status != exitOK || stdout != usage || stderr != "" {
			t.Errorf("%s: status %d, output %q, errors %q", flag, status, stdout, stderr)
		}
	}
	if status, stdout, _ := rpcgen("--version"); status != exitOK || !strings.HasPrefix(stdout, "rpcgen ") {
		t.Errorf("status %d, output %q", status, stdout)
	}
	for line := range strings.Lines(usage) {
		if len(strings.TrimRight(line, "\n")) > 120 {
			t.Errorf("long line in the help: %q", line)
		}
	}
}

// TestIOErrors: what cannot be read or written.
func TestIOErrors(t *testing.T) {
	tree(t, map[string]string{
		"go.mod": "module m\n", "a.idl": "namespace go a", "a": "a file where a directory should be",
		"b.idl": "namespace go b", "b/b_gen.go/x": "a directory where a file should be",
		"nomodule/go.mod": "go 1.26\n", "nomodule/c.idl": "",
	})
	for _, test := range []struct {
		file   string
		status int
		want   string
	}{
		{"missing.idl", exitDiagnostics, "missing.idl"},
		{"a.idl", exitInternal, "a"},
		{"b.idl", exitInternal, "b_gen.go"},
		{"nomodule/c.idl", exitInternal, "has no module line"},
	} {
		status, _, stderr := rpcgen(test.file)
		if status != test.status || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: status %d, errors %q", test.file, status, stderr)
		}
	}
	generated(t)
}

// TestMain lets the test binary stand for the command, for what needs a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("RPCGEN_TEST_RUN_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestProcess: exit status, streams and file mode as a shell sees them.
func TestProcess(t *testing.T) {
	tree(t, map[string]string{"go.mod": "module m\n", "a.idl": "namespace go a", "bad.idl": broken})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   string
		status int
	}{{"a.idl", 0}, {"bad.idl", 1}, {"", 2}} {
		cmd := exec.Command(self, strings.Fields(test.args)...)
		cmd.Env = append(os.Environ(), "RPCGEN_TEST_RUN_MAIN=1")
		out, _ := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != test.status || len(out) != 0 {
			t.Errorf("rpcgen %s: exit status %d, output %q", test.args, got, out)
		}
	}
	written, err := os.Stat("a/a_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.Stat("a.idl")
	if err != nil {
		t.Fatal(err)
	}
	if written.Mode() != plain.Mode() {
		t.Errorf("mode %v, want that of any new file, %v", written.Mode(), plain.Mode())
	}
}

// TestNoEmbed: the text of the IDL is in the Go file unless it is asked not to be.
func TestNoEmbed(t *testing.T) {
	tree(t, map[string]string{"go.mod": "module m\n", "a.idl": "// a remark\n"})
	for _, test := range []struct {
		args []string
		want bool
	}{{[]string{"a.idl"}, true}, {[]string{"--no-embed-idl", "a.idl"}, false}} {
		if status, _, stderr := rpcgen(test.args...); status != 0 {
			t.Fatal(stderr)
		}
		if got := strings.Contains(read(t, "a/a_gen.go"), "a remark"); got != test.want {
			t.Errorf("%q: the remark is there: %v", test.args, got)
		}
	}
}
