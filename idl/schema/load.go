package schema

import "github.com/kuafu-rpc/kuafu/idl"

// Options says where Load finds files and how strict it is. The zero value reads the operating system's files, looks
// for includes beside the including file only, and keeps warnings warnings.
type Options struct {
	FS          FS       // nil means OS{}
	IncludeDirs []string // searched in order, after the including file's own directory

	// Strict turns the warnings about what the compiler had to guess into errors; Codes tells which.
	Strict bool

	// AllowNegativeIDs keeps field ids of zero and less as they are written, as old files need that once got automatic
	// ids. Otherwise such an id is replaced by the next automatic one, with a warning.
	AllowNegativeIDs bool
}

// Load parses the files at paths and all that they include, and links them. The diagnostics are those of every file,
// sorted by place. The program is never nil, and is complete only when no diagnostic has Severity Error. Load keeps no
// state: it may be called from several goroutines as far as the FS allows.
func Load(opts Options, paths ...string) (*Program, []*idl.Diagnostic) {
	if opts.FS == nil {
		opts.FS = OS{}
	}
	r := &reporter{strict: opts.Strict}
	ld := newLoader(opts, r)
	for _, path := range paths {
		ld.root(path)
	}
	l := &linker{
		reporter: r,
		opts:     opts,
		units:    ld.units,
		unitOf:   make(map[*File]*unit, len(ld.units)),
		typedefs: make(map[*Typedef]progress),
		consts:   make(map[*Const]*constState),
		enums:    make(map[*Enum]*enumIndex),
		fields:   make(map[*Struct]map[string]*Field),
	}
	for _, u := range ld.units {
		l.unitOf[u.file] = u
	}
	l.link()
	return ld.program, idl.Sort(r.diags)
}

// linker resolves the names, types and constants of loaded files.
type linker struct {
	*reporter
	opts  Options
	units []*unit // includes before includers

	unitOf map[*File]*unit

	typedefs     map[*Typedef]progress
	typedefStack []*Typedef

	consts     map[*Const]*constState
	constStack []constHop
	expanded   int // values that references have added so far, see maxExpansion

	enums    map[*Enum]*enumIndex
	fields   map[*Struct]map[string]*Field // by name
	defaults []pendingDefault
}

// progress is how far the resolution of a definition that may refer to itself has come.
type progress int

const (
	untouched progress = iota
	active             // on the stack: meeting it again is a cycle
	done
)

// link runs the passes in the order of their needs: every name is known before the first is looked up, every type
// before the first constant is folded.
func (l *linker) link() {
	for _, u := range l.units {
		l.declare(u)
	}
	for _, u := range l.units {
		for _, d := range u.file.Enums {
			l.enumValues(d)
		}
	}
	for _, u := range l.units {
		for _, d := range u.file.Order {
			switch d := d.(type) {
			case *Typedef:
				l.typedef(d)
			case *Struct:
				l.structFields(u, d)
			case *Service:
				l.service(u, d)
			case *Const:
				d.Type = l.typeOf(u, d.AST.Type)
			}
		}
	}
	l.inheritance()
	for _, u := range l.units {
		for _, d := range u.file.Consts {
			l.constant(d)
		}
	}
	for _, p := range l.defaults {
		p.field.Default, _ = l.fold(p.unit, p.field.AST.Default, p.field.Type)
	}
	for _, u := range l.units {
		l.recursion(u.file)
	}
}

// pendingDefault is a field whose default value waits until all types are known.
type pendingDefault struct {
	unit  *unit
	field *Field
}
