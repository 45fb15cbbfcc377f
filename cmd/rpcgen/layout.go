package main

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kuafu-rpc/kuafu/gen"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// layout decides which Go package an IDL file belongs to and where it lives. usage has the rule.
type layout struct {
	out       string // of -o; empty if none
	goPackage string // of --go-package; empty if none
	roots     []*schema.File

	modules map[string]module // by directory
	err     error             // the first file that could not be read
}

// module is the Go module that a directory belongs to.
type module struct {
	path string // import path of the module; empty if there is none
	root string // its directory
}

// packageOf implements gen.Options.Package.
func (l *layout) packageOf(f *schema.File) gen.Package {
	base := l.out
	if base == "" {
		base = filepath.Dir(f.Path)
	}
	want := gen.NamespacePath(f)
	if l.goPackage != "" && slices.Contains(l.roots, f) {
		want = strings.TrimSuffix(l.goPackage, "/")
	}
	pkg := gen.Package{Path: want, Name: gen.PackageName(want), Dir: filepath.Join(base, filepath.FromSlash(want))}
	mod, err := l.moduleOf(base)
	if err != nil {
		if l.err == nil {
			l.err = err
		}
		return pkg
	}
	if mod.path == "" {
		return pkg
	}
	here, err := importPath(mod, base)
	switch {
	case err != nil:
		if l.err == nil {
			l.err = err
		}
	case want == mod.path || strings.HasPrefix(want, mod.path+"/"):
		pkg.Dir = filepath.Join(mod.root, filepath.FromSlash(strings.TrimPrefix(want, mod.path)))
	case here == want || strings.HasSuffix(here, "/"+want):
		pkg.Path, pkg.Dir = here, base
	default:
		pkg.Path = path.Join(here, want)
	}
	return pkg
}

// importPath returns the import path of a directory of mod.
func importPath(mod module, dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(mod.root, abs)
	if err != nil {
		return "", err
	}
	return path.Join(mod.path, filepath.ToSlash(rel)), nil
}

// moduleOf returns the module of a directory, which need not exist yet.
func (l *layout) moduleOf(dir string) (module, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return module{}, err
	}
	if mod, ok := l.modules[abs]; ok {
		return mod, nil
	}
	mod, err := findModule(abs)
	if err != nil {
		return module{}, err
	}
	if l.modules == nil {
		l.modules = make(map[string]module)
	}
	l.modules[abs] = mod
	return mod, nil
}

// findModule looks for go.mod in dir, which is absolute, and in the directories above it.
func findModule(dir string) (module, error) {
	for {
		name, err := moduleName(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil:
			return module{path: name, root: dir}, nil
		case !errors.Is(err, fs.ErrNotExist):
			return module{}, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return module{}, nil
		}
		dir = parent
	}
}

// moduleName returns what the module line of a go.mod file says.
func moduleName(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "//")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "module")
		if !ok || strings.TrimLeft(rest, " \t\"`") == rest {
			continue
		}
		name := strings.TrimSpace(rest)
		if unquoted, err := strconv.Unquote(name); err == nil {
			name = unquoted
		}
		return name, nil
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", errors.New(file + " has no module line")
}
