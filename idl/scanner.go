package idl

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2/lexer"
)

// scanner cuts a file into tokens and comments. It reports what it cannot read and goes on: a bad character is left
// out, and a bad string, name or number still yields its token, so that the grammar does not stumble a second time.
type scanner struct {
	report    func(*Diagnostic)
	text      string
	off       int // of the next byte
	line      int // of the next byte
	lineStart int // offset of that line

	tokens   []lexer.Token
	comments []Comment
	docs     map[int]int  // offset of a token -> index of the doc comment right before it
	cut      map[int]bool // offset of a token -> whether bad characters right before it were left out
	skipped  bool         // whether bad characters were left out since the last token
	doc      int          // index of the doc comment since the last token; -1 if none
}

func newScanner(text string, report func(*Diagnostic)) *scanner {
	return &scanner{report: report, text: text, line: 1, doc: -1, docs: map[int]int{}, cut: map[int]bool{}}
}

// scan reads the whole text. The last token is always EOF.
func (s *scanner) scan() {
	if strings.HasPrefix(s.text, "\ufeff") {
		s.off = len("\ufeff")
	}
	for s.off < len(s.text) {
		c := s.text[s.off]
		switch {
		case c == '\n':
			s.off++
			s.line++
			s.lineStart = s.off
		case c == ' ' || c == '\t' || c == '\r':
			s.off++
		case c == '#' || strings.HasPrefix(s.text[s.off:], "//"):
			s.lineComment()
		case strings.HasPrefix(s.text[s.off:], "/*"):
			s.blockComment()
		case c == '"' || c == '\'':
			s.literal(c)
		case isLetter(c):
			s.name()
		case isDigit(c) || c == '+' || c == '-' || c == '.' && isDigit(s.at(1)):
			s.number()
		case strings.IndexByte(":;,{}()=<>[]*&", c) >= 0:
			s.emit(tokenPunct, 1)
		default:
			if r, _ := utf8.DecodeRuneInString(s.text[s.off:]); unicode.IsLetter(r) {
				s.name()
			} else {
				s.badCharacters()
			}
		}
	}
	s.emit(tokenEOF, 0)
}

// at returns the byte n places after the next one, or 0 past the end.
func (s *scanner) at(n int) byte {
	if s.off+n < len(s.text) {
		return s.text[s.off+n]
	}
	return 0
}

func (s *scanner) pos(off int) Pos { return Pos{Offset: off, Line: s.line, Col: off - s.lineStart + 1} }

// emit adds the token of the next n bytes.
func (s *scanner) emit(kind lexer.TokenType, n int) {
	s.tokens = append(s.tokens, lexer.Token{
		Type:  kind,
		Value: s.text[s.off : s.off+n],
		Pos:   lexer.Position{Offset: s.off, Line: s.line, Column: s.off - s.lineStart + 1},
	})
	if s.doc >= 0 {
		s.docs[s.off] = s.doc
		s.doc = -1
	}
	if s.skipped {
		s.cut[s.off] = true
		s.skipped = false
	}
	s.off += n
}

func (s *scanner) lineComment() {
	n := strings.IndexByte(s.text[s.off:], '\n')
	if n < 0 {
		n = len(s.text) - s.off
	}
	text := strings.TrimSuffix(s.text[s.off:s.off+n], "\r")
	s.comments = append(s.comments, Comment{Span{s.pos(s.off), s.pos(s.off + len(text))}, text})
	s.off += n
}

func (s *scanner) blockComment() {
	start := s.pos(s.off)
	text := s.text[s.off:]
	if n := strings.Index(text[2:], "*/"); n >= 0 {
		text = text[:n+4]
	} else {
		s.error(codeUnterminatedNote, Span{start, s.pos(s.off + 2)}, "comment is never closed", "add `*/` where it should end")
	}
	s.off += len(text)
	s.line += strings.Count(text, "\n")
	if n := strings.LastIndexByte(text, '\n'); n >= 0 {
		s.lineStart = start.Offset + n + 1
	}
	if isDocComment(text) {
		s.doc = len(s.comments)
	}
	s.comments = append(s.comments, Comment{Span{start, s.pos(s.off)}, text})
}

