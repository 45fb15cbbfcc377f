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

// TestDocument: what generated code writes becomes this JSON.
func TestDocument(t *testing.T) {
	doc := dynamic.NewDocument(structOf(t, program(t), "All"))
	m := typestest.All{
		Flag: true, Tiny: -1, Short: -2, Medium: -3, Long: math.MinInt64, Real: 1e-7, Text: "a\"\\\n\x01夸", Data: []byte{0xfb, 0xff},
		ID: [16]byte{0xab, 15: 1}, Color: typestest.ColorRed, Inner: typestest.Inner{Name: "x", Count: new(int64(5))},
		Shape: &typestest.Shape{Corners: []typestest.Inner{{Name: "y"}}}, Flags: []bool{true, false}, Numbers: []int64{1, 2},
		Palette: typestest.Palette{9: {{1}, {}}}, Maybe: new(false), ByName: map[string]int64{"k": 1}, ByNumber: map[int64]string{-3: "x"},
		ByFlag: map[bool]int8{true: 1}, ByID: map[[16]byte]float64{{}: math.Inf(1)}, Far: 7, Old: 8,
	}
	m.ByReal = append(m.ByReal, struct {
		Key   float64
		Value int32
	}{math.NaN(), 3})
	m.ByInner = append(m.ByInner, struct {
		Key   typestest.Inner
		Value []typestest.Color
	}{typestest.Inner{Name: "z"}, []typestest.Color{typestest.ColorOdd}})
	const want = `{"old":8,"flag":true,"tiny":-1,"short":-2,"medium":-3,"long":-9223372036854775808,"real":1e-07,"text":"a\"\\\n\u0001夸",` +
		`"data":"+/8=","id":"ab000000-0000-0000-0000-000000000001","color":"RED","inner":{"name":"x","count":5},` +
		`"shape":{"corners":[{"name":"y"}]},"flags":[true,false],"numbers":[1,2],"palette":{"9":["AQ==",""]},"maybe":false,` +
		`"by_name":{"k":1},"by_number":{"-3":"x"},"by_flag":{"true":1},"by_id":{"00000000-0000-0000-0000-000000000000":"Infinity"},` +
		`"by_blob":{},"by_real":[["NaN",3]],"by_inner":[[{"name":"z"},["ODD"]]],"by_list":[],` +
		`"node":{"label":0,"children":[],"named":{}},"far":7}`
	for _, enc := range encodings {
		if err := decode(enc, encode(t, enc, &m), doc); err != nil {
			t.Fatal(err)
		}
		got := string(doc.JSON())
		// Fields come in the order in which they are written, which is not part of the promise.
		if enc == codec.Binary && got != want {
			t.Errorf("%s", cmp.Diff(want, got))
		}
		if len(got) != len(want) || doc.Problems() != nil {
			t.Errorf("%v: %s, problems %q", enc, got, doc.Problems())
		}
	}
}

// TestProblems: what does not fit the schema is told, and the rest is still shown.
func TestProblems(t *testing.T) {
	newer := link(t, `
		struct Inner { 1: optional i32 name, 2: optional i64 count, 9: optional list<i32> more }
		union Shape { 8: i32 other }
		struct All { 4: i32 medium, 7: binary text, 11: Inner inner, 12: Shape shape, 99: string extra }`)
	m, err := dynamic.Parse(structOf(t, newer, "All"), []byte(
		`{"medium": 5, "text": "/w==", "inner": {"name": 3, "more": [1]}, "shape": {"other": 1}, "extra": "x"}`))
	if err != nil {
		t.Fatal(err)
	}
	doc := dynamic.NewDocument(structOf(t, program(t), "All"))
	if err := decode(codec.Compact, encode(t, codec.Compact, m), doc); err != nil {
		t.Fatal(err)
	}
	if got, want := string(doc.JSON()), "{\"medium\":5,\"text\":\"\ufffd\",\"inner\":{},\"shape\":{}}"; got != want {
		t.Errorf("%s", got)
	}
	want := []string{
		"All.text: the string is not UTF-8",
		"All.inner: field 1, name, has type i32 instead of string",
		"All.inner: unknown field 9 of type list",
		"All.inner: required field name is missing",
		"All.shape: unknown field 8 of type i32",
		"All.shape: union Shape has 0 known members",
		"All: unknown field 99 of type string",
		"All: required field far is missing",
	}
	if diff := cmp.Diff(want, doc.Problems()); diff != "" {
		t.Error(diff)
	}
}

