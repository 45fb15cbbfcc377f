package compat

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestStubsAreFresh compares gen with what the compiler makes of the IDL. Other versions than the one whose output was
// committed write other code; with those, and without a compiler, there is nothing to compare.
func TestStubsAreFresh(t *testing.T) {
	version, err := exec.Command("thrift", "--version").Output()
	if err != nil {
		if os.Getenv("KUAFU_CI") != "" || os.Getenv("CI") != "" {
			t.Fatal("Apache Thrift's compiler:", err)
		}
		t.Skip("Apache Thrift's compiler is missing; on Debian: apt-get install thrift-compiler")
	}
	if got := string(bytes.TrimSpace(version)); got != "Thrift version 0.17.0" {
		t.Skip("this is", got)
	}
	dir := t.TempDir()
	cmd := exec.Command("thrift", "-nowarn", "--gen", "go:thrift_import=github.com/apache/thrift/lib/go/thrift,skip_remote",
		"-out", dir, "../../examples/thriftcompat/compat.thrift")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "compat", "*"))
	if err != nil || len(made) == 0 {
		t.Fatalf("the compiler made %d files: %v", len(made), err)
	}
	committed, err := os.ReadDir("gen/compat")
	if err != nil || len(committed) != len(made) {
		t.Errorf("gen/compat has %d files, the compiler made %d: %v", len(committed), len(made), err)
	}
	for _, path := range made {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want, err = format.Source(want); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join("gen/compat", filepath.Base(path))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale: %v", filepath.Base(path), err)
		}
	}
}
