package lint

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Properties that no test of a package could show, because they are about what the code never does.

// mayTouchFiles are the files of the runtime that name files to the system, and where the names come from. None comes from
// a peer, so there is nothing that would have to be kept inside of a directory (os.Root).
var mayTouchFiles = map[string]string{
	"runtime/auth/files.go":           "certificates, secrets, policies: the operator's",
	"runtime/listener/unix.go":        "the socket that the server was told to listen on",
	"runtime/listener/accept.go":      "/dev/null, for the spare descriptor",
	"runtime/observe/admin/listen.go": "the socket of the admin page",
}

// notForPeers are functions that no code of the runtime calls: an answer of the DNS about an address is its owner's word.
var notForPeers = map[string]string{
	"net.LookupAddr":  "a reverse look-up must not name anybody",
	"net.LookupCNAME": "certificates are checked against the name that was dialed",
}

// TestDangerousCalls goes through what runtime, service and dynamic call of packages os and net.
func TestDangerousCalls(t *testing.T) {
	seen := make(map[string]bool)
	sources(t, func(path string, src []byte) {
		rel, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		rel = filepath.ToSlash(rel)
		served := slices.ContainsFunc([]string{"runtime/", "service/", "dynamic/"}, func(tree string) bool { return strings.HasPrefix(rel, tree) })
		if !served || strings.HasSuffix(rel, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" && namesFile(s.Sel.Name) {
				seen[rel] = true
				if mayTouchFiles[rel] == "" {
					t.Errorf("%s uses os.%s: where does the name come from?", rel, s.Sel.Name)
				}
			}
			for name, why := range notForPeers {
				if strings.HasSuffix(name, "."+s.Sel.Name) {
					t.Errorf("%s uses %s: %s", rel, name, why)
				}
			}
			return true
		})
	})
	for file := range mayTouchFiles {
		if !seen[file] {
			t.Errorf("%s touches no files: take it off the list", file)
		}
	}
}

// namesFile reports whether a function of package os takes a file's name.
func namesFile(f string) bool {
	return slices.Contains([]string{"Open", "OpenFile", "OpenRoot", "OpenInRoot", "Create", "CreateTemp", "ReadFile", "WriteFile", "ReadDir", "DirFS", "Stat", "Lstat",
		"Remove", "RemoveAll", "Rename", "Mkdir", "MkdirAll", "MkdirTemp", "Chmod", "Chown", "Link", "Symlink", "Readlink", "Truncate"}, f)
}

// TestNoChecksBehindBuildTags: a check must not go away with a tag, so files differ by system, or by what tests run with,
// and by nothing else. Sanitizers have to see what nonblock moves, so it moves it another way for them.
func TestNoChecksBehindBuildTags(t *testing.T) {
	systems := []string{"unix", "linux", "darwin", "windows", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris"}
	sanitizers := []string{"race", "msan", "asan"}
	found := 0
	sources(t, func(path string, src []byte) {
		known := systems
		switch {
		case strings.Contains(filepath.ToSlash(path), "runtime/internal/nonblock/"):
			known = append(known, sanitizers...)
		case strings.HasSuffix(path, "_test.go"):
			known = append(known, "race")
		}
		for line := range strings.Lines(string(src)) {
			if strings.HasPrefix(line, "package ") {
				break
			}
			if !constraint.IsGoBuild(line) {
				continue
			}
			expr, err := constraint.Parse(strings.TrimSpace(line))
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			found++
			for _, answer := range []bool{true, false} { // between them they ask for every tag
				expr.Eval(func(tag string) bool {
					if !slices.Contains(known, tag) {
						t.Errorf("%s depends on the tag %s", path, tag)
					}
					return answer
				})
			}
		}
	})
	if found < 5 {
		t.Errorf("only %d build tags were found", found)
	}
}
