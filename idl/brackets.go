package idl

import (
	"fmt"

	"github.com/alecthomas/participle/v2/lexer"
)

// load pairs the brackets of the tokens, cuts out what is nested too deep, and sets the cursor to the first token.
func (p *parser) load(toks []lexer.Token) {
	toks = p.cutDeep(toks)
	p.lex, _ = lexer.Upgrade(&tokenLexer{toks}) // tokenLexer gives no errors
	p.toks = p.lex.Range(0, lexer.RawCursor(len(toks)))
	p.limit = len(toks) - 1
	p.pair()
}

// cutDeep leaves out the tokens that lie inside more than maxDepth brackets and reports each such nest once, because
// participle's stack grows with the depth of the input. A definition that starts a line counts as lying in none: the
// brackets before it were forgotten, not meant.
func (p *parser) cutDeep(toks []lexer.Token) []lexer.Token {
	out := make([]lexer.Token, 0, len(toks))
	depth := 0
	dropped := false
	for i, t := range toks {
		switch {
		case bodyStarts(toks, i):
			depth = 0
		case isOpener(t):
			if depth++; depth == maxDepth+1 {
				p.report(&Diagnostic{
					Code: codeTooDeep, Span: spanOf(t),
					Message: fmt.Sprintf("brackets are nested deeper than %d levels", maxDepth),
				})
			}
		case isCloser(t) && depth > 0:
			if depth--; depth == maxDepth {
				dropped = true
				continue // closes the first bracket that was cut
			}
		}
		if depth <= maxDepth || t.Type == tokenEOF {
			if dropped {
				p.cut[t.Pos.Offset] = true
			}
			out, dropped = append(out, t), false
		} else {
			dropped = true
		}
	}
	return out
}

// pair fills p.match. A brace pairs across forgotten parentheses and square brackets, but never the other way round:
// braces are what people close with care. Angle brackets matter to types alone and are left to the grammar.
func (p *parser) pair() {
	p.match = make([]int, len(p.toks))
	type frame struct{ brace, parens, squares int } // what is open inside a brace; -1 is outside of all
	frames := []frame{{brace: -1}}
	var open []int // indexes of open brackets, braces included
	for i, t := range p.toks {
		p.match[i] = -1
		if t.Type != tokenPunct {
			continue
		}
		top := &frames[len(frames)-1]
		count := &top.squares
		switch t.Value {
		case "{":
			frames = append(frames, frame{brace: i})
			open = append(open, i)
		case "(":
			top.parens++
			open = append(open, i)
		case "[":
			top.squares++
			open = append(open, i)
		case "}":
			if top.brace < 0 {
				continue
			}
			for open[len(open)-1] != top.brace {
				open = open[:len(open)-1]
			}
			open = open[:len(open)-1]
			p.match[i], p.match[top.brace] = top.brace, i
			frames = frames[:len(frames)-1]
		case ")":
			count = &top.parens
			fallthrough
		case "]":
			for *count > 0 {
				j := open[len(open)-1]
				open = open[:len(open)-1]
				if p.toks[j].Value == "(" {
					top.parens--
				} else {
					top.squares--
				}
				if closerOf(p.toks[j].Value) == t.Value {
					p.match[i], p.match[j] = j, i
					break
				}
			}
		}
	}
}

// bodyStarts reports whether token i starts a line with the head of a definition that has a body: "struct Name", or any
// two words and a brace. Nothing legal inside a body looks like that.
func bodyStarts(toks []lexer.Token, i int) bool {
	if !startsLine(toks, i) || i+1 >= len(toks) || toks[i+1].Pos.Line != toks[i].Pos.Line || toks[i+1].Type != tokenIdent {
		return false
	}
	switch toks[i].Value {
	case "struct", "union", "exception", "enum", "service":
		return true
	}
	return toks[i].Type == tokenIdent && i+2 < len(toks) && isPunct(toks[i+2], "{")
}

// startsLine reports whether token i is the first of its line.
func startsLine(toks []lexer.Token, i int) bool {
	return i == 0 || toks[i-1].Pos.Line < toks[i].Pos.Line
}