func (s *scanner) literal(quote byte) {
	n := 1
	for {
		c := s.at(n)
		switch {
		case s.off+n >= len(s.text), c == '\n':
			if n > 1 && s.at(n-1) == '\r' {
				n--
			}
			s.error(codeUnterminatedString, s.span(0, n), "string is not closed on its line",
				fmt.Sprintf("add the closing `%c`; a line break inside a string is written \\n", quote))
			s.emit(tokenLiteral, n)
			return
		case c == quote:
			s.emit(tokenLiteral, n+1)
			return
		case c == '\\':
			size := 1
			if s.off+n+1 < len(s.text) {
				_, size = utf8.DecodeRuneInString(s.text[s.off+n+1:])
			}
			if e := s.at(n + 1); e == '\n' || e == '\r' || s.off+n+1 >= len(s.text) {
				n++ // the backslash ends the line: the string is unterminated, which says enough
				continue
			} else if _, ok := escape(e); !ok {
				s.error(codeBadEscape, s.span(n, n+1+size), fmt.Sprintf("unknown escape `%s`", printable(s.text[s.off+n:s.off+n+1+size])),
					`the escapes are \r \n \t \" \' \\`)
			}
			n += 1 + size
		default:
			n++
		}
	}
}

// name reads an identifier or keyword. It goes on over characters that people put into names, to report them once.
func (s *scanner) name() {
	n, bad := 0, false
	for s.off+n < len(s.text) {
		c := s.at(n)
		switch {
		case isLetter(c) || isDigit(c):
			n++
			continue
		case c == '.' && n > 0 && (isLetter(s.at(n+1)) || isDigit(s.at(n+1))):
			n += 2
			continue
		case c == '$', c == '-' && isLetter(s.at(n+1)):
			n++
			bad = true
			continue
		}
		r, size := utf8.DecodeRuneInString(s.text[s.off+n:])
		if r < utf8.RuneSelf || r == utf8.RuneError || !unicode.In(r, unicode.L, unicode.M, unicode.N) {
			break
		}
		n += size
		bad = true
	}
	word := s.text[s.off : s.off+n]
	if bad {
		s.error(codeBadName, s.span(0, n), fmt.Sprintf("`%s` is not a name", printable(word)),
			"a name holds ASCII letters, digits and underscores")
	}
	s.emit(wordKind(word), n)
}

// number reads an integer or a floating-point number, each as long as it can be.
func (s *scanner) number() {
	start := 0
	if s.at(0) == '+' || s.at(0) == '-' {
		start = 1
	}
	if s.at(start) == '0' && s.at(start+1) == 'x' && isHex(s.at(start+2)) {
		n := start + 2
		for isHex(s.at(n)) {
			n++
		}
		s.integer(n)
		return
	}
	digits := func(n int) int {
		for isDigit(s.at(n)) {
			n++
		}
		return n
	}
	n := digits(start)
	whole, mantissa := n, n > start
	if s.at(n) == '.' && isDigit(s.at(n+1)) {
		n, mantissa = digits(n+1), true
	}
	if c := s.at(n); c == 'e' || c == 'E' {
		exp := n + 1
		if s.at(exp) == '+' || s.at(exp) == '-' {
			exp++
		}
		if isDigit(s.at(exp)) {
			n = digits(exp)
		}
	}
	if mantissa && n == whole {
		s.integer(n)
		return
	}
	if !mantissa {
		s.warn(codeNoDigits, s.span(0, n), fmt.Sprintf("`%s` has no digits and means 0.0", s.text[s.off:s.off+n]), "")
	}
	s.emit(tokenDouble, n)
}

func (s *scanner) integer(n int) {
	text := s.text[s.off : s.off+n]
	if _, ok := parseInt(text); !ok {
		s.error(codeIntegerRange, s.span(0, n), fmt.Sprintf("`%s` does not fit in 64 bits", shorten(text)), "")
	}
	s.emit(tokenInt, n)
}

