package dynamic_test

import (
	"testing"

	"github.com/kuafu-rpc/kuafu/dynamic/internal/typestest"
	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// program links the test's types from the text that the generated code holds.
func program(t testing.TB) *schema.File {
	t.Helper()
	return link(t, typestest.TypesIDL.Source)
}

func link(t testing.TB, source string) *schema.File {
	t.Helper()
	prog, diags := schema.Load(schema.Options{FS: schema.MapFS{"types.idl": source}, AllowNegativeIDs: true}, "types.idl")
	for _, d := range diags {
		if d.Severity == idl.Error {
			t.Fatal(d)
		}
	}
	return prog.Roots[0]
}

func structOf(t testing.TB, f *schema.File, name string) *schema.Struct {
	t.Helper()
	for _, s := range f.Structs {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no struct %s", name)
	return nil
}

func functionOf(t testing.TB, f *schema.File, name string) *schema.Function {
	t.Helper()
	for _, s := range f.Services {
		for _, fn := range s.Functions {
			if fn.Name == name {
				return fn
			}
		}
	}
	t.Fatalf("no function %s", name)
	return nil
}

func encode(t testing.TB, enc codec.Encoding, m codec.Encodable) []byte {
	t.Helper()
	e := codec.NewEncoder(enc, nil)
	m.EncodeThrift(e)
	if err := e.Err(); err != nil {
		t.Fatal(err)
	}
	return e.Bytes()
}

func decode(enc codec.Encoding, b []byte, m codec.Decodable) error {
	d := codec.NewDecoder(enc, b)
	m.DecodeThrift(d)
	return d.Err()
}

var encodings = []codec.Encoding{codec.Binary, codec.Compact}
