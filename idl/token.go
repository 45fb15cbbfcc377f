package idl

import (
	"strings"

	"github.com/alecthomas/participle/v2/lexer"
)

// Kinds of tokens. A token's Value is its text in the source, so its end follows from its start.
const (
	tokenEOF      = lexer.EOF
	tokenIdent    = lexer.TokenType(1)
	tokenKeyword  = lexer.TokenType(2) // may also name a field
	tokenModifier = lexer.TokenType(3) // cpp_type and xsd_*: keywords that may not
	tokenInt      = lexer.TokenType(4) // true and false included
	tokenDouble   = lexer.TokenType(5)
	tokenLiteral  = lexer.TokenType(6)
	tokenPunct    = lexer.TokenType(7)
)

// symbols names the kinds for the grammar's tags.
func symbols() map[string]lexer.TokenType {
	return map[string]lexer.TokenType{
		"EOF": tokenEOF, "Ident": tokenIdent, "Keyword": tokenKeyword, "Modifier": tokenModifier, "Int": tokenInt,
		"Double": tokenDouble, "Literal": tokenLiteral, "Punct": tokenPunct,
	}
}

// wordKind tells keywords and the two integers that are words from names. Legacy words (senum, slist, async's cousins,
// *_namespace) are names to the lexer, as they are to Apache's compiler today; only their place makes them special.
func wordKind(word string) lexer.TokenType {
	switch word {
	case "namespace", "include", "cpp_include", "void", "bool", "byte", "i8", "i16", "i32", "i64", "double", "string",
		"binary", "uuid", "map", "list", "set", "oneway", "async", "typedef", "struct", "union", "exception", "extends",
		"throws", "service", "enum", "const", "required", "optional":
		return tokenKeyword
	case "cpp_type", "xsd_all", "xsd_optional", "xsd_nillable", "xsd_attrs":
		return tokenModifier
	case "true", "false":
		return tokenInt
	}
	return tokenIdent
}

// legacyScopes maps the namespace words of old files to the scope that each means.
var legacyScopes = map[string]string{
	"cpp_namespace":      "cpp",
	"php_namespace":      "php",
	"py_module":          "py",
	"perl_package":       "perl",
	"ruby_namespace":     "rb",
	"smalltalk_category": "smalltalk.category",
	"smalltalk_prefix":   "smalltalk.prefix",
	"java_package":       "java",
	"cocoa_prefix":       "cocoa",
	"csharp_namespace":   "csharp",
	"xsd_namespace":      "xsd",
}

// definitionWords start a definition, headerWords a header.
var (
	definitionWords = []string{"const", "typedef", "enum", "struct", "union", "exception", "service"}
	headerWords     = []string{"include", "cpp_include", "namespace"}
	containerWords  = []string{"list", "set", "map", "stream"}
	openingWords    = append(append([]string(nil), definitionWords...), headerWords...)
)

// startsItem reports whether a definition or header can start with the token.
func startsItem(t lexer.Token) bool {
	switch t.Type {
	case tokenKeyword:
		switch t.Value {
		case "const", "typedef", "enum", "struct", "union", "exception", "service", "include", "cpp_include", "namespace":
			return true
		}
	case tokenIdent:
		return t.Value == "senum" || legacyScopes[t.Value] != ""
	}
	return false
}

func isPunct(t lexer.Token, text string) bool { return t.Type == tokenPunct && t.Value == text }

func isSeparator(t lexer.Token) bool { return isPunct(t, ",") || isPunct(t, ";") }

func isOpener(t lexer.Token) bool { return t.Type == tokenPunct && strings.Contains("{([<", t.Value) }

func isCloser(t lexer.Token) bool { return t.Type == tokenPunct && strings.Contains("})]>", t.Value) }

// closerOf returns the bracket that closes an opening one.
func closerOf(opener string) string {
	switch opener {
	case "{":
		return "}"
	case "(":
		return ")"
	case "[":
		return "]"
	}
	return ">"
}

// startOf and endOf return where a token lies. No token holds a line break.
func startOf(t lexer.Token) Pos {
	return Pos{Offset: t.Pos.Offset, Line: t.Pos.Line, Col: t.Pos.Column}
}

func endOf(t lexer.Token) Pos {
	p := startOf(t)
	if t.Type != tokenEOF {
		p.Offset += len(t.Value)
		p.Col += len(t.Value)
	}
	return p
}

func spanOf(t lexer.Token) Span { return Span{startOf(t), endOf(t)} }

// spanOfAll is the span from the first to the last of at least one token.
func spanOfAll(toks []lexer.Token) Span {
	return Span{startOf(toks[0]), endOf(toks[len(toks)-1])}
}
