package schema

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/kuafu-rpc/kuafu/idl"
)

// FuzzLoad links arbitrary text that may include itself and another file. Whatever it says, Load ends, gives the same
// result twice, and a program without errors is complete.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*.idl", "testdata/messages/*.idl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(src), false)
		}
	}
	f.Add("include 'main.idl'\ninclude 'shared.idl'\nconst list<main.T> C = [shared.ORIGIN]", true)
	f.Add("struct S { 1: required S s = {'s': {}} }\nconst S A = {'s': B}\nconst S B = {'s': {}}", true)
	shared, err := os.ReadFile("testdata/include/shared.idl")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string, lenient bool) {
		if len(src) > 64<<10 {
			return
		}
		opts := Options{
			FS:               MapFS{"main.idl": src, "shared.idl": string(shared)},
			AllowNegativeIDs: lenient,
			Strict:           !lenient,
		}
		p, diags := Load(opts, "main.idl")
		_, again := Load(opts, "main.idl")
		if !slices.EqualFunc(diags, again, func(a, b *idl.Diagnostic) bool { return a.Error() == b.Error() && a.Help == b.Help }) {
			t.Errorf("two runs differ:\n%v\n%v", diags, again)
		}
		for _, d := range diags {
			if d.Message == "" || d.FileName == "" {
				t.Errorf("empty diagnostic %+v", d)
			}
			if d.Severity == idl.Error {
				return
			}
		}
		for _, file := range p.Files {
			checkComplete(t, file)
		}
	})
}

// checkComplete walks a program as a generator would and fails where something is left open.
func checkComplete(t *testing.T, f *File) {
	values := 0
	fields := func(fields []*Field) {
		ids := make(map[int16]bool)
		for _, field := range fields {
			checkType(t, field.Type)
			if ids[field.ID] {
				t.Errorf("field id %d twice", field.ID)
			}
			ids[field.ID] = true
			if (field.Default == nil) != (field.AST.Default == nil) {
				t.Errorf("default value of %s is missing", field.Name)
			}
			if field.Default != nil {
				checkValue(t, field.Default, field.Type, &values)
			}
		}
	}
	for _, d := range f.Order {
		switch d := d.(type) {
		case *Const:
			checkType(t, d.Type)
			checkValue(t, d.Value, d.Type, &values)
		case *Typedef:
			checkType(t, d.Type)
		case *Struct:
			fields(d.Fields)
		case *Service:
			for _, fn := range d.AllFunctions() {
				fields(fn.Args)
				fields(fn.Throws)
				if fn.Result != nil {
					checkType(t, fn.Result)
				}
			}
		}
	}
	if values > maxExpansion+len(f.AST.Source) {
		t.Errorf("%d values in %d bytes", values, len(f.AST.Source))
	}
}

func checkType(t *testing.T, typ *Type) {
	switch {
	case typ == nil:
		t.Fatal("a type is missing")
	case typ.Kind == KindEnum && typ.Enum == nil, typ.Kind == KindStruct && typ.Struct == nil:
		t.Fatalf("type %d has no definition", typ.Kind)
	case typ.Kind == KindMap:
		checkType(t, typ.Key)
		checkType(t, typ.Elem)
	case typ.Kind == KindList || typ.Kind == KindSet || typ.Kind == KindStream:
		checkType(t, typ.Elem)
	}
}

func checkValue(t *testing.T, v *Value, typ *Type, count *int) {
	*count++
	if v == nil {
		t.Fatalf("a value of type %v is missing", typ)
	}
	if !same(v.Type, typ) {
		t.Fatalf("value of type %v where %v stands", v.Type, typ)
	}
	if limits, ok := intRanges[typ.Kind]; ok && (v.Int < limits[0] || v.Int > limits[1]) {
		t.Errorf("%d as %v", v.Int, typ)
	}
	if typ.Kind == KindEnum && (v.Enum == nil || v.Enum.Enum != typ.Enum || int64(v.Enum.Value) != v.Int) {
		t.Errorf("enum value %d is %+v", v.Int, v.Enum)
	}
	for _, e := range v.List {
		checkValue(t, e, typ.Elem, count)
	}
	for _, p := range v.Map {
		checkValue(t, p.Key, typ.Key, count)
		checkValue(t, p.Value, typ.Elem, count)
	}
	for _, f := range v.Fields {
		checkValue(t, f.Value, f.Field.Type, count)
	}
}

// TestShuffledNames links a well-formed file whose names have been exchanged at random, which reaches the cycles and
// mismatches that a mutation of bytes seldom does.
func TestShuffledNames(t *testing.T) {
	text := constDefinitions + `
const base.Far FAR = base.DEFAULT
const Counts COUNTS = L
const list<P> PTS = [PT, {"more": [PT], "e": Alias.A}]
struct Tree { 1: Tree left = {}, 2: P p = PT, 3: uuid id = S, 4: double d = N }
exception Oops { 1: Tree tree }
service Low { P get(1: E e = E.B, 2: Counts c = L) throws (1: Oops o) }
service High extends Low { stream<P> all(1: Alias a) }
`
	word := regexp.MustCompile(`\b[A-Z][A-Za-z0-9]*\b`)
	names := word.FindAllString(text, -1)
	random := rand.New(rand.NewPCG(1, 2))
	clean, failed := 0, make(map[string]bool)
	for range 1000 {
		shuffled := word.ReplaceAllStringFunc(text, func(name string) string {
			if random.IntN(25) == 0 {
				return names[random.IntN(len(names))]
			}
			return name
		})
		p, diags := Load(Options{FS: MapFS{"main.idl": shuffled, "base.idl": constBase}}, "main.idl")
		ok := true
		for _, d := range diags {
			if d.Severity == idl.Error {
				ok = false
				failed[d.Code] = true
			}
		}
		if !ok {
			continue
		}
		clean++
		for _, f := range p.Files {
			checkComplete(t, f)
		}
	}
	for _, code := range []string{codeDuplicateName, codeUnknownType, codeTypedefCycle, codeConstCycle, codeExtendsCycle, codeValueType} {
		if !failed[code] {
			t.Errorf("no file had the error %s", code)
		}
	}
	if clean == 0 {
		t.Error("no file was without errors")
	}
}
