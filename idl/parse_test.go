package idl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// languageTests has every construct of the language. The want of a test is its dump, followed by the codes of its
// warnings, if any; there must be no errors.
var languageTests = []struct{ name, src, want string }{
	// files
	{"empty", "", ""},
	{"blank", " \t\r\n", ""},
	{"bom", "\ufeffconst i32 A = 1", "const i32 A = 1\n"},
	{"only comments", "// a\n# b\n/* c */ /**/ /***/ /** d */", ""},
	{"comment without line end", "const i32 A = 1 // a", "const i32 A = 1\n"},
	{"CRLF", "struct A {\r\n  1: i32 a\r\n}\r\n", "struct A\n  1: i32 a\n"},
	{"all on one line", "struct A {1: i32 a 2: i32 b} enum E {A B C} const i32 C = 1 typedef i32 T service S {void f() void g()}",
		"struct A\n  1: i32 a\n  2: i32 b\nenum E\n  A\n  B\n  C\nconst i32 C = 1\ntypedef i32 T\nservice S\n  void f()\n  void g()\n"},

	// headers
	{"include", `include "a.thrift" include 'b/c.idl'`, "include \"a.thrift\"\ninclude \"b/c.idl\"\n"},
	{"cpp_include", `cpp_include "<map>"`, "cpp_include \"<map>\"\n"},
	{"namespace", "namespace go a.b.c\nnamespace * d\nnamespace py.twisted e", "namespace go a.b.c\nnamespace * d\nnamespace py.twisted e\n"},
	{"namespace annotations", `namespace xsd a (uri = "http://b")`, "namespace xsd a (uri=\"http://b\")\n"},
	{"legacy namespaces", "cpp_namespace a php_namespace b py_module c perl_package d ruby_namespace e smalltalk_category f\n" +
		"smalltalk_prefix g java_package h cocoa_prefix i csharp_namespace j xsd_namespace 'k'",
		"namespace cpp a\nnamespace php b\nnamespace py c\nnamespace perl d\nnamespace rb e\nnamespace smalltalk.category f\n" +
			"namespace smalltalk.prefix g\nnamespace java h\nnamespace cocoa i\nnamespace csharp j\nnamespace xsd k\n" +
			strings.Repeat("W004\n", 11)},
	{"legacy words are names elsewhere", "struct java_package { 1: i32 senum }", "struct java_package\n  1: i32 senum\n"},

	// numbers
	{"integers", "const i64 A = 42 const i64 A = -7 const i64 A = +7 const i64 A = 098325",
		"const i64 A = 42\nconst i64 A = -7\nconst i64 A = 7\nconst i64 A = 98325\n"},
	{"hex", "const i64 A = 0x1F const i64 A = -0xff const i64 A = +0x0", "const i64 A = 31\nconst i64 A = -255\nconst i64 A = 0\n"},
	{"integer limits", "const i64 A = 9223372036854775807 const i64 A = -9223372036854775808 const i64 A = 0x7fffffffffffffff",
		"const i64 A = 9223372036854775807\nconst i64 A = -9223372036854775808\nconst i64 A = 9223372036854775807\n"},
	{"doubles", "const double A = [1.5 .5 1e10 085.2355 -1.5e-3 +2E+2 1e400]",
		"const double A = [1.5d 0.5d 1e+10d 85.2355d -0.0015d 200d +Infd]\n"},
	{"bare exponent is a name", "const double A = e10", "const double A = @e10\n"},
	{"number then name", "const i32 A = [1a]", "const i32 A = [1 @a]\n"},
	{"sign without digits", "const double A = [+ -]", "const double A = [0d 0d]\nW007\nW007\n"},
	{"true and false", "const bool A = true const i32 A = false struct S { true: i32 a }",
		"const bool A = 1(true)\nconst i32 A = 0(false)\nstruct S\n  1: i32 a\n"},

	// strings
	{"quotes", `const string A = ["a" 'b' "it's" 'say "hi"' "" '']`, `const string A = ["a" "b" "it's" "say \"hi\"" "" ""]` + "\n"},
	{"escapes", `const string A = ["\r\n\t" "\"" '\'' "\\" "\'" '\"']`, `const string A = ["\r\n\t" "\"" "'" "\\" "'" "\""]` + "\n"},
	{"comment marks in strings", `const string A = "/* // # */"`, `const string A = "/* // # */"` + "\n"},
	{"unicode in strings", `const string A = "日本"`, `const string A = "日本"` + "\n"},

	// names
	{"dotted", "const a.b.C A = a.B.c const x.1 A = y.2.z", "const @a.b.C A = @a.B.c\nconst @x.1 A = @y.2.z\n"},
	{"keyword inside a dotted name", "const struct.a A = list.b", "const @struct.a A = @list.b\n"},
	{"underscores", "const _a __b = _", "const @_a __b = @_\n"},
	{"words that old compilers reserve", "struct BEGIN { 1: self __CLASS__ 2: i32 abstract } const i32 end = 1 enum class { switch while yield }",
		"struct BEGIN\n  1: @self __CLASS__\n  2: i32 abstract\nconst i32 end = 1\nenum class\n  switch\n  while\n  yield\n"},

	// constants
	{"lists", "const list<i32> A = [1 2;3,4] const list<i32> A = [] const list<i32> A = [1,]",
		"const list<i32> A = [1 2 3 4]\nconst list<i32> A = []\nconst list<i32> A = [1]\n"},
	{"maps", "const map<i32,i32> A = {1:2;3:4} const map<i32,i32> A = {} const map<i32,i32> A = {1:2 3:4,}",
		"const map<i32,i32> A = {1:2 3:4}\nconst map<i32,i32> A = {}\nconst map<i32,i32> A = {1:2 3:4}\n"},
	{"nested", "const X A = {[1]: {'a': [2]}, {3: 4}: {}}", "const @X A = {[1]:{\"a\":[2]} {3:4}:{}}\n"},
	{"separators", "const i32 A = 1, const i32 B = 2; const i32 C = 3", "const i32 A = 1\nconst i32 B = 2\nconst i32 C = 3\n"},

	// types
	{"base types", "struct A { bool a byte a i8 a i16 a i32 a i64 a double a string a binary a uuid a slist a }",
		"struct A\n  bool a\n  i8 a\n  i8 a\n  i16 a\n  i32 a\n  i64 a\n  double a\n  string a\n  binary a\n  uuid a\n  string a\nW003\n"},
	{"containers", "typedef map<string, list<set<a.B>>> T", "typedef map<string,list<set<@a.B>>> T\n"},
	{"cpp_type", `typedef map cpp_type "M" <i32, set cpp_type "S" <list cpp_type "L" <i32>>> T typedef list<i32> cpp_type "V" U`,
		"typedef map<i32,set<list<i32> cpp_type \"L\"> cpp_type \"S\"> cpp_type \"M\" T\ntypedef list<i32> cpp_type \"V\" U\nW006\n"},
	{"type annotations", `typedef i32 (a = "b") T (c) typedef list<string (d)> (e = "f", g) U`,
		"typedef i32 (a=\"b\") T (c~1)\ntypedef list<string (d~1)> (e=\"f\" g~1) U\n"},
	{"streams", "service S { stream<i32> f(1: stream<a.B> (c) x) } typedef stream stream", "service S\n  stream<i32> f(1: stream<@a.B> (c~1) x)\ntypedef @stream stream\n"},

	// enums
	{"enum", "enum E { A = 1, B; C D = -2 F = 0x10 }", "enum E\n  A = 1\n  B\n  C\n  D = -2\n  F = 16\n"},
	{"enum value annotations", `enum E { A = 1 (x = "y"), B (z) } (w)`, "enum E (w~1)\n  A = 1 (x=\"y\")\n  B (z~1)\n"},
	{"empty enum", "enum E {}", "enum E\n"},
	{"senum", `senum E { "a", 'b'; "c" } (x)`, "typedef string E (x~1)\nW002\n"},

	// structs
	{"kinds", "struct A {} union B {} exception C {} struct D xsd_all {} union F xsd_all {}",
		"struct A\nunion B\nexception C\nstruct D xsd_all\nunion F xsd_all\n"},
	{"field ids", "struct A { i32 a 2: i32 b -3: i32 c 0x4: i32 d 0: i32 e +5: i32 f }",
		"struct A\n  i32 a\n  2: i32 b\n  -3: i32 c\n  4: i32 d\n  0: i32 e\n  5: i32 f\n"},
	{"requiredness", "struct A { required i32 a; 2: optional B b, 3: i32 c }", "struct A\n  required i32 a\n  2: optional @B b\n  3: i32 c\n"},
	{"keyword field names", "struct A { 1: i32 required 2: optional i32 optional 3: i32 struct; 4: map<i32,i32> map, 5: a namespace 6: i32 void 7: i32 i32 = 5 8: i32 async }",
		"struct A\n  1: i32 required\n  2: optional i32 optional\n  3: i32 struct\n  4: map<i32,i32> map\n  5: @a namespace\n  6: i32 void\n  7: i32 i32 = 5\n  8: i32 async\n"},
	{"defaults", `struct A { 1: i32 a = 1, 2: B b = {"x": 1} (c) 3: E e = E.X }`, "struct A\n  1: i32 a = 1\n  2: @B b = {\"x\":1} (c~1)\n  3: @E e = @E.X\n"},
	{"reference", "struct A { 1: optional A & next }", "struct A\n  1: optional @A & next\n"},
	{"xsd", `struct A { 1: i32 a xsd_optional xsd_nillable xsd_attrs { 1: string b, string c } (d), 2: i32 e xsd_nillable }`,
		"struct A\n  1: i32 a xsd_optional xsd_nillable xsd_attrs {1: string b; string c} (d~1)\n  2: i32 e xsd_nillable\n"},
	{"annotations", `struct A { 1: i32 a (b.c.d = "e", f; g = 'h' f) } (go.tag = "x")`, "struct A (go.tag=\"x\")\n  1: i32 a (b.c.d=\"e\" f~1 g=\"h\" f~1)\n"},
	{"empty annotations", "struct A { 1: i32 a () } ()", "struct A\n  1: i32 a\n"},

	// services
	{"service", "service S extends a.B { void f() i32 g(1: i32 a, b c), oneway void h(); } (x)",
		"service S extends a.B (x~1)\n  void f()\n  i32 g(1: i32 a; @b c)\n  oneway void h()\n"},
	{"throws", `service S { a.B f() throws (1: E e, F f) (retry = "never"), void g() throws () }`,
		"service S\n  @a.B f() throws (1: @E e; @F f) (retry=\"never\")\n  void g()\n"},
	{"async", "service S { async void f() }", "service S\n  oneway void f()\nW001\n"},
	{"argument forms", "service S { void f(1: required i32 a = 1 (x), 2: optional list<i32> throws) }",
		"service S\n  void f(1: required i32 a = 1 (x~1); 2: optional list<i32> throws)\n"},

	// separators
	{"after bodies", "struct A {}; enum E {}, service S {};;", "struct A\nenum E\nservice S\nW005\nW005\nW005\nW005\n"},
	{"after headers", "include 'a'; namespace go b,", "include \"a\"\nnamespace go b\nW005\nW005\n"},

	// docs
	{"file doc", "/** the file */\nnamespace go a\n/** the struct */\nstruct A {}", "doc \"the file\"\nnamespace go a\ndoc \"the struct\"\nstruct A\n"},
	{"no file doc without headers", "/** a */ /** b */ struct A {}", "doc \"b\"\nstruct A\n"},
	{"no file doc after the headers", "namespace go a\n/** b */\nstruct A {}", "namespace go a\ndoc \"b\"\nstruct A\n"},
	{"doc of everything", "/** c */ const i32 A = 1 /** t */ typedef i32 T /** e */ enum E { /** v */ V } /** s */ struct S { /** f */ 1: i32 f }\n" +
		"/** x */ service X { /** m */ void m(/** a */ 1: i32 a) throws (/** t */ 1: E e) } /** y */ senum Y {}",
		"doc \"c\"\nconst i32 A = 1\ndoc \"t\"\ntypedef i32 T\ndoc \"e\"\nenum E\n  \"v\" V\ndoc \"s\"\nstruct S\n  \"f\" 1: i32 f\n" +
			"doc \"x\"\nservice X\n  \"m\" void m(\"a\" 1: i32 a) throws (\"t\" 1: @E e)\ndoc \"y\"\ntypedef string Y\nW002\n"},
	{"plain comments between doc and definition", "/** a */ // b\n# c\n/* d */ struct A {}", "doc \"a\"\nstruct A\n"},
	{"docs of nothing", "struct A { 1: i32 a /** x */ } /****/ struct B {}", "struct A\n  1: i32 a\nstruct B\n"},
}

