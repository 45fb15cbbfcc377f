package schema

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kuafu-rpc/kuafu/idl"
)

var update = flag.Bool("update", false, "rewrite the .txt files of testdata/messages")

// TestMessages compares what a user reads about typical mistakes with the texts in testdata/messages. The first eight
// are the mistakes that other Thrift compilers report without a line, at the wrong line, one at a time, or never.
func TestMessages(t *testing.T) {
	paths, err := filepath.Glob("testdata/messages/*.idl")
	if err != nil || len(paths) < 8 {
		t.Fatalf("found %d files, error %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".idl"), func(t *testing.T) {
			_, diags := Load(Options{IncludeDirs: []string{"testdata/include"}}, path)
			var got bytes.Buffer
			if err := idl.Render(&got, diags, idl.RenderOptions{}); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(path, ".idl") + ".txt"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
			if len(diags) == 0 {
				t.Error("no diagnostics")
			}
		})
	}
}
