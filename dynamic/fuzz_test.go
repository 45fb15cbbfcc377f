package dynamic_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/dynamic"
	"github.com/kuafu-rpc/kuafu/dynamic/internal/typestest"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// sameBits tells doubles apart as Thrift does, and takes all NaNs for one.
var sameBits = cmp.Comparer(func(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
})

// FuzzRoundTrip: whatever generated code can read goes through JSON and back without a change, as far as JSON has it.
func FuzzRoundTrip(f *testing.F) {
	s := structOf(f, program(f), "All")
	for _, json := range []string{
		`{"far":1}`, `{"far":1,"real":-0.0,"by_blob":{"":1},"shape":{"corners":[{"name":""}]},"deep":[{"x":[{"unit":true}]}]}`,
		`{"far":1,"node":{"next":{"named":{"":{"label":3}}}},"by_real":[[0.1,2],["NaN",3]],"by_flag":{"true":1,"false":2}}`,
	} {
		m, err := dynamic.Parse(s, []byte(json))
		if err != nil {
			f.Fatal(err)
		}
		for _, enc := range encodings {
			f.Add(byte(enc), encode(f, enc, m))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		enc := codec.Encoding(which & 2)
		var before typestest.All
		if decode(enc, data, &before) != nil {
			// Neither may the dynamic decoder fall over what generated code refuses.
			decode(enc, data, dynamic.NewDocument(s))
			return
		}
		e := codec.NewEncoder(enc, nil)
		before.EncodeThrift(e)
		if e.Err() != nil {
			return // a union without a member, or deeper than a message may be
		}
		// What was absent has been written: compare with that.
		if err := decode(enc, e.Bytes(), &before); err != nil {
			t.Fatal(err)
		}
		doc := dynamic.NewDocument(s)
		if err := decode(enc, e.Bytes(), doc); err != nil {
			t.Fatal(err)
		}
		if doc.Problems() != nil {
			for _, p := range doc.Problems() {
				if !strings.Contains(p, "not UTF-8") {
					t.Fatal(p)
				}
			}
			return
		}
		m, err := dynamic.Parse(s, doc.JSON())
		if err != nil {
			if strings.Contains(err.Error(), "given twice") {
				return // two equal keys, which a slice of pairs can have and an object cannot
			}
			t.Fatalf("%v\n%s", err, doc.JSON())
		}
		var after typestest.All
		if err := decode(enc, encode(t, enc, m), &after); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after, sameBits); diff != "" {
			t.Errorf("%s\n%s", doc.JSON(), diff)
		}
	})
}

// FuzzParse: what Parse accepts, generated code reads, and becomes JSON that Parse accepts.
func FuzzParse(f *testing.F) {
	s := structOf(f, program(f), "All")
	for _, json := range []string{
		`{"far":1}`, `{"far":"1","color":"RED","by_name":[["a",1],["a",2]]}`, `{"far":1,"flags":[true],"data":"AQ","real":"nan"}`,
		`{"far":1,"id":"00000000-0000-0000-0000-000000000001","by_real":{"1e3":1},"text":"\ud800"}`, `{"far":{}}`, `[`,
	} {
		f.Add([]byte(json))
	}
	f.Fuzz(func(t *testing.T, json []byte) {
		m, err := dynamic.Parse(s, json)
		if err != nil {
			return
		}
		doc := dynamic.NewDocument(s)
		for _, enc := range encodings {
			b := encode(t, enc, m)
			if err := decode(enc, b, new(typestest.All)); err != nil {
				t.Fatalf("%v: %v", enc, err)
			}
			if err := decode(enc, b, doc); err != nil || doc.Problems() != nil {
				t.Fatalf("%v: %v, %q", enc, err, doc.Problems())
			}
			if _, err := dynamic.Parse(s, doc.JSON()); err != nil && !strings.Contains(err.Error(), "given twice") {
				t.Fatalf("%v\n%s", err, doc.JSON())
			}
		}
	})
}