func TestLanguage(t *testing.T) {
	for _, test := range languageTests {
		t.Run(test.name, func(t *testing.T) {
			f, diags := Parse("test.idl", []byte(test.src))
			got := dump(f)
			for _, d := range diags {
				if d.Severity == Error {
					t.Errorf("unexpected %v", d)
				}
				got += d.Code + "\n"
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Recovery reads broken definitions member by member. On correct ones it must agree with the grammar as a whole.
func TestRecoveryAgreesWithGrammar(t *testing.T) {
	for _, test := range languageTests {
		want, _ := Parse("test.idl", []byte(test.src))
		p := &parser{file: &File{Name: "test.idl", Source: []byte(test.src)}, grammar: grammar()}
		s := newScanner(test.src, p.report)
		s.scan()
		p.file.Comments, p.docs, p.cut = s.comments, s.docs, s.cut
		p.load(s.tokens)
		for !p.atEOF() {
			switch p.toks[p.pos()].Value {
			case "struct", "union", "exception":
				p.recoverStruct()
			case "enum":
				p.recoverEnum()
			case "senum":
				p.recoverSenum()
			case "service":
				p.recoverService()
			default:
				p.top()
			}
		}
		p.fileDoc()
		if diff := cmp.Diff(want, p.file); diff != "" {
			t.Errorf("%s: -grammar +recovery:\n%s", test.name, diff)
		}
	}
}

func TestComments(t *testing.T) {
	src := "// a\r\nstruct /* b\n */ A { # c\n} /** d */ //"
	f, _ := Parse("test.idl", []byte(src))
	want := []string{"// a", "/* b\n */", "# c", "/** d */", "//"}
	var got []string
	for _, c := range f.Comments {
		got = append(got, c.Text)
		if text := src[c.Span.Start.Offset:c.Span.End.Offset]; text != c.Text {
			t.Errorf("comment %q lies at %q", c.Text, text)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDocText(t *testing.T) {
	for _, test := range []struct{ comment, want string }{
		{"/** a */", "a"},
		{"/**a*/", "a"},
		{"/** a **/", "a"},
		{"/*** a */", "a"},
		{"/** * item */", "* item"},
		{"/**\n * a\n * b\n */", "a\nb"},
		{"/**\n * a\n *\n *   b\n */", "a\n\n  b"},
		{"/** a\n  * b\n  **/", "a\nb"},
		{"/**\r\n * a\r\n * b\r\n */", "a\nb"},
		{"/**\n   a\n     b\n   c\n*/", "a\n  b\nc"},
		{"/**\n\n\n * a\n\n */", "a"},
	} {
		if got := docText(test.comment); got != test.want {
			t.Errorf("docText(%q) = %q, want %q", test.comment, got, test.want)
		}
	}
}

func TestSourceTooLarge(t *testing.T) {
	f, diags := Parse("test.idl", make([]byte, maxSource+1))
	if f == nil || len(diags) != 1 || diags[0].Code != codeTooLarge {
		t.Errorf("got %v, %v", f, diags)
	}
}

func TestTooManyErrors(t *testing.T) {
	_, diags := Parse("test.idl", []byte("struct A {\n"+strings.Repeat("1: i32 =\n", 2*maxErrors)+"}"))
	if last := diags[len(diags)-1]; len(diags) != maxErrors+1 || last.Code != codeTooManyErrors {
		t.Errorf("got %d diagnostics, the last is %v", len(diags), last)
	}
}
