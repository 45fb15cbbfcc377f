package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kuafu-rpc/kuafu/idl"
)

func TestFieldIDs(t *testing.T) {
	tests := []struct {
		name     string
		fields   string
		negative bool
		want     []int16
	}{
		{"written", "3: i32 a, 1: i32 b, 0x7fff: i32 c", false, []int16{3, 1, 32767}},
		{"left out", "i32 a, 1: i32 b, i32 c", false, []int16{-1, 1, -2}},
		{"not positive", "i32 a, 0: i32 b, -9: i32 c, i32 d", false, []int16{-1, -2, -3, -4}},
		{"not positive, kept", "i32 a, -9: i32 b, i32 c, 0: i32 d, i32 e", true, []int16{-1, -9, -10, 0, -1}},
		{"true is 1", "true: i32 a", false, []int16{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, diags := Load(Options{
				FS:               MapFS{"main.idl": "struct S {" + tt.fields + "}\nservice V { void f(" + tt.fields + ") }"},
				AllowNegativeIDs: tt.negative,
			}, "main.idl")
			f := p.Roots[0]
			for what, fields := range map[string][]*Field{"struct": f.Structs[0].Fields, "arguments": f.Services[0].Functions[0].Args} {
				var got []int16
				for _, field := range fields {
					got = append(got, field.ID)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s%v", what, diff, diags)
				}
			}
		})
	}
}

func TestFieldIDErrors(t *testing.T) {
	tests := []struct {
		name, fields string
		want         string
	}{
		{"auto meets kept", "i32 a, -1: i32 b", "field id -1 is used twice"},
		{"too small", "-32769: i32 a", "field id -32769 does not fit 16 bits"},
		{"least integer", "-9223372036854775808: i32 a, i32 b", "field id -9223372036854775808 does not fit 16 bits"},
		{"auto below the range", "-32768: i32 a, i32 b", "field id -32769 does not fit 16 bits"},
	}
	for _, tt := range tests {
		got := messages(Options{AllowNegativeIDs: true}, MapFS{"main.idl": "struct S {" + tt.fields + "}"})
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s", tt.name, got)
		}
	}
	got := messages(Options{AllowNegativeIDs: true}, MapFS{"main.idl": "exception X {}\nservice S { i32 f() throws (0: X x) }"})
	if !strings.Contains(got, "an exception cannot have the id 0") {
		t.Errorf("exception with the result's id: got %s", got)
	}
}

func TestTypesAreResolved(t *testing.T) {
	f := program(t, Options{}, MapFS{
		"main.idl": `include "far.v2.idl"
			struct S { 1: Outer a, 2: far.v2.Thing b, 3: map<Inner, far.v2.Things> c }
			typedef Inner Outer
			typedef list<Late> Inner
			enum Late { X }`,
		"far.v2.idl": `typedef list<Thing> Things  struct Thing { }`,
	}).Roots[0]
	a, b, c := f.Structs[0].Fields[0].Type, f.Structs[0].Fields[1].Type, f.Structs[0].Fields[2].Type
	outer, inner := f.Typedefs[0], f.Typedefs[1]
	if a.Kind != KindList || a.Elem.Enum != f.Enums[0] || a.Typedef != outer || outer.Type.Typedef != inner || inner.Type.Typedef != nil {
		t.Errorf("a is %v of kind %v", a, a.Kind)
	}
	if b.Kind != KindStruct || b.Struct.File != f.Includes[0] || f.Includes[0].Base != "far.v2" {
		t.Errorf("b is %v of kind %v", b, b.Kind)
	}
	if c.Key.Typedef != inner || c.Elem.Kind != KindList || c.Elem.Elem.Struct != b.Struct || c.String() != "map<Inner, Things>" {
		t.Errorf("c is %v", c)
	}
}

