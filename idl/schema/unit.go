package schema

import (
	"bytes"

	"github.com/kuafu-rpc/kuafu/idl"
)

// unit is a file together with what is needed to look names up in it.
type unit struct {
	file     *File
	loaded   bool             // its includes have all been followed
	includes map[string]*unit // direct includes by base name
	lost     map[string]bool  // base names of includes that failed: their names are not judged
	broken   map[string]bool  // words of the text that could not be parsed: they may be names that are defined there

	// The three scopes: one name may be a type, a constant and a service at once.
	types    map[string]Definition // *Typedef, *Enum or *Struct
	consts   map[string]*Const
	services map[string]*Service

	typeNames  []string // what a reference to a type may be written as, for suggestions; filled when first needed
	constNames []string // likewise for constants and enum values
}

func newUnit(f *File, diags []*idl.Diagnostic) *unit {
	return &unit{
		file:     f,
		includes: make(map[string]*unit),
		lost:     make(map[string]bool),
		broken:   brokenWords(f.AST, diags),
		types:    make(map[string]Definition),
		consts:   make(map[string]*Const),
		services: make(map[string]*Service),
	}
}

// brokenWords returns the words that stand between the definitions of a file with syntax errors, and on the lines of
// those errors. A name among them that nothing else defines was most likely meant to be defined there, and a second
// error about it would only distract.
func brokenWords(f *idl.File, diags []*idl.Diagnostic) map[string]bool {
	words := make(map[string]bool)
	collect := func(start, end int) {
		if start < 0 || start >= end || end > len(f.Source) {
			return
		}
		for _, w := range bytes.FieldsFunc(f.Source[start:end], func(r rune) bool { return !isWord(r) }) {
			words[string(w)] = true
		}
	}
	failed, lastLine := false, -1
	for _, d := range diags {
		if d.Severity != idl.Error {
			continue
		}
		failed = true
		at := min(max(d.Span.Start.Offset, 0), len(f.Source))
		start := bytes.LastIndexByte(f.Source[:at], '\n') + 1
		if start == lastLine {
			continue
		}
		lastLine = start
		end := len(f.Source)
		if n := bytes.IndexByte(f.Source[at:], '\n'); n >= 0 {
			end = at + n
		}
		collect(start, end)
	}
	if !failed {
		return nil
	}
	at := 0
	gap := func(s idl.Span) {
		collect(at, s.Start.Offset)
		at = max(at, s.End.Offset)
	}
	for _, h := range f.Headers {
		gap(h.Range())
	}
	for _, d := range f.Definitions {
		gap(d.Range())
	}
	collect(at, len(f.Source))
	return words
}

func isWord(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// declare makes a linked definition of each definition of u, still unresolved, and enters it into its scope. The first
// of two definitions with one name stays.
func (l *linker) declare(u *unit) {
	f := u.file
	for _, def := range f.AST.Definitions {
		switch def := def.(type) {
		case *idl.Const:
			d := &Const{File: f, AST: def, Name: def.Name.Name, Doc: def.Doc}
			f.Consts, f.Order = append(f.Consts, d), append(f.Order, d)
			if first := u.consts[d.Name]; first != nil {
				l.duplicate(f, def.Name, "constant", first.AST.Name)
			} else {
				u.consts[d.Name] = d
			}
		case *idl.Typedef:
			d := &Typedef{File: f, AST: def, Name: def.Name.Name, Doc: def.Doc, Annotations: def.Annotations}
			f.Typedefs, f.Order = append(f.Typedefs, d), append(f.Order, d)
			l.declareType(u, d)
		case *idl.Enum:
			d := &Enum{File: f, AST: def, Name: def.Name.Name, Doc: def.Doc, Annotations: def.Annotations}
			f.Enums, f.Order = append(f.Enums, d), append(f.Order, d)
			l.declareType(u, d)
		case *idl.Struct:
			d := &Struct{File: f, AST: def, Kind: def.Kind, Name: def.Name.Name, Doc: def.Doc, Annotations: def.Annotations}
			f.Structs, f.Order = append(f.Structs, d), append(f.Order, d)
			l.declareType(u, d)
		case *idl.Service:
			d := &Service{File: f, AST: def, Name: def.Name.Name, Doc: def.Doc, Annotations: def.Annotations}
			f.Services, f.Order = append(f.Services, d), append(f.Order, d)
			if first := u.services[d.Name]; first != nil {
				l.duplicate(f, def.Name, "service", first.AST.Name)
			} else {
				u.services[d.Name] = d
			}
		}
	}
}

func (l *linker) declareType(u *unit, d Definition) {
	if first := u.types[d.DefName()]; first != nil {
		l.duplicate(u.file, identOf(d), "type", identOf(first))
		return
	}
	u.types[d.DefName()] = d
}

func (l *linker) duplicate(f *File, name idl.Ident, kind string, first idl.Ident) {
	d := l.add(codeDuplicateName, f, name.Span, "%s `%s` is defined twice", kind, name.Name)
	label(d, f, first.Span, "first defined here")
}

// identOf returns the name of d where it is defined.
func identOf(d Definition) idl.Ident {
	switch d := d.(type) {
	case *Const:
		return d.AST.Name
	case *Typedef:
		return d.AST.Name
	case *Enum:
		return d.AST.Name
	case *Struct:
		return d.AST.Name
	case *Service:
		return d.AST.Name
	}
	return idl.Ident{}
}
