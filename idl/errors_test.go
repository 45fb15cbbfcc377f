package idl

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// expectation is what a comment in testdata/errors asks for:
//
//	/* ERROR "regexp" */ token               a diagnostic at the token that follows the comment
//	/* ERROR "regexp" PREVIOUS */            at the token before the comment
//	/* ERROR "regexp" +2 */ token            two bytes after the start of the token
//	/* ERROR "regexp" LABEL "regexp" */      with a label that says this
//	/* WARNING "regexp" */                   a warning
//
// The first regexp is matched against "code: message; help". No other diagnostics are allowed.
var expectation = regexp.MustCompile(`^/\* (ERROR|WARNING) ("(?:[^"\\]|\\.)*")(?: (PREVIOUS))?(?: \+([0-9]+))?(?: LABEL ("(?:[^"\\]|\\.)*"))? \*/$`)

func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.idl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, diags := Parse(file, src)
			for _, d := range diags {
				seen[d.Code] = true
			}
			checkExpectations(t, f, string(src), diags)
		})
	}
	for _, c := range Codes() {
		switch c.Code {
		case codeTooDeep, codeTooManyErrors, codeTooLarge: // tested on generated sources
		case codeSlist, codeLegacyNamespace, codeStraySeparator, codeLateCppType, codeNoDigits: // in TestLanguage
		default:
			if !seen[c.Code] {
				t.Errorf("no file under testdata/errors gets %s: %s", c.Code, c.Explanation)
			}
		}
	}
}

func checkExpectations(t *testing.T, f *File, src string, diags []*Diagnostic) {
	s := newScanner(src, func(*Diagnostic) {})
	s.scan()
	for _, c := range f.Comments {
		m := expectation.FindStringSubmatch(c.Text)
		if m == nil {
			if strings.Contains(c.Text, "ERROR") || strings.Contains(c.Text, "WARNING") {
				t.Errorf("%d: malformed expectation %s", c.Span.Start.Line, c.Text)
			}
			continue
		}
		// A bad character is no token, so the place is found in the text: behind comments and blanks.
		at := c.Span.End.Offset
		for at < len(src) && strings.IndexByte(" \n", src[at]) >= 0 {
			at++
			if n := strings.Index(src[at:], "*/"); n >= 0 && strings.HasPrefix(src[at:], "/* ERROR") {
				at += n + len("*/")
			}
		}
		if m[3] != "" {
			for _, tok := range s.tokens {
				if tok.Pos.Offset < c.Span.Start.Offset {
					at = tok.Pos.Offset
				}
			}
		}
		if m[4] != "" {
			n, _ := strconv.Atoi(m[4]) // the regexp lets digits through only
			at += n
		}
		text, label := pattern(m[2]), pattern(m[5])
		i := slices.IndexFunc(diags, func(d *Diagnostic) bool {
			all := d.Code + ": " + d.Message
			if d.Help != "" {
				all += "; " + d.Help
			}
			return d.Span.Start.Offset == at && strings.ToUpper(d.Severity.String()) == m[1] && text.MatchString(all) &&
				(m[5] == "" || len(d.Labels) == 1 && label.MatchString(d.Labels[0].Message))
		})
		if i < 0 {
			t.Errorf("%d: no diagnostic for %s", c.Span.Start.Line, c.Text)
			continue
		}
		diags = slices.Delete(slices.Clone(diags), i, i+1)
	}
	for _, d := range diags {
		t.Errorf("unexpected %v; help %q, labels %v", d, d.Help, labelTexts(d))
	}
}

// pattern compiles what stands between quotes.
func pattern(quoted string) *regexp.Regexp {
	return regexp.MustCompile(strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`), `\"`, `"`))
}

func labelTexts(d *Diagnostic) []string {
	var texts []string
	for _, l := range d.Labels {
		texts = append(texts, fmt.Sprintf("%d:%d %s", l.Span.Start.Line, l.Span.Start.Col, l.Message))
	}
	return texts
}
