package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWhole checks that "all" asks for what there is.
func TestWhole(t *testing.T) {
	for _, args := range whole(5) {
		if _, err := findView(args); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	if _, err := findView([]string{"weather"}); err == nil {
		t.Error("there is a view of the weather")
	}
}

func TestSetDefaults(t *testing.T) {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	passes := fs.Int("passes", 5, "")
	measure := fs.Duration("measure", time.Second, "")
	if err := parse(fs, []string{"-passes", "7"}); err != nil {
		t.Fatal(err)
	}
	if err := setDefaults(fs, map[string]string{"passes": "1", "measure": "1ms"}); err != nil {
		t.Fatal(err)
	}
	if *passes != 7 || *measure != time.Millisecond {
		t.Errorf("%d passes of %v", *passes, *measure)
	}
}

// TestArguments checks that what cannot be measured is refused before anything starts.
func TestArguments(t *testing.T) {
	for args, want := range map[string]string{
		"weather":                        "nothing to measure",
		"-fw tcp":                        "tcp has nothing of the kind",
		"-fw nobody":                     `no framework "nobody"`,
		"-callers 0":                     "no positive number",
		"-payload huge":                  "no payload",
		"-passes 0":                      "there must be a pass",
		"-quick -payload 64k -callers 1": "nothing to check",
		"calls now":                      `unknown argument "now"`,
		"stream -fw netrpc":              "netrpc has nothing of the kind",
		"stream -size 0":                 "messages of 1 to",
		"stuck -streams 0":               "there must be a stream",
		"beside -measure 0s":             "time to measure",
		"open -share 0":                  "something offered",
		"scale -axis sideways":           `no "sideways"`,
		"idle -conns 0":                  "there must be a connection",
		"all -passes 0":                  "there must be a pass",
		"report":                         "usage",
		"report -in no/such/file":        "no such file",
		"calls -out no/such/a.json":      "no such file",
	} {
		if err := run(t.Context(), strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want something with %q", args, err, want)
		}
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.jsonl")
	content := `{"date":"2026-01-02","go":"go1"}` + "\n" + `{"view":"idle","peer":"kuafu","title":"Kuafu","kind":"ours","idle_conns":3}` + "\n"
	if err := os.WriteFile(in, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"report", "-in", in + "," + in, "-out", dir}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "idle.md")); err != nil || !strings.Contains(string(b), "each of 3 idle connections") {
		t.Errorf("%v\n%s", err, b)
	}
}
