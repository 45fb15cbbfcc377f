package gen_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/gen"
	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

var update = flag.Bool("update", false, "rewrite the generated packages under internal/gentest and the expected diagnostics")

const (
	gentestPath = "github.com/kuafu-rpc/kuafu/gen/internal/gentest"
	gentestDir  = "internal/gentest"
)

// TestGeneratedCodeIsFresh generates testdata into internal/gentest and compares; the packages there are compiled with
// the module and used by the tests of package gentest. go test ./gen -update rewrites them.
func TestGeneratedCodeIsFresh(t *testing.T) {
	sources := slices.Concat(glob(t, "testdata/*.idl"), glob(t, "testdata/*.thrift"))
	prog, diags := schema.Load(schema.Options{}, sources...)
	requireNoErrors(t, diags)
	files, diags, err := gen.Generate(prog, gen.Options{Package: gentestPackage})
	if err != nil {
		t.Fatal(err)
	}
	requireNoErrors(t, diags)
	if len(files) != len(sources) {
		t.Fatalf("%d files from %d sources", len(files), len(sources))
	}
	stale := make(map[string]bool) // generated files that nothing generates
	err = filepath.WalkDir(gentestDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_gen.go") {
			stale[path] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		delete(stale, f.Path)
		old, err := os.ReadFile(f.Path)
		switch {
		case err == nil && bytes.Equal(old, f.Content):
		case *update:
			if err := os.MkdirAll(filepath.Dir(f.Path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Path, f.Content, 0o666); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s is not what %s generates: run go test ./gen -update and review the change", f.Path, f.Source.Path)
		}
	}
	for path := range stale {
		if *update {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s is generated from nothing", path)
	}
}

// TestGenerateIsDeterministic generates the same program again, and in another order of its roots.
func TestGenerateIsDeterministic(t *testing.T) {
	sources := slices.Concat(glob(t, "testdata/*.idl"), glob(t, "testdata/*.thrift"))
	generate := func(sources []string) map[string]string {
		prog, _ := schema.Load(schema.Options{}, sources...)
		files, _, err := gen.Generate(prog, gen.Options{Package: gentestPackage})
		if err != nil {
			t.Fatal(err)
		}
		byPath := make(map[string]string)
		for _, f := range files {
			byPath[f.Path] = string(f.Content)
		}
		return byPath
	}
	want := generate(sources)
	slices.Reverse(sources)
	for range 3 {
		for path, content := range generate(sources) {
			if want[path] != content {
				t.Errorf("%s depends on something else than its source", path)
			}
		}
	}
}

// gentestPackage puts every file into a package below internal/gentest.
func gentestPackage(f *schema.File) gen.Package {
	p := gen.NamespacePath(f)
	return gen.Package{
		Path: gentestPath + "/" + p, Name: gen.PackageName(p), Dir: filepath.Join(gentestDir, filepath.FromSlash(p)),
	}
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, error %v", pattern, len(paths), err)
	}
	return paths
}

func requireNoErrors(t *testing.T, diags []*idl.Diagnostic) {
	t.Helper()
	for _, d := range diags {
		if d.Severity == idl.Error {
			t.Errorf("%v", d)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}