// raw is a struct that is written field by field.
type raw func(e *codec.Encoder)

func (f raw) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	f(e)
	e.EndStruct(outer)
}

// TestProblemsAreBounded: a hostile message cannot make a long list of them.
func TestProblemsAreBounded(t *testing.T) {
	doc := dynamic.NewDocument(structOf(t, program(t), "All"))
	b := encode(t, 0, raw(func(e *codec.Encoder) {
		for range 1000 {
			e.BoolField(1, true)
		}
	}))
	if err := decode(0, b, doc); err != nil {
		t.Fatal(err)
	}
	if n := len(doc.Problems()); n != 20 || !strings.Contains(doc.Problems()[0], "arrived twice") {
		t.Errorf("%d problems, %q", n, doc.Problems()[0])
	}
}

// TestOutputIsBounded: long names in the schema and many small values in the message cannot fill the memory.
func TestOutputIsBounded(t *testing.T) {
	name := strings.Repeat("n", 1<<20)
	f := link(t, "struct E { 1: bool "+name+" }\nstruct S { 1: list<E> l }")
	b := encode(t, codec.Compact, raw(func(e *codec.Encoder) {
		e.Field(1, codec.List)
		e.List(codec.Struct, 1000)
		for range 1000 {
			outer := e.BeginStruct()
			e.BoolField(1, true)
			e.EndStruct(outer)
		}
	}))
	doc := dynamic.NewDocument(structOf(t, f, "S"))
	if err := decode(codec.Compact, b, doc); codec.KindOf(err) != codec.LimitReached {
		t.Error(err)
	}
	if n := len(doc.JSON()); n > dynamic.MaxJSON+2<<20 {
		t.Errorf("%d bytes", n)
	}
}

func TestResult(t *testing.T) {
	file := program(t)
	all, check, sum := functionOf(t, file, "all"), functionOf(t, file, "check"), functionOf(t, file, "sum")
	lost := raw(func(e *codec.Encoder) {
		e.Field(1, codec.Struct)
		(&typestest.Lost{Where: "there", Color: typestest.ColorGreen}).EncodeThrift(e)
	})
	nothing := raw(func(*codec.Encoder) {})

	r := dynamic.NewResult(all)
	if err := decode(0, encode(t, 0, lost), r); err != nil || string(r.JSON()) != `{"where":"there","color":"GREEN"}` {
		t.Errorf("%v, %s", err, r.JSON())
	}
	if f := r.Exception(); f == nil || f.Type.Struct.Name != "Lost" || r.Empty() {
		t.Errorf("exception %v", f)
	}
	if err := decode(0, encode(t, 0, nothing), r); err != nil || !r.Empty() || r.JSON() != nil || r.Exception() != nil {
		t.Errorf("%v, %s: the outcome before has stayed", err, r.JSON())
	}

	if r.TransientFailure() {
		t.Error("nothing is transient")
	}

	r = dynamic.NewResult(check)
	busy := raw(func(e *codec.Encoder) {
		e.Field(2, codec.Struct)
		(&typestest.Busy{Load: 9}).EncodeThrift(e)
	})
	if err := decode(0, encode(t, 0, busy), r); err != nil || string(r.JSON()) != `{"load":9}` || !r.TransientFailure() {
		t.Errorf("%v, %s", err, r.JSON())
	}
	if err := decode(0, encode(t, 0, lost), r); err != nil || r.Exception() == nil || r.TransientFailure() {
		t.Errorf("%v, %s", err, r.JSON())
	}
	if err := decode(0, encode(t, 0, nothing), r); err != nil || r.Empty() || r.JSON() != nil || r.Exception() != nil {
		t.Errorf("%v, %s", err, r.JSON())
	}

	r = dynamic.NewResult(sum)
	seven := raw(func(e *codec.Encoder) { e.I32Field(0, 7); e.I32Field(3, 1) })
	if err := decode(0, encode(t, 0, seven), r); err != nil || string(r.JSON()) != "7" || r.Exception() != nil {
		t.Errorf("%v, %s", err, r.JSON())
	}
	if diff := cmp.Diff([]string{"reply: unknown field 3 of type i32"}, r.Problems()); diff != "" {
		t.Error(diff)
	}
}
