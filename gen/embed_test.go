package gen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/gen"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// goFiles generates the roots among files, each into the package that its directory names.
func goFiles(t *testing.T, files schema.MapFS, opts gen.Options, roots ...string) map[string]string {
	t.Helper()
	prog, diags := schema.Load(schema.Options{FS: files}, roots...)
	requireNoErrors(t, diags)
	opts.Package = func(f *schema.File) gen.Package {
		dir := filepath.Dir(f.Path)
		return gen.Package{Path: "example.com/m/" + dir, Name: dir, Dir: dir}
	}
	out, diags, err := gen.Generate(prog, opts)
	if err != nil {
		t.Fatal(err)
	}
	requireNoErrors(t, diags)
	byPath := make(map[string]string)
	for _, f := range out {
		byPath[f.Path] = string(f.Content)
	}
	return byPath
}

// TestEmbeddedIncludes: an include is linked by variable only where the package is imported anyway, and each copy stands
// in a Go file once.
func TestEmbeddedIncludes(t *testing.T) {
	files := schema.MapFS{
		"a/a.idl":    "include \"../bb/bb.idl\"\ninclude \"../c/c.idl\"\ninclude \"more.idl\"\nstruct A { 1: bb.B b }",
		"a/more.idl": "include \"../d/d.idl\"\n",
		"bb/bb.idl":  "include \"../d/d.idl\"\nstruct B {}",
		"c/c.idl":    "include \"../d/d.idl\"\ninclude \"../bb/bb.idl\"\nstruct C {}",
		"d/d.idl":    "struct D {}",
	}
	got := goFiles(t, files, gen.Options{}, "a/a.idl", "a/more.idl")
	for path, want := range map[string][]string{
		"a/a_gen.go": {
			`AIDL = example.com/m/a/a.idl [&bb.BbIDL, &aIDLOfCIDL, &MoreIDL]`,
			`aIDLOfCIDL = example.com/m/c/c.idl [&aIDLOfDIDL, &bb.BbIDL]`,
			`aIDLOfDIDL = example.com/m/d/d.idl []`,
		},
		"a/more_gen.go": {
			`MoreIDL = example.com/m/a/more.idl [&moreIDLOfDIDL]`,
			`moreIDLOfDIDL = example.com/m/d/d.idl []`,
		},
	} {
		if diff := cmp.Diff(want, idlVariables(t, got[path])); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	if text := got["a/a_gen.go"]; strings.Contains(text, `"example.com/m/c"`) || strings.Contains(text, `"example.com/m/d"`) {
		t.Error("a package is imported for its IDL file alone")
	}
}

// idlVariables describes the variables of type rpc.IDLFile in a Go file.
func idlVariables(t *testing.T, content string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "a.go", content, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range file.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.VAR {
			continue
		}
		spec := decl.Specs[0].(*ast.ValueSpec)
		lit, ok := spec.Values[0].(*ast.CompositeLit)
		if !ok || types.ExprString(lit.Type) != "rpc.IDLFile" {
			continue
		}
		path, includes := "", []string{}
		for _, elem := range lit.Elts {
			kv := elem.(*ast.KeyValueExpr)
			switch types.ExprString(kv.Key) {
			case "Path":
				path = strings.Trim(kv.Value.(*ast.BasicLit).Value, `"`)
			case "Includes":
				for _, inc := range kv.Value.(*ast.CompositeLit).Elts {
					includes = append(includes, types.ExprString(inc))
				}
			}
		}
		all = append(all, spec.Names[0].Name+" = "+path+" ["+strings.Join(includes, ", ")+"]")
	}
	return all
}

// TestNoEmbed: without the text, the variables are still there for other packages to refer to.
func TestNoEmbed(t *testing.T) {
	content := goFiles(t, schema.MapFS{"a/a.idl": "struct A {} // secret"}, gen.Options{NoEmbed: true}, "a/a.idl")["a/a_gen.go"]
	if strings.Contains(content, "secret") || !strings.Contains(content, "var AIDL = rpc.IDLFile{") {
		t.Error(content)
	}
}

// TestManyIncludes: a lattice of includes has very many paths through it, and each file is embedded once.
func TestManyIncludes(t *testing.T) {
	files := schema.MapFS{"p/z0.idl": "", "p/y0.idl": ""}
	const levels = 20
	for i := 1; i <= levels; i++ {
		below := string(rune('A' + i - 2))
		if i == 1 {
			below = "0"
		}
		here := string(rune('A' + i - 1))
		text := "include \"z" + below + ".idl\"\ninclude \"y" + below + ".idl\"\n"
		files["p/z"+here+".idl"], files["p/y"+here+".idl"] = text, text
	}
	root := "p/z" + string(rune('A'+levels-1)) + ".idl"
	got := goFiles(t, files, gen.Options{}, root)
	for _, content := range got {
		if n := len(idlVariables(t, content)); n != 2*levels+1 {
			t.Errorf("%d variables, want %d", n, 2*levels+1)
		}
	}
	if len(got) != 1 {
		t.Errorf("%d files", len(got))
	}
}