// badCharacters skips a run of characters that start no token, and reports it once.
func (s *scanner) badCharacters() {
	n := 0
	for s.off+n < len(s.text) {
		r, size := utf8.DecodeRuneInString(s.text[s.off+n:])
		c := s.at(n)
		if n > 0 && (c <= ' ' && c != 0 || isDigit(c) || unicode.IsLetter(r) && r != utf8.RuneError || c == '_' ||
			strings.IndexByte(":;,{}()=<>[]*&#\"'+-/", c) >= 0) {
			break
		}
		n += size
	}
	text := s.text[s.off : s.off+n]
	noun, help := "character", ""
	if utf8.RuneCountInString(text) > 1 {
		noun = "characters"
	}
	switch {
	case strings.ContainsAny(text, "“”‘’«»`"):
		help = "strings are quoted with \" or '"
	case text == "/":
		help = "comments start with // or /* or #"
	case text == "." && s.off > 0 && isDigit(s.text[s.off-1]):
		help = "digits must follow a decimal point"
	}
	s.error(codeBadCharacter, s.span(0, n), fmt.Sprintf("unexpected %s `%s`", noun, printable(text)), help)
	s.off += n
	s.skipped = true
}

// span is the part of the current line from from to to bytes after the next byte.
func (s *scanner) span(from, to int) Span { return Span{s.pos(s.off + from), s.pos(s.off + to)} }

func (s *scanner) error(code string, at Span, message, help string) {
	s.report(&Diagnostic{Code: code, Span: at, Message: message, Help: help})
}

func (s *scanner) warn(code string, at Span, message, help string) {
	s.report(&Diagnostic{Severity: Warning, Code: code, Span: at, Message: message, Help: help})
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

// escape returns the byte that a backslash and c stand for.
func escape(c byte) (byte, bool) {
	switch c {
	case 'r':
		return '\r', true
	case 'n':
		return '\n', true
	case 't':
		return '\t', true
	case '"', '\'', '\\':
		return c, true
	}
	return c, false
}

// unquote returns what a literal token stands for. An unknown escape stands for its second character.
func unquote(raw string) string {
	body := raw[1:]
	if n := len(body); n > 0 && body[n-1] == raw[0] {
		body = body[:n-1]
	}
	if strings.IndexByte(body, '\\') < 0 {
		return body
	}
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		c := body[i]
		if c == '\\' && i+1 < len(body) {
			i++
			c, _ = escape(body[i])
		}
		b.WriteByte(c)
	}
	return b.String()
}

// parseInt reads an integer token; out of range, it returns the nearest int64 and false.
func parseInt(text string) (int64, bool) {
	switch text {
	case "true":
		return 1, true
	case "false":
		return 0, true
	}
	sign, digits, base := "", text, 10
	if text[0] == '+' || text[0] == '-' {
		sign, digits = text[:1], text[1:]
	}
	if strings.HasPrefix(digits, "0x") {
		digits, base = digits[2:], 16
	}
	v, err := strconv.ParseInt(sign+digits, base, 64)
	return v, err == nil
}

// parseDouble reads a floating-point token. Numbers too large are infinite, as in Apache's compiler.
func parseDouble(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if v == 0 && err != nil {
		return 0 // a number without digits
	}
	return v
}

// printable makes source text fit for a message: short, and without control characters.
func printable(text string) string {
	q := strconv.Quote(shorten(text))
	q = q[1 : len(q)-1]
	return strings.ReplaceAll(strings.ReplaceAll(q, `\"`, `"`), `\\`, `\`)
}

// shorten cuts text after its first 40 bytes or so.
func shorten(text string) string {
	const limit = 40
	if len(text) <= limit {
		return text
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// definition lets participle use the scanner. Parse itself hands participle the tokens directly, because it wants all
// lexical errors and participle's interface returns one.
type definition struct{}

func (definition) Symbols() map[string]lexer.TokenType { return symbols() }

func (definition) Lex(_ string, r io.Reader) (lexer.Lexer, error) {
	src, err := io.ReadAll(io.LimitReader(r, maxSource+1))
	if err != nil {
		return nil, err
	}
	var first error
	s := newScanner(string(src), func(d *Diagnostic) {
		if first == nil && d.Severity == Error {
			first = d
		}
	})
	s.scan()
	if first != nil {
		return nil, first
	}
	return &tokenLexer{s.tokens}, nil
}

// tokenLexer replays tokens that end in EOF.
type tokenLexer struct{ tokens []lexer.Token }

func (l *tokenLexer) Next() (lexer.Token, error) {
	t := l.tokens[0]
	if t.Type != tokenEOF {
		l.tokens = l.tokens[1:]
	}
	return t, nil
}