func TestRequiredness(t *testing.T) {
	f := program(t, Options{}, MapFS{"main.idl": `
		union U { 1: required i32 a, 2: i32 b }
		struct S { 1: required i32 a, 2: i32 b, 3: optional i32 c }
		exception X {}
		service V { void f(1: required i32 a, 2: i32 b, 3: optional i32 c) throws (1: X x, 2: required X y) }`}).Roots[0]
	words := func(fields []*Field) string {
		var b strings.Builder
		for _, f := range fields {
			b.WriteByte("dro"[f.Requiredness])
		}
		return b.String()
	}
	fn := f.Services[0].Functions[0]
	got := []string{words(f.Structs[0].Fields), words(f.Structs[1].Fields), words(fn.Args), words(fn.Throws)}
	if diff := cmp.Diff([]string{"oo", "rdo", "rdd", "oo"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRecursiveFields(t *testing.T) {
	f := program(t, Options{}, MapFS{"main.idl": `
		struct Leaf { 1: i32 x }
		struct Tree { 1: Tree left, 2: list<Tree> rest, 3: Leaf leaf, 4: Alias right, 5: Chain chain }
		typedef Tree Alias
		union Chain { 1: Link next, 2: Tree tree }
		struct Link { 1: Chain chain, 2: Ring ring }
		struct Ring { 1: map<i32, Ring> rings, 2: Leaf leaf }`}).Roots[0]
	var got []string
	for _, s := range f.Structs {
		for _, field := range s.Fields {
			if field.Recursive {
				got = append(got, s.Name+"."+field.Name)
			}
		}
	}
	want := []string{"Tree.left", "Tree.right", "Tree.chain", "Chain.next", "Chain.tree", "Link.chain"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestServices(t *testing.T) {
	p := program(t, Options{}, MapFS{
		"main.idl": `include "base.idl"
			service C extends B { void c() (retry = "at_most_once", timeout = "1500ms", priority = "high", compress = "snappy", x = "y") }
			service B extends base.A { oneway void b(1: i32 x), stream<i32> s(1: stream<string> in) }`,
		"base.idl": `service A { i32 a() }`,
	})
	c := p.Roots[0].Services[0]
	var names []string
	for _, f := range c.AllFunctions() {
		names = append(names, f.Service.Name+"."+f.Name)
	}
	if diff := cmp.Diff([]string{"A.a", "B.b", "B.s", "C.c"}, names); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
	f := c.Functions[0]
	if f.Retry != RetryAtMostOnce || f.TimeoutNano != int64(1500*time.Millisecond) || f.Priority != "high" || f.Compress != "snappy" {
		t.Errorf("annotations: %v %v %v %v", f.Retry, f.TimeoutNano, f.Priority, f.Compress)
	}
	if len(f.Annotations) != 5 {
		t.Errorf("%d annotations kept", len(f.Annotations))
	}
	s := c.Extends.Functions[1]
	if s.Result.Kind != KindStream || s.Result.Elem.Kind != KindI32 || s.Args[0].Type.Kind != KindStream {
		t.Errorf("stream types: %v, %v", s.Result, s.Args[0].Type)
	}
	if b := c.Extends.Functions[0]; !b.Oneway || b.Result != nil {
		t.Errorf("b is oneway %v with result %v", b.Oneway, b.Result)
	}
}

// What an exception says of its failure is kept as an annotation, too. Nothing else can say it.
func TestFailures(t *testing.T) {
	f := program(t, Options{}, MapFS{"main.idl": `
		exception Passing {} (x = "y", failure = "transient")
		exception Lasting {} (failure = "permanent")
		exception Silent {}
		struct Plain {} (failure = "transient")
		union Either {} (failure = "permanent")`}).Roots[0]
	got := make(map[string]Failure)
	for _, s := range f.Structs {
		got[s.Name] = s.Failure
	}
	want := map[string]Failure{
		"Passing": FailureTransient, "Lasting": FailurePermanent, "Silent": FailureUnset, "Plain": FailureUnset, "Either": FailureUnset,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := len(f.Structs[0].Annotations); n != 2 {
		t.Errorf("%d annotations kept", n)
	}
}

func TestNamespace(t *testing.T) {
	f := program(t, Options{}, MapFS{"main.idl": "namespace go a.b\nnamespace * c\nnamespace go d.e"}).Roots[0]
	if f.Namespace("go") != "d.e" || f.Namespace("java") != "c" {
		t.Errorf("go %q, java %q", f.Namespace("go"), f.Namespace("java"))
	}
	f = program(t, Options{}, MapFS{"main.idl": "namespace py a"}).Roots[0]
	if got := f.Namespace("go"); got != "" {
		t.Errorf("without a namespace: %q", got)
	}
}

// Everything in a program keeps the order of its source, and errors come sorted, so output can be compared bytewise.
func TestOrder(t *testing.T) {
	p := program(t, Options{}, MapFS{"main.idl": "const i32 A = 1\nstruct B {}\ntypedef i32 C\nservice D {}\nenum E {X}\nconst i32 F = 2\n"})
	var got string
	for _, d := range p.Roots[0].Order {
		got += d.DefName()
		if d.DefFile() != p.Roots[0] {
			t.Errorf("%s belongs to another file", d.DefName())
		}
	}
	if got != "ABCDEF" {
		t.Errorf("order %s", got)
	}
}

// Each input would run for ever, overflow the stack, or fill the memory of a compiler without limits.
func TestLimits(t *testing.T) {
	repeat := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.NewReplacer("$i", fmt.Sprint(i), "$j", fmt.Sprint(i+1)).Replace(format))
			b.WriteByte('\n')
		}
		return b.String()
	}
	tests := []struct{ name, src, want string }{
		{"typedefs forward", repeat(5000, "typedef T$j T$i") + "typedef i32 T5000", "more than 1000 typedefs refer forward"},
		{"typedefs doubling", "typedef i32 T0\n" + repeat(40, "typedef map<T$i, T$i> T$j"), "the type is too large"},
		{"typedefs nesting", "typedef i32 T0\n" + repeat(100, "typedef list<T$i> T$j"), "the type is too large"},
		{"constants forward", repeat(5000, "const i32 C$i = C$j") + "const i32 C5000 = 1", "more than 1000 constants refer forward"},
		{"services", repeat(5000, "service S$i extends S$j {}") + "service S5000 {}", "more than 64 services above it"},
		{"services backward", "service S0 {}\n" + repeat(100, "service S$j extends S$i {}"), "more than 64 services above it"},
		{"long cycle of typedefs", repeat(900, "typedef T$j T$i") + "typedef T0 T900", "typedef cycle"},
		{"long cycle of services", repeat(5000, "service S$i extends S$j {}") + "service S5000 extends S0 {}", "extends cycle"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := messages(Options{}, MapFS{"main.idl": tt.src})
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %.500s", got)
			}
		})
	}
	// A long way through structs is legal.
	p := program(t, Options{}, MapFS{"main.idl": repeat(20000, "struct S$i { 1: S$j next }") + "struct S20000 { 1: S0 next }"})
	if f := p.Roots[0].Structs[20000].Fields[0]; !f.Recursive {
		t.Error("the circle of structs was not found")
	}
}

// A file full of errors costs no more than a bounded number of diagnostics and searches.
func TestManyErrors(t *testing.T) {
	var b strings.Builder
	for i := range maxErrors + 100 {
		fmt.Fprintf(&b, "struct S%d { 1: Typo%d a }\n", i, i)
	}
	_, diags := Load(Options{FS: MapFS{"main.idl": b.String()}}, "main.idl")
	if len(diags) != maxErrors {
		t.Errorf("%d diagnostics", len(diags))
	}
	for _, d := range diags {
		if d.Severity != idl.Error || d.Code != "E111" {
			t.Fatal(d)
		}
	}
}

// The table of codes is complete, ordered and free of repetition.
func TestCodes(t *testing.T) {
	seen := make(map[string]bool)
	last := ""
	for _, c := range Codes() {
		if seen[c.Code] {
			t.Errorf("%s is listed twice", c.Code)
		}
		seen[c.Code] = true
		if c.Code <= last {
			t.Errorf("%s follows %s", c.Code, last)
		}
		last = c.Code
		if !strings.HasSuffix(c.Explanation, ".") {
			t.Errorf("%s: explanation %q", c.Code, c.Explanation)
		}
		if c.Strict && c.Code[0] != 'W' {
			t.Errorf("%s is an error anyway", c.Code)
		}
	}
	for _, c := range idl.Codes() {
		if seen[c.Code] {
			t.Errorf("%s is one of the parser's", c.Code)
		}
	}
}
