package gen

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// pkg is one Go package of the program.
type pkg struct {
	Package
	units []*unit // in the order of the program
	scope scope   // package-level names
}

// DefaultPackage returns the package that a file asks for with `namespace go`: dots and slashes separate the elements
// of its path, and its directory is the path. A file without one has its base name as path.
func DefaultPackage(f *schema.File) Package {
	p := NamespacePath(f)
	return Package{Path: p, Name: PackageName(p), Dir: filepath.FromSlash(p)}
}

// NamespacePath returns the import path that `namespace go` asks for, "a/b" for both a.b and a/b; the file's base name
// where there is none.
func NamespacePath(f *schema.File) string {
	ns := f.Namespace("go")
	switch {
	case ns == "":
		return strings.ToLower(identifier(f.Base))
	case strings.Contains(ns, "/"):
		return path.Clean(ns) // a full import path: its dots are part of a domain name
	}
	return strings.ReplaceAll(ns, ".", "/")
}

// PackageName returns the name of a package with the given import path: its last element, or the one before a major
// version suffix, made a valid identifier.
func PackageName(importPath string) string {
	name := path.Base(importPath)
	if parent := path.Dir(importPath); parent != "." && isMajorVersion(name) && strings.Contains(parent, ".") {
		name = path.Base(parent)
	}
	name = strings.ToLower(identifier(name))
	if name != "main" && reservedWords[name] {
		name += "_"
	}
	return name
}

func isMajorVersion(s string) bool {
	return len(s) > 1 && s[0] == 'v' && s != "v1" && strings.Trim(s[1:], "0123456789") == ""
}

// identifier replaces what an identifier cannot hold by underscores.
func identifier(s string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		if r < 0x80 && (isLower(byte(r)) || isUpper(byte(r)) || isDigit(byte(r))) {
			return r
		}
		return '_'
	}, s), "_")
	if s == "" || isDigit(s[0]) {
		s = "x" + s
	}
	return s
}

// fileName returns the name of the Go file of an IDL file. The suffix keeps a base name like "disk_linux" or "api_test"
// from being taken for a build constraint or a test.
func fileName(f *schema.File) string { return identifier(f.Base) + "_gen.go" }

// addFile puts f into its package.
func (g *generator) addFile(f *schema.File, wanted bool) {
	want := g.opts.Package(f)
	u := &unit{file: f, name: fileName(f), wanted: wanted, used: make(map[string]bool)}
	g.units[f] = u
	p := g.packages[want.Path]
	if p == nil {
		p = &pkg{Package: want}
		g.packages[want.Path] = p
		g.order = append(g.order, p)
	}
	u.pkg = p
	p.units = append(p.units, u)
	where := namespaceSpan(f)
	if !validImportPath(want.Path) {
		g.report(codePackagePath, f, where, "%q is not a Go import path", want.Path)
	}
	if want.Name != p.Name || want.Dir != p.Dir {
		d := g.report(codePackageClash, f, where, "package %q is both %s in %q and %s in %q",
			want.Path, p.Name, p.Dir, want.Name, want.Dir)
		d.Help = "generate them with one -o directory"
	}
	for _, other := range g.order {
		if other.Path != want.Path && filepath.Clean(other.Dir) == filepath.Clean(want.Dir) {
			d := g.report(codePackageClash, f, where, "the packages %q and %q share the directory %q", other.Path, want.Path, want.Dir)
			d.Help = "give the files one `namespace go`, or generate with -o"
			break
		}
	}
	for _, other := range p.units[:len(p.units)-1] {
		// Some file systems do not tell the cases apart.
		if strings.EqualFold(other.name, u.name) {
			d := g.report(codeOutputClash, f, where, "the Go file %s would be that of `%s` too", u.path(), other.file.Path)
			d.Help = "rename one of the files, or give them different packages"
		}
	}
}

// namespaceSpan is the place of a file's `namespace go`, or of whatever decides its package: the first line.
func namespaceSpan(f *schema.File) idl.Span {
	var span idl.Span
	for _, h := range f.AST.Headers {
		if ns, ok := h.(*idl.Namespace); ok && (ns.Scope.Name == "go" || ns.Scope.Name == "*" && !span.Start.IsValid()) {
			span = ns.Name.Span
		}
	}
	return span
}

// validImportPath is what the go command accepts, less what only the standard library uses.
func validImportPath(p string) bool {
	if p == "" || path.Clean(p) != p || path.IsAbs(p) || p == "." || p == ".." || strings.HasPrefix(p, "../") {
		return false
	}
	for _, r := range p {
		switch {
		case r < 0x80 && (isLower(byte(r)) || isUpper(byte(r)) || isDigit(byte(r))):
		case strings.ContainsRune("-._~/+", r):
		default:
			return false
		}
	}
	return true
}

