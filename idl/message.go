package idl

import (
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

// unexpected reports that token k of the item or member that starts at token i is not what the grammar wants there. It
// returns the token where things went wrong, which is an earlier one if a bracket was forgotten.
func (p *parser) unexpected(k, i int, want string) int {
	t := p.toks[k]
	if p.cut[t.Pos.Offset] {
		return k // what was cut is what is wrong here, and it is reported
	}
	if j := p.unclosed(i, k); j >= 0 {
		opener := p.toks[j].Value
		for n := j + 1; n < k && opener == "["; n++ {
			if p.numbered(n) && startsLine(p.toks, n) {
				k = n // the list went on over what is a field, until its colon
			}
		}
		p.report(&Diagnostic{
			Code: codeUnclosed, Span: spanOf(p.toks[j]), Message: fmt.Sprintf("unclosed `%s`", opener),
			Labels: []Label{{Span: spanOf(p.toks[k]), Message: fmt.Sprintf("expected `%s` before this", closerOf(opener))}},
			Help:   fmt.Sprintf("add the missing `%s`", closerOf(opener)),
		})
		return k
	}
	d := &Diagnostic{Code: codeUnexpected, Span: spanOf(t), Message: "unexpected " + describe(t)}
	if want != "" {
		d.Message = fmt.Sprintf("expected %s, found %s", want, describe(t))
	}
	name := want == "a name"
	word, meant := p.misspelt(k, i)
	switch {
	case name && p.misreadRequiredness(i) != "":
		// "requird i32 x" was a field called i32, which is legal; the field after it is what goes wrong.
		d.Span, d.Message = spanOf(p.toks[i-2]), "unexpected "+describe(p.toks[i-2])+" before the type"
		d.Help = fmt.Sprintf("did you mean `%s`?", p.misreadRequiredness(i))
	case isSeparator(t) && k > 0 && isSeparator(p.toks[k-1]):
		d.Message, d.Help = fmt.Sprintf("second separator `%s`", t.Value), "one separator is enough"
	case meant != "":
		if word < k {
			d.Span, d.Message = spanOf(p.toks[word]), "unexpected "+describe(p.toks[word])
		}
		d.Help = fmt.Sprintf("did you mean `%s`?", meant)
	case t.Type == tokenKeyword && t.Value == "void":
		d.Code, d.Message = codeMisplacedVoid, "`void` is only legal as the result of a function"
	case name && (t.Type == tokenKeyword || t.Type == tokenModifier) && !startsLine(p.toks, k):
		d.Code, d.Message = codeKeywordName, fmt.Sprintf("keyword `%s` cannot be a name here", t.Value)
		d.Help = fmt.Sprintf("choose another name, such as `%s_`", t.Value)
	case name && t.Type == tokenInt && isDigit(t.Value[0]) && p.toks[k+1].Type == tokenIdent && startOf(p.toks[k+1]) == endOf(t):
		d.Span.End = endOf(p.toks[k+1])
		d.Message = fmt.Sprintf("expected a name, found `%s`", printable(t.Value+p.toks[k+1].Value))
		d.Help = "a name cannot start with a digit"
	case name && isPunct(t, "(") && k > i && p.toks[k-1].Type == tokenIdent:
		d.Help = "annotations cannot follow the name of a type"
	case k > i && startsLine(p.toks, k):
		// What is missing belongs to the end of an earlier line.
		d.Labels = []Label{{Span: spanOf(p.toks[k-1]), Message: "expected after this"}}
	}
	p.report(d)
	return k
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
// that the grammar would take there. It returns the word's index and the keyword, which is "" if there is no guess.
func (p *parser) misspelt(k, i int) (word int, meant string) {
	for j := k; j >= max(i, k-2); j-- {
		if p.toks[j].Type != tokenIdent {
			continue
		}
		words := []string{"extends", "throws", "void", "oneway", "required", "optional", "list", "set", "map"}
		if j == i || isPunct(p.toks[j-1], ":") {
			words = []string{"required", "optional", "oneway", "void", "throws"}
		}
		if near := Suggest(p.toks[j].Value, words); near != "" {
			return j, near
		}
	}
	return 0, ""
}

// misreadRequiredness returns "required" or "optional" if the two tokens before token i are a misspelling of it and a
// base type.
func (p *parser) misreadRequiredness(i int) string {
	if i < 2 || p.toks[i-2].Type != tokenIdent || p.toks[i-1].Type != tokenKeyword || startsItem(p.toks[i-1]) {
		return ""
	}
	return Suggest(p.toks[i-2].Value, []string{"required", "optional"})
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
