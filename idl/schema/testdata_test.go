package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/idl"
)

// expectation is a comment /* ERROR "rx" */ or /* WARNING "rx" */. It stands right behind what the caret is to
// underline, and rx must match the message.
type expectation struct {
	severity idl.Severity
	offset   int // of the end of the text before the comment
	rx       *regexp.Regexp
	met      bool
}

var expectationRx = regexp.MustCompile(`/\* (ERROR|WARNING) "([^"]*)" \*/`)

func expectations(t *testing.T, src []byte) []*expectation {
	var out []*expectation
	for _, m := range expectationRx.FindAllSubmatchIndex(src, -1) {
		e := &expectation{
			offset: len(bytes.TrimRight(src[:m[0]], " \n")),
			rx:     regexp.MustCompile(string(src[m[4]:m[5]])),
		}
		if string(src[m[2]:m[3]]) == "WARNING" {
			e.severity = idl.Warning
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		t.Fatal("the file expects nothing")
	}
	return out
}

// TestFiles checks that the files of testdata get the diagnostics that their comments ask for, and no other.
func TestFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.idl")
	if err != nil || len(paths) < 8 {
		t.Fatalf("found %d files, error %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".idl"), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := expectations(t, src)
			_, diags := Load(Options{IncludeDirs: []string{"testdata/include"}}, path)
			for _, d := range diags {
				if d.FileName != path || !meet(want, d) {
					t.Errorf("unexpected: %v", d)
				}
			}
			for _, e := range want {
				if !e.met {
					line := 1 + bytes.Count(src[:e.offset], []byte("\n"))
					t.Errorf("%s:%d: missing %s %s", path, line, e.severity, strconv.Quote(e.rx.String()))
				}
			}
		})
	}
}

// meet marks the expectation that d fulfils and reports whether there is one.
func meet(want []*expectation, d *idl.Diagnostic) bool {
	for _, e := range want {
		if !e.met && e.severity == d.Severity && e.offset == d.Span.End.Offset && e.rx.MatchString(d.Message) {
			e.met = true
			return true
		}
	}
	return false
}
