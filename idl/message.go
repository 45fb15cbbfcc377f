package idl

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// wanted says what the grammar wanted where err happened: the first symbol of what participle expected. participle
// tells it in the text of its message only, as EBNF; an unknown text yields "", and a message without that half.
func wanted(err error) string {
	var unexpected *participle.UnexpectedTokenError
	if !errors.As(err, &unexpected) {
		return ""
	}
	_, ebnf, ok := strings.Cut(unexpected.Message(), "(expected ")
	if !ok {
		return ""
	}
	for _, symbol := range []struct{ ebnf, want string }{
		{"<ident>", "a name"},
		{"(<ident> | <keyword>)", "a name"},
		{"(<ident> | <literal>)", "a name"},
		{`(<ident> | "*")`, "a language or `*`"},
		{"<literal>", "a quoted string"},
		{"<int>", "an integer"},
		{"(<literal> | <ident> | <int> | <double>)", "a quoted string"},
		{"FieldType", "a type"},
		{`("void" | FieldType)`, "a type or `void`"},
		{"Value", "a value"},
	} {
		if strings.HasPrefix(ebnf, symbol.ebnf) {
			return symbol.want
		}
	}
	if quoted, err := strconv.QuotedPrefix(ebnf); err == nil {
		if text, err := strconv.Unquote(quoted); err == nil {
			return "`" + text + "`"
		}
	}
	return ""
}

// unexpected reports that token k of the item or member that starts at token i is not what the grammar wants there.
func (p *parser) unexpected(k, i int, want string) {
	t := p.toks[k]
	if p.elided[k] {
		return // the cut is what is wrong here, and it is reported
	}
	if j := p.unclosed(i, k); j >= 0 {
		opener := p.toks[j].Value
		p.report(&Diagnostic{
			Code: codeUnclosed, Span: spanOf(p.toks[j]), Message: fmt.Sprintf("unclosed `%s`", opener),
			Labels: []Label{{Span: spanOf(t), Message: fmt.Sprintf("expected `%s` before this", closerOf(opener))}},
		})
		return
	}
	d := &Diagnostic{Code: codeUnexpected, Span: spanOf(t), Message: "unexpected " + describe(t)}
	if want != "" {
		d.Message = fmt.Sprintf("expected %s, found %s", want, describe(t))
	}
	name := want == "a name"
	switch {
	case isSeparator(t) && k > 0 && isSeparator(p.toks[k-1]):
		d.Message, d.Help = fmt.Sprintf("second separator `%s`", t.Value), "one separator is enough"
	case t.Value == "void" && t.Type == tokenKeyword && p.misspelt(k, i) == "":
		d.Code, d.Message = codeMisplacedVoid, "`void` is only legal as the result of a function"
	case name && k > i && p.misspelt(k, i) != "":
		d.Help = p.misspelt(k, i)
	case name && (t.Type == tokenKeyword || t.Type == tokenModifier):
		d.Code, d.Message = codeKeywordName, fmt.Sprintf("keyword `%s` cannot be a name here", t.Value)
		d.Help = fmt.Sprintf("choose another name, such as `%s_`", t.Value)
	case name && t.Type == tokenInt && isDigit(t.Value[0]) && p.toks[k+1].Pos.Offset == endOf(t).Offset && p.toks[k+1].Type == tokenIdent:
		d.Span.End = endOf(p.toks[k+1])
		d.Help = "a name cannot start with a digit"
	case isPunct(t, "(") && k > 0 && p.toks[k-1].Type == tokenIdent && name:
		d.Help = cmp.Or(p.misspelt(k, i), "annotations cannot follow a type's name")
	default:
		d.Help = p.misspelt(k, i)
	}
	p.report(d)
}

// unclosed returns the last bracket that is opened at or after token i, before token k, and never closed; -1 if none.
func (p *parser) unclosed(i, k int) int {
	for j := k - 1; j >= i; j-- {
		if m := p.match[j]; m >= 0 && m < j {
			j = max(m, i) // a closed pair
		} else if t := p.toks[j]; m < 0 && isOpener(t) && t.Value != "<" {
			return j
		}
	}
	return -1
}

// misspelt guesses whether the word at token k, or one of the two before it in the same member, was meant as a keyword
// that the grammar would take there, and returns the question to ask; "" if not.
func (p *parser) misspelt(k, i int) string {
	for j := k; j >= max(i, k-2); j-- {
		if p.toks[j].Type != tokenIdent {
			continue
		}
		words := []string{"extends", "throws", "void", "oneway", "required", "optional", "list", "set", "map"}
		if j == i || isPunct(p.toks[j-1], ":") {
			words = []string{"required", "optional", "oneway", "void", "throws"}
		}
		if near := Suggest(p.toks[j].Value, words); near != "" {
			return fmt.Sprintf("did you mean `%s`?", near)
		}
	}
	return ""
}

// describe names a token in a message.
func describe(t lexer.Token) string {
	switch t.Type {
	case tokenEOF:
		return "the end of the file"
	case tokenKeyword, tokenModifier:
		return "keyword `" + t.Value + "`"
	case tokenLiteral:
		return "string `" + printable(t.Value) + "`"
	case tokenInt, tokenDouble:
		return "number `" + shorten(t.Value) + "`"
	case tokenIdent:
		return "`" + printable(t.Value) + "`"
	}
	return "`" + t.Value + "`"
}

// alternatives lists words as "`a`, `b` or `c`".
func alternatives(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString("`" + w + "`")
	}
	return b.String()
}
