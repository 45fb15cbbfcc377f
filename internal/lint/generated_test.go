package lint

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/gen"
	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

var update = flag.Bool("update", false, "rewrite what is generated")

// generate matches the lines that make Go files from IDL files in this module.
var generate = regexp.MustCompile(`(?m)^//go:generate go run github\.com/kuafu-rpc/kuafu/cmd/rpcgen (.*)$`)

// TestGeneratedCodeIsFresh runs every go:generate line that calls rpcgen, into a copy of the directory, and compares.
func TestGeneratedCodeIsFresh(t *testing.T) {
	rpcgen := filepath.Join(t.TempDir(), "rpcgen")
	if out, err := exec.Command("go", "build", "-o", rpcgen, module+"/cmd/rpcgen").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := 0
	sources(t, func(path string, src []byte) {
		for _, m := range generate.FindAllSubmatch(src, -1) {
			found++
			if strings.HasSuffix(path, "_test.go") {
				t.Errorf("%s: a go:generate line in a test", path)
			}
			regenerate(t, rpcgen, filepath.Dir(path), strings.Fields(string(m[1])))
		}
	})
	if found == 0 {
		t.Fatal("no go:generate line was found")
	}
}

func regenerate(t *testing.T, rpcgen, dir string, args []string) {
	t.Helper()
	before := snapshot(t, dir)
	cmd := exec.Command(rpcgen, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: rpcgen %s: %v\n%s", dir, strings.Join(args, " "), err, out)
		return
	}
	after := snapshot(t, dir)
	for path, text := range after {
		if old, ok := before[path]; ok && old == text {
			continue
		}
		t.Errorf("%s was not fresh; run go generate and commit the result", path)
		if old, ok := before[path]; ok && !*update { // leave the tree as it was
			if err := os.WriteFile(path, []byte(old), 0o644); err != nil {
				t.Error(err)
			}
		} else if !*update {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
	}
}

// snapshot reads the generated files below dir.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_gen.go") {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestErrorCodes keeps docs/errors.md equal to the tables in the code.
func TestErrorCodes(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What rpcgen complains about\n\n")
	b.WriteString("Every message has a code. Errors (E) stop the compiler; warnings (W) do not.\n")
	b.WriteString("This page is made from the tables in the code: `go test ./internal/lint -run TestErrorCodes -update`.\n\n")
	b.WriteString("## Syntax\n\n| Code | Meaning |\n|---|---|\n")
	for _, c := range idl.Codes() {
		fmt.Fprintf(&b, "| %s | %s |\n", c.Code, cell(c.Explanation))
	}
	b.WriteString("\n## Meaning\n\nThe last column says what `--strict` makes an error.\n\n| Code | Meaning | Strict |\n|---|---|---|\n")
	for _, c := range schema.Codes() {
		strict := ""
		if c.Strict {
			strict = "error"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Code, cell(c.Explanation), strict)
	}
	b.WriteString("\n## Go\n\n| Code | Meaning |\n|---|---|\n")
	for _, c := range gen.Codes() {
		fmt.Fprintf(&b, "| %s | %s |\n", c.Code, cell(c.Explanation))
	}
	path := filepath.Join(root, "docs", "errors.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is not fresh; run the command that it names", path)
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
