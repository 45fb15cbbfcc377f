package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFaultsPage looks for the tests that docs/faults.md names, and for the rows that it must have.
func TestFaultsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")
	packages := make(map[string]string) // the tests of a package
	ids := make(map[string]bool)
	rows := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Id ") || strings.HasPrefix(line, "| Fault ") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 && len(cells) != 4 {
			t.Errorf("%d cells in %s", len(cells), line)
			continue
		}
		if len(cells) == 4 {
			ids[strings.TrimSpace(cells[0])] = true
		}
		tests := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(tests) == 0 {
			t.Errorf("no test provokes %s", line)
		}
		for _, m := range tests {
			pkg, name := m[1], m[2]
			if packages[pkg] == "" {
				packages[pkg] = testsOf(t, pkg)
			}
			if !strings.Contains(packages[pkg], "\nfunc "+name+"(") {
				t.Errorf("%s has no %s", pkg, name)
			}
		}
	}
	for n := 1; n <= 20; n++ {
		if id := fmt.Sprintf("BAD-%02d", n); !ids[id] {
			t.Errorf("there is no row of %s", id)
		}
	}
	for _, n := range []int{1, 4, 5, 6, 7, 8, 9} {
		if id := fmt.Sprintf("SEC-%02d", n); !ids[id] {
			t.Errorf("there is no row of %s", id)
		}
	}
	if rows < 40 {
		t.Errorf("only %d rows were found", rows)
	}
}

// testsOf returns the test files of a package, one after the other.
func testsOf(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no tests: %v", pkg, err)
	}
	var b strings.Builder
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(src)
	}
	return b.String()
}
