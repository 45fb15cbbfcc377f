package idl

import (
	"fmt"
	"sort"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// This file reads definitions that the grammar refused as a whole. Head, members and tail are read one by one with the
// same productions; what cannot be read is reported and skipped. Every loop moves the cursor, and looks at each token a
// bounded number of times, so that a file full of errors takes no longer than a correct one.

// body is where the members of a broken definition lie.
type body struct {
	start, end int  // tokens [start, end) are members
	closed     bool // whether end is the brace that closes it
}

// openBody finds the body of the definition whose head starts at i and failed with err or not, and moves the cursor to
// its first member. Without a brace in the head there is no body, and the cursor moves to the next item.
func (p *parser) openBody(i int, err error) (body, bool) {
	open := -1
	if err == nil {
		open = p.pos() - 1
	} else {
		k := p.unexpected(p.where(err, len(p.toks)-1), i, wanted(err))
		for j := i + 1; p.toks[j].Type != tokenEOF && !p.startsDefinition(j); j++ {
			if isPunct(p.toks[j], "{") {
				open = j
				break
			}
		}
		if open < 0 {
			p.seek(p.nextItem(i, k))
			return body{}, false
		}
		p.seek(open + 1)
	}
	if end := p.match[open]; end >= 0 {
		return body{open + 1, end, true}, true
	}
	// The brace is never closed. The next definition that starts a line is not a member.
	end := open + 1
	for p.toks[end].Type != tokenEOF && !p.startsDefinition(end) {
		end++
	}
	note := "the file ends here"
	if p.toks[end].Type != tokenEOF {
		note = "the next definition starts here"
	}
	if !p.cut[p.toks[end].Pos.Offset] {
		p.report(&Diagnostic{
			Code: codeUnclosed, Span: spanOf(p.toks[open]), Message: "unclosed `{`",
			Labels: []Label{{Span: spanOf(p.toks[end]), Message: note}}, Help: "add the missing `}`",
		})
	}
	return body{open + 1, end, false}, true
}

// closeBody reads what follows the members.
func (p *parser) closeBody(b body) *bodyTail {
	p.seek(b.end)
	if !b.closed || p.pos() > b.end {
		return &bodyTail{}
	}
	tail, err := p.grammar.bodyTail.ParseFromLexer(p.lex, participle.AllowTrailing(true))
	if err != nil {
		k := p.unexpected(p.where(err, len(p.toks)-1), b.end, wanted(err))
		p.seek(max(b.end+1, p.match[b.end+1]+1))
		if p.pos() <= k {
			p.seek(p.nextItem(b.end, k))
		}
		return &bodyTail{}
	}
	return tail
}

func (p *parser) recoverStruct() {
	i := p.pos()
	head, err := p.grammar.structHead.ParseFromLexer(p.lex, participle.AllowTrailing(true))
	b, ok := p.openBody(i, err)
	if !ok {
		return
	}
	raw := &structure{Head: head, Fields: members(p, b.end, fieldMember(p))}
	raw.Tail = p.closeBody(b)
	raw.Tokens = p.toks[i:p.pos()]
	p.build(&item{Struct: raw})
}

func (p *parser) recoverEnum() {
	i := p.pos()
	head, err := p.grammar.enumHead.ParseFromLexer(p.lex, participle.AllowTrailing(true))
	b, ok := p.openBody(i, err)
	if !ok {
		return
	}
	raw := &enumeration{Head: head, Values: members(p, b.end, member[enumValue]{
		what: "an enum value", parser: p.grammar.enumValue, starts: func(j int) bool { return p.toks[j].Type == tokenIdent && startsLine(p.toks, j) },
	})}
	raw.Tail = p.closeBody(b)
	raw.Tokens = p.toks[i:p.pos()]
	p.build(&item{Enum: raw})
}

func (p *parser) recoverSenum() {
	i := p.pos()
	head, err := p.grammar.senumHead.ParseFromLexer(p.lex, participle.AllowTrailing(true))
	b, ok := p.openBody(i, err)
	if !ok {
		return
	}
	raw := &senum{Head: head, Values: members(p, b.end, member[senumValue]{
		what: "a string", parser: p.grammar.senumValue, starts: func(j int) bool { return p.toks[j].Type == tokenLiteral && startsLine(p.toks, j) },
	})}
	raw.Tail = p.closeBody(b)
	raw.Tokens = p.toks[i:p.pos()]
	p.build(&item{Senum: raw})
}

func (p *parser) recoverService() {
	i := p.pos()
	head, err := p.grammar.serviceHead.ParseFromLexer(p.lex, participle.AllowTrailing(true))
	b, ok := p.openBody(i, err)
	if !ok {
		return
	}
	raw := &service{Head: head, Functions: members(p, b.end, member[function]{
		what: "a function", parser: p.grammar.function, starts: p.startsTyped, recover: p.recoverFunction,
	})}
	raw.Tail = p.closeBody(b)
	raw.Tokens = p.toks[i:p.pos()]
	p.build(&item{Service: raw})
}

// recoverFunction reads a broken function at the cursor whose errors lie among its arguments or after them, so that each
// argument gets its own error. It returns nil, with nothing reported, if the function is broken in another way.
func (p *parser) recoverFunction(end int) *function {
	i := p.pos()
	head, err := p.grammar.functionHead.ParseFromLexer(p.lex, participle.AllowTrailing(true))
	if err != nil {
		return nil
	}
	open := p.pos() - 1
	closing := p.match[open]
	if closing < 0 || closing >= end {
		return nil
	}
	raw := &function{Head: head, Args: members(p, closing, fieldMember(p))}
	p.seek(closing)
	start := p.lex.MakeCheckpoint()
	if raw.Tail, err = p.grammar.functionTail.ParseFromLexer(p.lex, participle.AllowTrailing(true)); err != nil || p.pos() > end {
		p.lex.LoadCheckpoint(start)
		k := p.unexpected(p.where(err, end), i, wanted(err))
		raw.Tail = &functionTail{}
		p.seek(closing + 1)
		raw.Tokens = p.toks[i:p.pos()]
		p.seek(p.nextMember(closing, k, end, p.startsTyped))
		return raw
	}
	raw.Tokens = p.toks[i:p.pos()]
	return raw
}

// member says how one kind of member is read.
type member[T any] struct {
	what    string // for "expected ..."
	parser  *participle.Parser[T]
	starts  func(i int) bool // whether a member can start at token i, behind an error
	recover func(end int) *T // reads a broken one piece by piece, or returns nil; may be nil itself
}

func fieldMember(p *parser) member[field] {
	return member[field]{what: "a field", parser: p.grammar.field, starts: func(i int) bool {
		return p.numbered(i) || p.toks[i].Type == tokenInt && startsLine(p.toks, i) || p.startsTyped(i)
	}}
}

// members reads members up to token end and returns those without errors.
func members[T any](p *parser, end int, kind member[T]) []*T {
	var all []*T
	for p.pos() < end && !p.stopped {
		i := p.pos()
		if t := p.toks[i]; isPunct(t, ")") && p.match[i] < 0 {
			p.unopened(t)
			p.seek(i + 1)
			continue
		}
		if p.startsDefinition(i) {
			p.nested(i, end)
			continue
		}
		start := p.lex.MakeCheckpoint()
		m, err := kind.parser.ParseFromLexer(p.lex, participle.AllowTrailing(true))
		if err == nil && p.pos() <= end {
			all = append(all, m)
			continue
		}
		k := p.where(err, end)
		p.lex.LoadCheckpoint(start)
		if kind.recover != nil {
			if m := kind.recover(end); m != nil {
				all = append(all, m)
				continue
			}
			p.lex.LoadCheckpoint(start)
		}
		want := wanted(err)
		if k == i {
			want = kind.what
		}
		k = p.unexpected(k, i, want)
		p.seek(p.nextMember(i, k, end, kind.starts))
	}
	return all
}

// nested reports a definition inside another one's body, which ends at token end, and reads it as if it stood outside.
func (p *parser) nested(i, end int) {
	p.report(&Diagnostic{
		Code: codeNested, Span: spanOf(p.toks[i]), Message: "a definition cannot stand inside another one",
		Help: "move it out, or close the brace before it",
	})
	outer := p.limit
	p.limit = end
	p.top()
	p.limit = outer
}

// nextMember returns where reading can go on after an error at token k of the member that starts at i: behind a
// separator, or where starts says that a member can start. It lies in (i, end]. Whole brackets
// are stepped over, so that a separator inside one does not count.
func (p *parser) nextMember(i, k, end int, starts func(i int) bool) int {
	for j := i; j < end; {
		t := p.toks[j]
		if j > i && j >= k && (starts(j) || p.startsDefinition(j)) {
			return j
		}
		if m := p.match[j]; m > j && m < end {
			j = m + 1
			continue
		}
		if j >= k && isSeparator(t) {
			return j + 1
		}
		j++
	}
	return end
}

// startsTyped reports whether token i starts a line with what can be a type, or a word before one.
func (p *parser) startsTyped(i int) bool {
	t := p.toks[i]
	return startsLine(p.toks, i) && (t.Type == tokenIdent || t.Type == tokenKeyword && t.Value != "throws" && t.Value != "extends")
}

// numbered reports whether a field with an id starts at token i.
func (p *parser) numbered(i int) bool {
	return p.toks[i].Type == tokenInt && isPunct(p.toks[i+1], ":")
}

// nextItem returns where reading can go on after an error at token k of the item that starts at i: at a word that starts
// a line, or follows something complete, as definitions do; at the latest, where the body around the item ends. It lies
// after i.
func (p *parser) nextItem(i, k int) int {
	for j := i; j < p.limit; {
		if j > i && j >= k && (p.startsDefinition(j) || p.toks[j].Type == tokenKeyword && startsItem(p.toks[j]) && p.looksNamed(j+1)) {
			return j
		}
		if m := p.match[j]; m > j {
			j = m + 1
		} else {
			j++
		}
	}
	return p.limit
}

// startsDefinition reports whether token i starts a line and looks like the start of a header or definition.
func (p *parser) startsDefinition(i int) bool {
	if bodyStarts(p.toks, i) {
		return true
	}
	t := p.toks[i]
	if !startsLine(p.toks, i) || t.Type != tokenKeyword || !startsItem(t) || p.toks[i+1].Pos.Line != t.Pos.Line {
		return false
	}
	switch t.Value {
	case "const", "typedef":
		return p.looksNamed(i + 1)
	case "include", "cpp_include":
		return p.toks[i+1].Type == tokenLiteral
	case "namespace":
		return p.toks[i+1].Type == tokenIdent || isPunct(p.toks[i+1], "*")
	}
	return isPunct(p.toks[i+1], "{") // the name was forgotten
}

// where returns the index of the token that participle stumbled over, at most end. A nil error means that a production
// took more than it should have, so that it went wrong at end.
func (p *parser) where(err error, end int) int {
	perr, ok := err.(participle.Error)
	if !ok {
		return end
	}
	offset := perr.Position().Offset
	k := sort.Search(len(p.toks)-1, func(i int) bool { return p.toks[i].Pos.Offset >= offset })
	return min(k, end)
}

func (p *parser) unopened(t lexer.Token) {
	p.report(&Diagnostic{Code: codeUnopened, Span: spanOf(t), Message: fmt.Sprintf("`%s` closes nothing", t.Value)})
}
