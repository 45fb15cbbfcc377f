package gen

import (
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// embed prints the variable that holds the IDL file itself. It comes last: by then it is known what the file imports.
func (e *emitter) embed() {
	name := e.names[part{e.file, roleIDL}]
	e.P("// ", name, " is ", filepath.Base(e.file.Path), ", which this file is generated from.")
	var copies []*schema.File
	e.idlFile(name, e.file, &copies)
	for i := 0; i < len(copies); i++ { // printing one may add more
		e.P()
		e.idlFile(e.names[part{copied{copies[i], e.file}, roleIDL}], copies[i], &copies)
	}
}

// idlFile prints the rpc.IDLFile of f as a variable. It adds to copies what that refers to and no other Go file has.
func (e *emitter) idlFile(name string, f *schema.File, copies *[]*schema.File) {
	e.P("var ", name, " = ", e.rpc("IDLFile"), "{")
	e.P("Path: ", quote(e.idlPath(f)), ",")
	if !e.opts.NoEmbed {
		e.P("Source: ", sourceLiteral(string(f.AST.Source)), ",")
	}
	if len(f.Includes) > 0 {
		e.P("Includes: []*", e.rpc("IDLFile"), "{")
		for _, inc := range f.Includes {
			e.P("&", e.idlVariable(inc, copies), ",")
		}
		e.P("},")
	}
	e.P("}")
}

// idlVariable returns the variable that holds f: that of f's own Go file, where naming it costs no import. An import just
// for it could close a cycle between packages, or name a package that nobody has generated; then it is a copy.
func (e *emitter) idlVariable(f *schema.File, copies *[]*schema.File) string {
	u := e.units[f]
	switch {
	case u.pkg == e.pkg && u.wanted:
		return e.names[part{f, roleIDL}]
	case u.pkg != e.pkg && e.used[u.pkg.Path]:
		return e.use(u.pkg.Path) + "." + e.names[part{f, roleIDL}]
	}
	if !slices.Contains(*copies, f) {
		*copies = append(*copies, f)
	}
	return e.names[part{copied{f, e.file}, roleIDL}]
}

// idlPath returns the Path of f's rpc.IDLFile.
func (g *generator) idlPath(f *schema.File) string {
	return path.Join(g.units[f].pkg.Path, filepath.Base(f.Path))
}

// sourceLiteral returns text as a Go expression that reads like the text where the language allows it. A raw string
// cannot hold everything, and go generate obeys a line that looks like its directive even inside of one.
func sourceLiteral(text string) string {
	raw := utf8.ValidString(text) && !strings.ContainsAny(text, "`\r\x00\ufeff") &&
		!strings.HasPrefix(text, "//go:") && !strings.Contains(text, "\n//go:")
	if raw {
		return "`" + text + "`"
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if b.Len() > 0 {
			b.WriteString(" +\n")
		}
		b.WriteString(strconv.Quote(line))
	}
	return b.String()
}
