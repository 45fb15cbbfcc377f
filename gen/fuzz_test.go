package gen_test

import (
	"os"
	"testing"

	"github.com/kuafu-rpc/kuafu/gen"
	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
)

// FuzzGenerate: whatever links either has a diagnostic or becomes Go that parses.
func FuzzGenerate(f *testing.F) {
	for _, pattern := range []string{"testdata/*.idl", "testdata/*.thrift", "testdata/diagnostics/*.txt"} {
		for _, path := range glob(f, pattern) {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(src))
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		prog, diags := schema.Load(schema.Options{FS: schema.MapFS{"a.idl": src}}, "a.idl")
		for _, d := range diags {
			if d.Severity == idl.Error {
				return
			}
		}
		out, diags, err := gen.Generate(prog, gen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(out) == 0 && len(diags) == 0 {
			t.Fatal("neither a file nor a reason")
		}
	})
}
