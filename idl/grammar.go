package idl

import (
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// This file is the grammar: participle reads it off the tags. One token of lookahead decides everything, so an
// alternative that took a token is never given up, errors point at the very token, and time is linear.
//
// Definitions with a body are written as head, members and tail, so that recovery can read a broken one piece by piece
// with the same productions. A node's Tokens are all the tokens it took.

// item is one header or definition.
type item struct {
	Include   *include     `parser:"  @@"`
	Namespace *namespace   `parser:"| @@"`
	Legacy    *legacyScope `parser:"| @@"`
	Const     *constant    `parser:"| @@"`
	Typedef   *typedef     `parser:"| @@"`
	Enum      *enumeration `parser:"| @@"`
	Senum     *senum       `parser:"| @@"`
	Struct    *structure   `parser:"| @@"`
	Service   *service     `parser:"| @@"`
}

type include struct {
	Tokens []lexer.Token
	Word   lexer.Token `parser:"@('include' | 'cpp_include')"`
	Path   lexer.Token `parser:"@Literal"`
}

type namespace struct {
	Tokens []lexer.Token
	Scope  lexer.Token  `parser:"'namespace' @(Ident | '*')"`
	Name   lexer.Token  `parser:"@(Ident | Literal)"`
	Annots *annotations `parser:"@@?"`
}

type legacyScope struct {
	Tokens []lexer.Token
	Word   lexer.Token `parser:"@('cpp_namespace' | 'php_namespace' | 'py_module' | 'perl_package' | 'ruby_namespace' | 'smalltalk_category' | 'smalltalk_prefix' | 'java_package' | 'cocoa_prefix' | 'csharp_namespace' | 'xsd_namespace')"`
	Name   lexer.Token `parser:"@(Ident | Literal)"`
}

type constant struct {
	Tokens []lexer.Token
	Type   *fieldType   `parser:"'const' @@"`
	Name   lexer.Token  `parser:"@Ident"`
	Value  *value       `parser:"'=' @@"`
	Sep    *lexer.Token `parser:"@(',' | ';')?"`
}

type typedef struct {
	Tokens []lexer.Token
	Type   *fieldType   `parser:"'typedef' @@"`
	Name   lexer.Token  `parser:"@Ident"`
	Annots *annotations `parser:"@@?"`
	Sep    *lexer.Token `parser:"@(',' | ';')?"`
}

type enumeration struct {
	Tokens []lexer.Token
	Head   *enumHead    `parser:"@@"`
	Values []*enumValue `parser:"@@*"`
	Tail   *bodyTail    `parser:"@@"`
}

type enumHead struct {
	Name lexer.Token `parser:"'enum' @Ident '{'"`
}

type enumValue struct {
	Tokens []lexer.Token
	Name   lexer.Token  `parser:"@Ident"`
	Value  *lexer.Token `parser:"('=' @Int)?"`
	Annots *annotations `parser:"@@?"`
	Sep    *lexer.Token `parser:"@(',' | ';')?"`
}

type senum struct {
	Tokens []lexer.Token
	Head   *senumHead    `parser:"@@"`
	Values []*senumValue `parser:"@@*"`
	Tail   *bodyTail     `parser:"@@"`
}

type senumHead struct {
	Name lexer.Token `parser:"'senum' @Ident '{'"`
}

type senumValue struct {
	Name lexer.Token `parser:"@Literal (',' | ';')?"`
}

type structure struct {
	Tokens []lexer.Token
	Head   *structHead `parser:"@@"`
	Fields []*field    `parser:"@@*"`
	Tail   *bodyTail   `parser:"@@"`
}

type structHead struct {
	Kind   lexer.Token `parser:"@('struct' | 'union' | 'exception')"`
	Name   lexer.Token `parser:"@Ident"`
	XsdAll bool        `parser:"@'xsd_all'? '{'"`
}

type service struct {
	Tokens    []lexer.Token
	Head      *serviceHead `parser:"@@"`
	Functions []*function  `parser:"@@*"`
	Tail      *bodyTail    `parser:"@@"`
}

type serviceHead struct {
	Name    lexer.Token  `parser:"'service' @Ident"`
	Extends *lexer.Token `parser:"('extends' @Ident)? '{'"`
}

type bodyTail struct {
	Annots *annotations `parser:"'}' @@?"`
}

type field struct {
	Tokens      []lexer.Token
	ID          *lexer.Token `parser:"(@Int ':')?"`
	Req         *lexer.Token `parser:"@('required' | 'optional')?"`
	Type        *fieldType   `parser:"@@"`
	Reference   bool         `parser:"@'&'?"`
	Name        lexer.Token  `parser:"@(Ident | Keyword)"`
	Default     *value       `parser:"('=' @@)?"`
	XsdOptional bool         `parser:"@'xsd_optional'?"`
	XsdNillable bool         `parser:"@'xsd_nillable'?"`
	XsdAttrs    []*field     `parser:"('xsd_attrs' '{' @@* '}')?"`
	Annots      *annotations `parser:"@@?"`
	Sep         *lexer.Token `parser:"@(',' | ';')?"`
}

type function struct {
	Tokens []lexer.Token
	Head   *functionHead `parser:"@@"`
	Args   []*field      `parser:"@@*"`
	Tail   *functionTail `parser:"@@"`
}

type functionHead struct {
	Oneway *lexer.Token `parser:"@('oneway' | 'async')?"`
	Void   *lexer.Token `parser:"( @'void'"`
	Result *fieldType   `parser:"| @@ )"`
	Name   lexer.Token  `parser:"@Ident '('"`
}

type functionTail struct {
	Throws []*field     `parser:"')' ('throws' '(' @@* ')')?"`
	Annots *annotations `parser:"@@?"`
	Sep    *lexer.Token `parser:"@(',' | ';')?"`
}

// fieldType is any type. A name with type arguments is read whatever the name is: "stream" makes it a stream, and
// anything else gets an error that can say which container was meant.
type fieldType struct {
	Tokens []lexer.Token
	Base   *baseType  `parser:"  @@"`
	Map    *mapType   `parser:"| @@"`
	Set    *setType   `parser:"| @@"`
	List   *listType  `parser:"| @@"`
	Named  *namedType `parser:"| @@"`
}

type baseType struct {
	Name   lexer.Token  `parser:"@('bool' | 'byte' | 'i8' | 'i16' | 'i32' | 'i64' | 'double' | 'string' | 'binary' | 'uuid')"`
	Annots *annotations `parser:"@@?"`
}

type mapType struct {
	Cpp    *cppType     `parser:"'map' @@?"`
	Key    *fieldType   `parser:"'<' @@"`
	Value  *fieldType   `parser:"',' @@ '>'"`
	Annots *annotations `parser:"@@?"`
}

type setType struct {
	Cpp    *cppType     `parser:"'set' @@?"`
	Elem   *fieldType   `parser:"'<' @@ '>'"`
	Annots *annotations `parser:"@@?"`
}

type listType struct {
	Cpp    *cppType     `parser:"'list' @@?"`
	Elem   *fieldType   `parser:"'<' @@ '>'"`
	Late   *cppType     `parser:"@@?"`
	Annots *annotations `parser:"@@?"`
}

type namedType struct {
	Name lexer.Token    `parser:"@Ident"`
	Args *typeArguments `parser:"@@?"`
}

type typeArguments struct {
	List   []*fieldType `parser:"'<' @@ (',' @@)* '>'"`
	Annots *annotations `parser:"@@?"`
}

type cppType struct {
	Name lexer.Token `parser:"'cpp_type' @Literal"`
}

type annotations struct {
	List []*annotation `parser:"'(' @@* ')'"`
}

type annotation struct {
	Tokens []lexer.Token
	Name   lexer.Token  `parser:"@(Ident | Keyword)"`
	Value  *lexer.Token `parser:"('=' @(Literal | Ident | Int | Double))?"`
	Sep    *lexer.Token `parser:"@(',' | ';')?"`
}

type value struct {
	Tokens []lexer.Token
	Int    *lexer.Token `parser:"  @Int"`
	Double *lexer.Token `parser:"| @Double"`
	String *lexer.Token `parser:"| @Literal"`
	Ident  *lexer.Token `parser:"| @Ident"`
	List   *listValue   `parser:"| @@"`
	Map    *mapValue    `parser:"| @@"`
}

type listValue struct {
	Elems []*value `parser:"'[' (@@ (',' | ';')?)* ']'"`
}

type mapValue struct {
	Entries []*mapEntry `parser:"'{' @@* '}'"`
}

type mapEntry struct {
	Key   *value `parser:"@@"`
	Value *value `parser:"':' @@ (',' | ';')?"`
}

// productions are the parsers of the grammar's pieces that are used on their own.
type productions struct {
	item         *participle.Parser[item]
	enumHead     *participle.Parser[enumHead]
	enumValue    *participle.Parser[enumValue]
	senumHead    *participle.Parser[senumHead]
	senumValue   *participle.Parser[senumValue]
	structHead   *participle.Parser[structHead]
	serviceHead  *participle.Parser[serviceHead]
	bodyTail     *participle.Parser[bodyTail]
	field        *participle.Parser[field]
	function     *participle.Parser[function]
	functionHead *participle.Parser[functionHead]
	functionTail *participle.Parser[functionTail]
}

// grammar builds the parsers at first use; they hold no state of a parse. The panics can only come from the tags
// above, not from input.
var grammar = sync.OnceValue(func() *productions {
	root := participle.MustBuild[item](participle.Lexer(definition{}), participle.UseLookahead(0))
	return &productions{
		item:         root,
		enumHead:     production[enumHead](root),
		enumValue:    production[enumValue](root),
		senumHead:    production[senumHead](root),
		senumValue:   production[senumValue](root),
		structHead:   production[structHead](root),
		serviceHead:  production[serviceHead](root),
		bodyTail:     production[bodyTail](root),
		field:        production[field](root),
		function:     production[function](root),
		functionHead: production[functionHead](root),
		functionTail: production[functionTail](root),
	}
})

func production[P any](root *participle.Parser[item]) *participle.Parser[P] {
	p, err := participle.ParserForProduction[P](root)
	if err != nil {
		panic(err)
	}
	return p
}
