package schema

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
)

// loader reads files and follows their includes.
type loader struct {
	*reporter
	opts    Options
	program *Program
	units   []*unit          // finished ones, includes before includers
	byKey   map[string]*unit // by canonical path; nil for a file that could not be read
	stack   []includeHop     // the files being loaded, outermost first
	full    bool             // the number of files has been reported
}

// includeHop is a file on the way down, and the include that the way goes on through.
type includeHop struct {
	unit *unit
	next *idl.Include
}

func newLoader(opts Options, r *reporter) *loader {
	return &loader{reporter: r, opts: opts, program: &Program{}, byKey: make(map[string]*unit)}
}

// key returns the name under which a file is known, whichever way it was asked for.
func (ld *loader) key(path string) string {
	if c, ok := ld.opts.FS.(interface{ Canonical(string) string }); ok {
		return c.Canonical(path)
	}
	return path
}

// root loads a file that was asked for.
func (ld *loader) root(path string) {
	path = filepath.Clean(path)
	u, known := ld.byKey[ld.key(path)]
	if !known {
		src, err := ld.opts.FS.ReadFile(path)
		if err != nil {
			ld.byKey[ld.key(path)] = nil
			ld.add(codeUnreadable, &File{Path: path}, idl.Span{}, "cannot read the file: %s", reason(err))
			return
		}
		u = ld.parse(path, src)
	}
	if u == nil {
		return
	}
	for _, f := range ld.program.Roots {
		if f == u.file {
			return
		}
	}
	ld.program.Roots = append(ld.program.Roots, u.file)
}

// reason says what is wrong with a file without repeating its name.
func reason(err error) string {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.As(err, &pathErr):
		return pathErr.Err.Error()
	default:
		return err.Error()
	}
}

// parse makes a unit of a file's text and loads what it includes. It returns nil where there are too many.
func (ld *loader) parse(path string, src []byte) *unit {
	f := &File{Path: path, Base: baseName(path)}
	if len(ld.byKey) >= maxFiles {
		if !ld.full {
			ld.full = true
			ld.add(codeTooManyFiles, f, idl.Span{}, "the program has more than %d files; this one and others are left out", maxFiles)
		}
		return nil
	}
	ast, diags := idl.Parse(path, src)
	ld.diags = append(ld.diags, diags...)
	f.AST = ast
	u := newUnit(f, diags)
	ld.byKey[ld.key(path)] = u
	ld.stack = append(ld.stack, includeHop{unit: u})
	ld.headers(u)
	ld.stack = ld.stack[:len(ld.stack)-1]
	u.loaded = true
	ld.units = append(ld.units, u)
	ld.program.Files = append(ld.program.Files, f)
	return u
}

// baseName returns the prefix by which other files refer to the file at path.
func baseName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// headers loads the includes of u and checks its namespaces.
func (ld *loader) headers(u *unit) {
	includes := make(map[*unit]*idl.Include)  // the first include of each file
	prefixes := make(map[string]*idl.Include) // the first include of each base name
	namespaces := make(map[string]*idl.Namespace)
	for _, h := range u.file.AST.Headers {
		switch h := h.(type) {
		case *idl.Namespace:
			if first := namespaces[h.Scope.Name]; first != nil {
				d := ld.add(codeNamespaceTwice, u.file, h.Span, "namespace `%s` is given twice; this one counts", h.Scope.Name)
				label(d, u.file, first.Span, "first given here")
			} else {
				namespaces[h.Scope.Name] = h
			}
		case *idl.Include:
			base := baseName(h.Path.Value)
			inc := ld.include(u, h)
			if inc == nil {
				u.lost[base] = true
				continue
			}
			if first := includes[inc]; first != nil {
				d := ld.add(codeIncludedTwice, u.file, h.Path.Span, "`%s` is included twice", h.Path.Value)
				label(d, u.file, first.Path.Span, "first included here")
				continue
			}
			includes[inc] = h
			if first := prefixes[base]; first != nil {
				d := ld.add(codeIncludeAmbiguous, u.file, h.Path.Span, "two includes have the base name `%s`", base)
				label(d, u.file, first.Path.Span, "the other one, `%s`", u.includes[base].file.Path)
				d.Help = message("names of both would be written `%s.Name`: rename one of the files, or include one file that includes neither", base)
				u.lost[base] = true
				continue
			}
			prefixes[base] = h
			u.includes[base] = inc
			u.file.Includes = append(u.file.Includes, inc.file)
		}
	}
}

// include finds and loads the file that h names. It returns nil after reporting why there is none.
func (ld *loader) include(u *unit, h *idl.Include) *unit {
	ld.stack[len(ld.stack)-1].next = h
	candidates := ld.candidates(u.file.Path, h.Path.Value)
	for _, path := range candidates {
		if known, ok := ld.byKey[ld.key(path)]; ok {
			if known != nil && !known.loaded {
				ld.includeCycle(known)
				return nil
			}
			return known // nil where the file was refused, which has been reported
		}
		src, err := ld.opts.FS.ReadFile(path)
		switch {
		case err == nil:
			return ld.parse(path, src)
		case !errors.Is(err, fs.ErrNotExist):
			ld.add(codeUnreadable, u.file, h.Path.Span, "cannot read `%s`: %s", path, reason(err))
			return nil
		}
	}
	d := ld.add(codeMissingInclude, u.file, h.Path.Span, "included file `%s` is not found", h.Path.Value)
	d.Help = message("searched `%s`; -I adds a directory to the search", strings.Join(candidates, "`, `"))
	return nil
}

// candidates returns the paths that an include may stand for, in the order of the search, each once.
func (ld *loader) candidates(from, path string) []string {
	if r, ok := ld.opts.FS.(interface {
		Resolve(from, path string) string
	}); ok {
		return []string{r.Resolve(from, path)}
	}
	if filepath.IsAbs(path) {
		return []string{filepath.Clean(path)}
	}
	var paths []string
	seen := make(map[string]bool)
	for _, dir := range append([]string{filepath.Dir(from)}, ld.opts.IncludeDirs...) {
		if p := filepath.Join(dir, path); !seen[p] {
			seen[p] = true
			paths = append(paths, p)
		}
	}
	return paths
}

// includeCycle reports that the innermost file of the stack includes one that is further out.
func (ld *loader) includeCycle(to *unit) {
	start := len(ld.stack) - 1
	for ld.stack[start].unit != to {
		start--
	}
	hops := ld.stack[start:]
	last := hops[len(hops)-1]
	if len(hops) == 1 {
		ld.add(codeIncludeCycle, to.file, last.next.Path.Span, "`%s` includes itself", to.file.Path)
		return
	}
	names := make([]string, 0, len(hops)+1)
	for _, hop := range hops {
		names = append(names, hop.unit.file.Path)
	}
	names = append(names, to.file.Path)
	d := ld.add(codeIncludeCycle, last.unit.file, last.next.Path.Span, "include cycle: %s", chain(names))
	for i, hop := range hops[:len(hops)-1] {
		label(d, hop.unit.file, hop.next.Path.Span, "`%s` includes `%s` here", names[i], names[i+1])
	}
	d.Help = "move what both need into a file that includes neither"
}