// importNames gives every package that the file may come to import a name. It depends on the includes alone, not on
// what is used in the end, so that the name of a parameter does not depend on it either.
func (g *generator) importNames(u *unit) {
	paths := make(map[string]*pkg)
	seen := make(map[*schema.File]bool)
	var visit func(f *schema.File)
	visit = func(f *schema.File) {
		if seen[f] {
			return
		}
		seen[f] = true
		if p := g.units[f].pkg; p != u.pkg {
			paths[p.Path] = p
		}
		for _, inc := range f.Includes {
			visit(inc)
		}
	}
	visit(u.file)
	sorted := make([]string, 0, len(paths))
	for p := range paths {
		sorted = append(sorted, p)
	}
	slices.Sort(sorted)
	names := newScope(reservedWords, localNames, u.pkg.scope)
	u.imports = make(map[string]string)
	for _, p := range sorted {
		u.imports[p] = names.claim(paths[p].Name)
	}
}

// use notes that the file imports a package, and returns the package's name in it.
func (u *unit) use(importPath string) string {
	u.used[importPath] = true
	if name, ok := u.imports[importPath]; ok {
		return name
	}
	return path.Base(importPath) // of the standard library or the runtime
}

// header prints everything above the first definition: it must come last, because imports follow from use.
func (e *emitter) header() {
	e.P("// Code generated by rpcgen from ", filepath.Base(e.file.Path), ". DO NOT EDIT.")
	e.P()
	e.comment("Package " + e.pkg.Name + " is generated from " + filepath.Base(e.file.Path) + ".\n\n" + e.file.AST.Doc)
	e.P("package ", e.pkg.Name)
	e.P()
	rpc := e.use(rpcPath)
	var std, other []string
	for p := range e.used {
		if strings.Contains(p, ".") || e.imports[p] != "" {
			other = append(other, p)
		} else {
			std = append(std, p)
		}
	}
	slices.Sort(std)
	slices.Sort(other)
	e.P("import (")
	for _, p := range std {
		e.importLine(p)
	}
	e.P()
	for _, p := range other {
		e.importLine(p)
	}
	e.P(")")
	e.P()
	e.P("// The generated code fits this generation of the runtime.")
	e.P("const _ = ", rpc, ".GeneratedV1")
	e.P()
}

func (e *emitter) importLine(p string) {
	if name := e.imports[p]; name != "" && name != path.Base(p) {
		e.P(name, " ", quote(p))
		return
	}
	e.P(quote(p))
}

// checkImports reports the cycles among the packages that are generated. Files do not include one another in circles,
// but packages made of several files can.
func (g *generator) checkImports() {
	const (
		untouched = iota
		active
		done
	)
	state := make(map[*pkg]int)
	var stack []*pkg
	var visit func(p *pkg)
	visit = func(p *pkg) {
		state[p] = active
		stack = append(stack, p)
		for _, u := range p.units {
			for _, to := range g.order {
				if !u.used[to.Path] || to == p {
					continue
				}
				switch state[to] {
				case untouched:
					visit(to)
				case active:
					g.importCycle(u, stack[slices.Index(stack, to):])
				}
			}
		}
		stack = stack[:len(stack)-1]
		state[p] = done
	}
	for _, p := range g.order {
		if state[p] == untouched {
			visit(p)
		}
	}
}

// importCycle reports that the import by u closes a cycle.
func (g *generator) importCycle(u *unit, cycle []*pkg) {
	var b strings.Builder
	for _, p := range cycle {
		b.WriteString(p.Path + " -> ")
	}
	b.WriteString(cycle[0].Path)
	d := g.report(codeImportCycle, u.file, g.includeSpan(u.file, cycle[0]), "import cycle between Go packages: %s", b.String())
	d.Help = "give these files one `namespace go`, or move what both sides need into a third package"
}

// includeSpan is the place of the include through which f comes to use package p.
func (g *generator) includeSpan(f *schema.File, p *pkg) idl.Span {
	var reaches func(f *schema.File) bool
	reaches = func(f *schema.File) bool {
		return g.units[f].pkg == p || slices.ContainsFunc(f.Includes, reaches)
	}
	i := 0
	for _, h := range f.AST.Headers {
		inc, ok := h.(*idl.Include)
		if !ok {
			continue
		}
		if i < len(f.Includes) && reaches(f.Includes[i]) {
			return inc.Path.Span
		}
		i++
	}
	return namespaceSpan(f)
}
