package gen

import (
	"fmt"
	"go/format"
	"path/filepath"
	"slices"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// Import paths of the two packages that generated code is built on.
const (
	rpcPath   = "github.com/kuafu-rpc/kuafu/runtime/rpc"
	codecPath = "github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Options says what to generate and where it belongs. The zero value generates the files that were asked for, each into
// the package that DefaultPackage names.
type Options struct {
	// Package returns the Go package of a file; nil means DefaultPackage. Files of one Path share a package, and must
	// have one Name and one Dir. It is called for included files too, so that they can be imported.
	Package func(*schema.File) Package

	// Recursive generates the included files too.
	Recursive bool

	// NoEmbed leaves the text of the IDL files out of the Go files, so that servers cannot show it by reflection.
	NoEmbed bool
}

// Package is where the Go code of an IDL file belongs.
type Package struct {
	Path string // import path
	Name string // a Go identifier, normally the last element of Path
	Dir  string // directory of the package's files; OutputFile.Path starts with it
}

// OutputFile is one generated file.
type OutputFile struct {
	Path    string // Package.Dir joined with the file's name
	Source  *schema.File
	Content []byte // formatted as gofmt does
}

// Generate returns the Go files of prog, which must have been loaded without errors, in the order of its files. There
// are none if a diagnostic is an error: half of a program helps nobody. The last result is not nil only if the
// generator itself is at fault.
func Generate(prog *schema.Program, opts Options) ([]OutputFile, []*idl.Diagnostic, error) {
	if opts.Package == nil {
		opts.Package = DefaultPackage
	}
	g := &generator{
		opts:     opts,
		units:    make(map[*schema.File]*unit),
		packages: make(map[string]*pkg),
		names:    make(map[any]string),
		keyable:  make(map[*schema.Struct]bool),
		defaults: make(map[*schema.Struct]bool),
		reaches:  make(map[*schema.Struct]map[*schema.Struct]bool),
		sizes:    make(map[*schema.Struct]int64),
		members:  make(map[*schema.Struct]int64),
	}
	wanted := make(map[*schema.File]bool)
	for _, f := range prog.Roots {
		wanted[f] = true
	}
	for _, f := range prog.Files {
		g.addFile(f, wanted[f] || opts.Recursive)
	}
	for _, p := range g.order {
		g.allocate(p)
	}
	for _, f := range prog.Files {
		g.check(g.units[f])
	}
	if g.hasErrors() {
		return nil, idl.Sort(g.diags), nil
	}
	var out []OutputFile
	for _, f := range prog.Files {
		u := g.units[f]
		content, err := g.emit(u)
		if err != nil {
			return nil, idl.Sort(g.diags), err
		}
		if u.wanted {
			out = append(out, OutputFile{Path: u.path(), Source: f, Content: content})
		}
	}
	g.checkImports()
	if g.hasErrors() {
		out = nil
	}
	return out, idl.Sort(g.diags), nil
}

func (g *generator) hasErrors() bool {
	return slices.ContainsFunc(g.diags, func(d *idl.Diagnostic) bool { return d.Severity == idl.Error })
}

// generator holds what is known about the whole program. Everything in it is computed before the first line of Go is
// emitted, except imports, which follow from use.
type generator struct {
	opts     Options
	units    map[*schema.File]*unit
	packages map[string]*pkg // by import path
	order    []*pkg          // in the order of their first files
	diags    []*idl.Diagnostic

	// names holds the Go name of every definition, enum value and struct field, and of what is derived from them.
	names map[any]string

	// Answers about structs, remembered.
	keyable  map[*schema.Struct]bool
	defaults map[*schema.Struct]bool
	reaches  map[*schema.Struct]map[*schema.Struct]bool
	sizes    map[*schema.Struct]int64
	members  map[*schema.Struct]int64
}

// unit is one IDL file and the Go file that comes of it.
type unit struct {
	file    *schema.File
	pkg     *pkg
	name    string            // of the Go file
	wanted  bool              // generated, not only referred to
	imports map[string]string // import path -> name, of all the packages that may be imported
	used    map[string]bool   // import paths that are
}

func (u *unit) path() string { return filepath.Join(u.pkg.Dir, u.name) }

// emit returns the Go file of u.
func (g *generator) emit(u *unit) ([]byte, error) {
	body := &printer{}
	e := &emitter{generator: g, unit: u, printer: body}
	for _, d := range u.file.Order {
		switch d := d.(type) {
		case *schema.Const:
			e.constant(d)
		case *schema.Typedef:
			e.typedef(d)
		case *schema.Enum:
			e.enum(d)
		case *schema.Struct:
			e.structure(d)
		case *schema.Service:
			e.service(d)
		}
	}
	e.embed()
	head := &printer{}
	e.printer = head
	e.header()
	src := append(head.Bytes(), body.Bytes()...)
	content, err := format.Source(src)
	if err != nil {
		return nil, fmt.Errorf("gen: the Go file of %s does not parse: %w", u.file.Path, err)
	}
	return content, nil
}

// emitter writes one Go file. Its methods are spread over the files of this package by what they emit.
type emitter struct {
	*generator
	*unit
	*printer
}

// report adds an error about f at span.
func (g *generator) report(code string, f *schema.File, span idl.Span, format string, args ...any) *idl.Diagnostic {
	d := &idl.Diagnostic{
		Severity: idl.Error, Code: code, File: f.AST, FileName: f.Path, Span: span, Message: fmt.Sprintf(format, args...),
	}
	g.diags = append(g.diags, d)
	return d
}
