package lint

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocsLinks checks that the README names every page of docs, that links between pages lead to files, and that the
// examples that pages name exist.
func TestDocsLinks(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := "docs/" + filepath.Base(page); !strings.Contains(string(readme), "("+name+")") {
			t.Errorf("README.md does not name %s", name)
		}
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	example := regexp.MustCompile("`([a-z/]+)\\.(Example[A-Za-z0-9_]*)`")
	examples := 0
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} {
		pages = append(pages, filepath.Join(root, name))
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
		for _, m := range example.FindAllStringSubmatch(string(text), -1) {
			examples++
			if !strings.Contains(testsOf(t, m[1]), "\nfunc "+m[2]+"(") {
				t.Errorf("%s: %s has no %s", page, m[1], m[2])
			}
		}
	}
	if examples < 10 {
		t.Errorf("only %d examples are named", examples)
	}
}

// TestTestingPage checks that what docs/testing.md shows is code of tests that run.
func TestTestingPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	code := unindented(testsOf(t, "runtime/rpctest") + testsOf(t, "runtime/handler"))
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(snippets) < 4 {
		t.Errorf("only %d snippets", len(snippets))
	}
	for _, m := range snippets {
		if !strings.Contains(code, unindented(m[1])) {
			t.Errorf("no test has\n%s", m[1])
		}
	}
}

// unindented returns the lines of s without the white space at their ends.
func unindented(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}
