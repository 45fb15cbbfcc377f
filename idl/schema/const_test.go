package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/idl"
)

const constDefinitions = `
include "base.idl"
enum E { A = 1, B = 2, C = 2 }
typedef E Alias
typedef i32 Count
typedef list<Count> Counts
struct P { 1: i32 x; 2: E e; 3: list<P> more; 4: map<string, Counts> sums }
union U { 1: i32 a; 2: string b }
const i32 N = 7
const string S = "00112233-4455-6677-8899-aabbccddeeff"
const list<i32> L = [1, N, 3]
const map<string, list<i32>> M = {"a": L, "b": []}
const P PT = {"x": N, "e": E.B}
`

const constBase = `
enum Far { NEAR = 3, OFF }
const Far DEFAULT = Far.OFF
const set<string> WORDS = ["x", "y"]
const i32 N = 70
`

func TestConstantsAreFolded(t *testing.T) {
	tests := []struct{ typ, value, want string }{
		{"bool", "true", "bool true"},
		{"bool", "0", "bool false"},
		{"bool", "N", "bool true<-N"},
		{"i8", "-0x80", "i8 -128"},
		{"i64", "9223372036854775807", "i64 9223372036854775807"},
		{"i8", "N", "i8 7<-N"},
		{"double", "3", "double 3"},
		{"double", "-1.5e3", "double -1500"},
		{"double", "N", "double 7<-N"},
		{"string", "'a\\n\"b'", `string "a\n\"b"`},
		{"binary", "S", `binary "00112233-4455-6677-8899-aabbccddeeff"<-S`},
		{"uuid", "'{00112233-4455-6677-8899-AABBCCDDEEFF}'", "uuid 00112233445566778899aabbccddeeff"},
		{"uuid", "S", "uuid 00112233445566778899aabbccddeeff<-S"},

		{"E", "E.A", "E 1:A"},
		{"E", "2", "E 2:B"},
		{"E", "E.C", "E 2:C"},
		{"Alias", "Alias.B", "Alias 2:B"},
		{"E", "main.A", "E 1:A"}, // only the last word counts
		{"base.Far", "base.Far.NEAR", "Far 3:NEAR"},
		{"base.Far", "base.DEFAULT", "Far 4:OFF<-DEFAULT"},
		{"i32", "E.C", "i32 2"},
		{"i32", "base.DEFAULT", "i32 4<-DEFAULT"},
		{"i32", "base.N", "i32 70<-N"},
		{"i16", "Later", "i16 5<-Later"},

		{"list<i32>", "[]", "list<i32> []"},
		{"list<i32>", "{}", "list<i32> []"},
		{"map<i32, i32>", "[]", "map<i32, i32> {}"},
		{"list<i8>", "[1 2;3,4]", "list<i8> [i8 1 i8 2 i8 3 i8 4]"},
		{"list<i32>", "L", "list<i32> [i32 1 i32 7<-N i32 3]<-L"},
		{"Counts", "L", "Counts [Count 1 Count 7<-N Count 3]<-L"},
		{"list<list<i32>>", "[L, [2]]", "list<list<i32>> [list<i32> [i32 1 i32 7<-N i32 3]<-L list<i32> [i32 2]]"},
		{"map<string, list<i32>>", "M",
			`map<string, list<i32>> {string "a"=list<i32> [i32 1 i32 7<-N i32 3]<-L string "b"=list<i32> []}<-M`},
		{"map<list<i32>, set<i32>>", "{[1]: [2], [3]: {}}",
			"map<list<i32>, set<i32>> {list<i32> [i32 1]=set<i32> [i32 2] list<i32> [i32 3]=set<i32> []}"},
		{"set<string>", "base.WORDS", `set<string> [string "x" string "y"]<-WORDS`},
		{"map<string, i32>", "{'a': 1, 'b': 2, 'a': 3}", `map<string, i32> {string "a"=i32 3 string "b"=i32 2}`},
		{"set<double>", "[0.0, 1, -0.0]", "set<double> [double 0 double 1]"},
		{"map<E, i32>", "{E.B: 1, E.C: 2}", "map<E, i32> {E 2:B=i32 2}"},

		{"set<bool>", "[true, false, 1]", "set<bool> [bool true bool false]"},
		{"set<uuid>", "[S, S]", "set<uuid> [uuid 00112233445566778899aabbccddeeff<-S]"},
		{"set<map<string, i32>>", "[{'a': 1}, {'b': 1}, {'a': 1}]",
			`set<map<string, i32>> [map<string, i32> {string "a"=i32 1} map<string, i32> {string "b"=i32 1}]`},
		{"set<P>", "[{'x': 1}, {'e': 1}, {'x': 1}]", "set<P> [P (x=i32 1) P (e=E 1:A)]"},
		{"map<string, Counts>", "M",
			`map<string, Counts> {string "a"=Counts [Count 1 Count 7<-N Count 3]<-L string "b"=Counts []}<-M`},

		{"P", "{}", "P ()"},
		{"P", "PT", "P (x=i32 7<-N e=E 2:B)<-PT"},
		{"P", "{'x': 1, 'more': [PT, {'e': 1}], 'sums': {'s': L}}",
			`P (x=i32 1 more=list<P> [P (x=i32 7<-N e=E 2:B)<-PT P (e=E 1:A)] ` +
				`sums=map<string, Counts> {string "s"=Counts [Count 1 Count 7<-N Count 3]<-L})`},
		{"P", "{'x': 1, 'x': 2}", "P (x=i32 2)"},
		{"U", "{'b': 'x'}", `U (b=string "x")`},
	}
	for _, tt := range tests {
		t.Run(tt.typ+"="+tt.value, func(t *testing.T) {
			files := MapFS{
				"base.idl": constBase,
				"main.idl": fmt.Sprintf("%s\nconst %s GOT = %s\nstruct Holder { 1: %s field = %s }\nconst i16 Later = 5\n",
					constDefinitions, tt.typ, tt.value, tt.typ, tt.value),
			}
			f := program(t, Options{}, files).Roots[0]
			if got := show(f.Consts[len(f.Consts)-2].Value); got != tt.want {
				t.Errorf("constant:\n got %s\nwant %s", got, tt.want)
			}
			if got := show(f.Structs[len(f.Structs)-1].Fields[0].Default); got != tt.want {
				t.Errorf("default value:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Thirty lines of constants, each holding the one before twice, are refused, and so are references that only together
// are too many.
func TestExpandingConstantsAreRefused(t *testing.T) {
	var doubling strings.Builder
	doubling.WriteString("typedef list<i32> T0\nconst list<i32> C0 = [1, 2]\n")
	for i := 1; i <= 30; i++ {
		fmt.Fprintf(&doubling, "struct S%d { 1: S%d a; 2: S%d b }\nconst S%d C%d = {'a': C%d, 'b': C%d}\n", i, i-1, i-1, i, i, i-1, i-1)
	}
	text := strings.Replace(doubling.String(), "typedef list<i32> T0\nconst list<i32> C0 = [1, 2]\n", "struct S0 {}\nconst S0 C0 = {}\n", 1)

	wide := "const list<i32> W = [" + strings.Repeat("1,", 2000) + "]\n"
	for i := range 600 {
		wide += fmt.Sprintf("const list<i32> W%d = W\n", i)
	}
	for name, src := range map[string]string{"doubling": text, "many": wide} {
		got := messages(Options{}, MapFS{"main.idl": src})
		if strings.Count(got, "\n") != 1 || !strings.Contains(got, "error[E166]: references to constants expand to more than 1048576 values") {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// Constants that share a value keep sharing it: nothing is copied that a reader could not tell apart.
func TestReferencesShareParts(t *testing.T) {
	f := program(t, Options{}, MapFS{"main.idl": "const list<i32> A = [1]\nconst list<i32> B = A\n"}).Roots[0]
	a, b := f.Consts[0], f.Consts[1]
	if b.Value.Ref != a || a.Value.Ref != nil {
		t.Errorf("references: A %v, B %v", a.Value.Ref, b.Value.Ref)
	}
	if a.Value.List[0] != b.Value.List[0] {
		t.Error("the element was copied")
	}
}

func TestParseUUID(t *testing.T) {
	bad := []string{
		"", "00112233445566778899aabbccddeeff", "{00112233-4455-6677-8899-aabbccddeeff",
		"00112233-4455-6677-8899-aabbccddeef", "001122334-455-6677-8899-aabbccddeeff",
		"00112233-4455-6677-8899-aabbccddeefg", "(00112233-4455-6677-8899-aabbccddeeff)",
	}
	for _, s := range bad {
		if id, ok := parseUUID(s); ok {
			t.Errorf("%q: accepted as %x", s, id)
		}
	}
	id, ok := parseUUID("01234567-89ab-cDEF-0011-223344556677")
	want := [16]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77}
	if !ok || id != want {
		t.Errorf("got %x, %v", id, ok)
	}
}

func TestEnumNumbers(t *testing.T) {
	f := program(t, Options{}, MapFS{"main.idl": "enum E { A, B = 5, C, D = -3, E, F = 0x10, G = 5 }"}).Roots[0]
	want := []int32{0, 5, 6, -3, -2, 16, 5}
	for i, v := range f.Enums[0].Values {
		if v.Value != want[i] || v.Enum != f.Enums[0] {
			t.Errorf("%s is %d, want %d", v.Name, v.Value, want[i])
		}
	}
	if len(f.Enums[0].Values) != len(want) {
		t.Errorf("%d values", len(f.Enums[0].Values))
	}
}

// Severity of the documented warnings under Strict.
func TestStrict(t *testing.T) {
	src := `
enum E { A }
enum F { A }
struct S { i32 a; 0: i32 b; 3: E e = F.A; 4: bool c = 2; 5: set<i32> d = [1, 1] }
`
	for _, strict := range []bool{false, true} {
		_, diags := Load(Options{FS: MapFS{"main.idl": src}, Strict: strict}, "main.idl")
		got := make(map[string]idl.Severity)
		for _, d := range diags {
			got[d.Code] = d.Severity
		}
		for _, code := range []string{"W050", "W051", "W055", "W059"} {
			severity, ok := got[code]
			if !ok || (severity == idl.Error) != strict {
				t.Errorf("strict %v: %s is %v, present %v", strict, code, severity, ok)
			}
		}
		if severity, ok := got["W056"]; !ok || severity != idl.Warning {
			t.Errorf("strict %v: W056 is %v, present %v", strict, severity, ok)
		}
	}
}
