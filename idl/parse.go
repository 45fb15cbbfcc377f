package idl

import (
	"fmt"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// Limits on what is parsed. They are far above any file that people write.
const (
	maxSource = 16 << 20 // bytes of one file
	maxDepth  = 200      // brackets inside one another, counting <> and the braces of bodies
	maxErrors = 1000     // errors of one file before the rest of it is left unread, and warnings that are kept
)

// Parse reads one source file. The name is used in diagnostics only. Parse never returns a nil File: it holds
// everything that could be read, however broken the rest is, and File.Source is src itself, which the caller must not
// change afterwards. The diagnostics, errors and warnings alike, are sorted and free of duplicates; a file without an
// Error among them is correct as far as syntax goes. After 1000 errors the rest of the file is not read, and one last
// error says so; of warnings, the first 1000 are kept.
//
// Time and memory are proportional to the size of src, which may be at most 16 MiB.
func Parse(name string, src []byte) (*File, []*Diagnostic) {
	p := &parser{file: &File{Name: name, Source: src}, grammar: grammar()}
	switch {
	case len(src) > maxSource:
		p.report(&Diagnostic{Code: codeTooLarge, Message: fmt.Sprintf("file has %d bytes; at most %d are parsed", len(src), maxSource)})
		return p.file, p.diags
	case strings.HasPrefix(string(src[:min(2, len(src))]), "\xff\xfe"), strings.HasPrefix(string(src[:min(2, len(src))]), "\xfe\xff"):
		p.report(&Diagnostic{
			Code: codeBadCharacter, Span: Span{Pos{0, 1, 1}, Pos{2, 1, 3}},
			Message: "file is encoded in UTF-16", Help: "save it as UTF-8",
		})
		return p.file, p.diags
	}
	s := newScanner(string(src), p.report)
	s.scan()
	p.file.Comments, p.docs, p.cut = s.comments, s.docs, s.cut
	p.load(s.tokens)
	for !p.stopped && !p.atEOF() {
		p.top()
	}
	p.fileDoc()
	return p.file, Sort(p.diags)
}

// parser turns the tokens of one file into its File. It is a cursor over the tokens: participle moves it forward when it
// reads a production, and recovery moves it to where reading can go on.
type parser struct {
	file    *File
	grammar *productions
	docs    map[int]int // offset of a token -> index of its doc comment
	diags   []*Diagnostic

	errors, warnings int
	stopped          bool // too many errors

	lex   *lexer.PeekingLexer // the cursor
	toks  []lexer.Token       // what lex walks over, EOF included
	match []int               // index of the bracket that belongs to this one; -1 for none and for what is no bracket
	limit int                 // where the body around the current item ends, else the index of EOF
	cut   map[int]bool        // offsets of tokens before which something was left out, and reported
}

// top reads what starts at the cursor outside of any body, and moves the cursor past it.
func (p *parser) top() {
	i := p.pos()
	t := p.toks[i]
	switch {
	case startsItem(t):
		p.item()
	case isSeparator(t):
		p.report(&Diagnostic{
			Severity: Warning, Code: codeStraySeparator, Span: spanOf(t), Message: fmt.Sprintf("`%s` is not needed here", t.Value),
			Help: "remove it; Apache's compiler rejects it",
		})
		p.seek(i + 1)
	case isPunct(t, "}"), isPunct(t, ")"):
		p.unopened(t)
		p.seek(i + 1)
	case t.Type == tokenIdent && p.looksNamed(i+1):
		p.unknownDefinition()
	default:
		p.unexpected(i, i, "a definition")
		p.seek(p.nextItem(i, i+1))
	}
}

// item reads a header or definition whose first word is right.
func (p *parser) item() {
	i := p.pos()
	start := p.lex.MakeCheckpoint()
	raw, err := p.grammar.item.ParseFromLexer(p.lex, participle.AllowTrailing(true))
	if err == nil {
		p.build(raw)
		return
	}
	p.lex.LoadCheckpoint(start)
	switch p.toks[i].Value {
	case "struct", "union", "exception":
		p.recoverStruct()
	case "enum":
		p.recoverEnum()
	case "senum":
		p.recoverSenum()
	case "service":
		p.recoverService()
	default:
		k := p.unexpected(p.where(err, len(p.toks)-1), i, wanted(err))
		p.seek(p.nextItem(i, k))
	}
}

// unknownDefinition reports a word that starts no definition. When it is near one that does, it is read as that one, so
// that the definition exists for the rest of the program.
func (p *parser) unknownDefinition() {
	i := p.pos()
	word := p.toks[i].Value
	d := &Diagnostic{Code: codeUnknownDefinition, Span: spanOf(p.toks[i]), Message: fmt.Sprintf("unknown definition `%s`", word)}
	near := Suggest(word, openingWords)
	if near == "" {
		d.Help = "a definition starts with " + alternatives(definitionWords)
		p.report(d)
		if body := i + 2; isPunct(p.toks[body], "{") && p.match[body] > body {
			p.seek(p.match[body] + 1)
		} else {
			p.seek(p.nextItem(i, i+1))
		}
		return
	}
	d.Help = fmt.Sprintf("did you mean `%s`?", near)
	p.report(d)
	p.toks[i].Type, p.toks[i].Value = tokenKeyword, near // p.toks is what lex walks over
	p.item()
}

// looksNamed reports whether the token at i can be what follows a definition's first word: a name, a type or a path.
func (p *parser) looksNamed(i int) bool {
	switch t := p.toks[i]; t.Type {
	case tokenIdent, tokenLiteral:
		return true
	case tokenKeyword:
		return !startsItem(t)
	}
	return false
}

// pos is the index of the next token.
func (p *parser) pos() int { return int(p.lex.RawCursor()) }

func (p *parser) atEOF() bool { return p.toks[p.pos()].Type == tokenEOF }

// seek moves the cursor forward to token i.
func (p *parser) seek(i int) {
	if i > p.pos() {
		p.lex.FastForward(lexer.RawCursor(i - 1))
	}
}

// report adds a diagnostic of this file. After too many errors it makes parsing stop.
func (p *parser) report(d *Diagnostic) {
	if p.stopped {
		return
	}
	if d.Severity == Warning {
		if p.warnings++; p.warnings > maxErrors {
			return
		}
	} else {
		if p.errors++; p.errors > maxErrors {
			p.stopped = true
			d = &Diagnostic{Code: codeTooManyErrors, Span: d.Span, Message: fmt.Sprintf("more than %d errors; the rest of the file was not read", maxErrors)}
		}
	}
	d.File, d.FileName = p.file, p.file.Name
	for i := range d.Labels {
		d.Labels[i].File, d.Labels[i].FileName = p.file, p.file.Name
	}
	p.diags = append(p.diags, d)
}

// doc is the text of the doc comment right before a token; empty if none.
func (p *parser) doc(t lexer.Token) string {
	if i, ok := p.docs[t.Pos.Offset]; ok {
		return docText(p.file.Comments[i].Text)
	}
	return ""
}

// fileDoc gives the file the first doc comment of the source, if a header comes before any definition. Otherwise that
// comment belongs to the definition it stands before.
func (p *parser) fileDoc() {
	if len(p.file.Headers) == 0 {
		return
	}
	first := p.file.Headers[0].Range().Start.Offset
	if len(p.file.Definitions) > 0 && p.file.Definitions[0].Range().Start.Offset < first {
		return
	}
	for _, c := range p.file.Comments {
		if c.Span.Start.Offset > first {
			return
		}
		if isDocComment(c.Text) {
			p.file.Doc = docText(c.Text)
			return
		}
	}
}
