package schemajson_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/idl/schemajson"
)

var update = flag.Bool("update", false, "rewrite testdata/all.json")

func TestMarshal(t *testing.T) {
	got := marshal(t, "testdata/all.idl")
	var indented bytes.Buffer
	if err := json.Indent(&indented, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	indented.WriteByte('\n')
	const golden = "testdata/all.json"
	if *update {
		if err := os.WriteFile(golden, indented.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), indented.String()); diff != "" {
		t.Errorf("go test ./idl/schemajson -update rewrites %s:\n%s", golden, diff)
	}
}

// TestMarshalPrograms: every program of the compiler's own tests can be written, and the same way twice.
func TestMarshalPrograms(t *testing.T) {
	for _, path := range []string{
		"../../gen/testdata/kitchen.idl", "../../gen/testdata/consts.idl", "../../gen/testdata/oddities.thrift",
		"../../gen/testdata/services.idl", "../../gen/testdata/names.idl", "../../gen/testdata/empty.idl",
	} {
		first := marshal(t, path)
		if !json.Valid(first) || !bytes.Equal(first, marshal(t, path)) {
			t.Errorf("%s: invalid or different", path)
		}
	}
}

func marshal(t *testing.T, path string) []byte {
	t.Helper()
	prog, diags := schema.Load(schema.Options{}, path)
	for _, d := range diags {
		if d.Severity == idl.Error {
			t.Fatal(d)
		}
	}
	b, err := schemajson.Marshal(prog)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
