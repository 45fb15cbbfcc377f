package dynamic_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/dynamic"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// streamOf returns what the messages of a stream<t> are.
func streamOf(t *testing.T, typ string) *schema.Type {
	t.Helper()
	const types = "enum Color { RED = 1 }\nstruct Point { 1: required i32 x }\nunion Shape { 1: Point point, 2: bool unit }\n"
	return functionOf(t, link(t, types+"service S { stream<"+typ+"> get() }"), "get").Result.Elem
}

// TestElements: every kind of message goes from JSON to its form on the wire and back.
func TestElements(t *testing.T) {
	for typ, texts := range map[string][]string{
		"bool": {"true", "false"}, "i8": {"-128"}, "i16": {"7"}, "i32": {"-1"}, "i64": {"9223372036854775807"},
		"double": {"0.5", `"NaN"`}, "string": {`"a\nb"`, `""`}, "uuid": {`"00112233-4455-6677-8899-aabbccddeeff"`},
		"Color": {`"RED"`, "9"}, "list<i32>": {"[1,2]", "[]"}, "map<string, Point>": {`{"a":{"x":1}}`},
		"Point": {`{"x":3}`}, "Shape": {`{"unit":true}`},
	} {
		elem := streamOf(t, typ)
		for _, text := range texts {
			m, err := dynamic.ParseElement(elem, []byte(text))
			if err != nil {
				t.Errorf("%s %s: %v", typ, text, err)
				continue
			}
			for _, enc := range encodings {
				doc := dynamic.NewElement(elem)
				if err := decode(enc, encode(t, enc, m), doc); err != nil || string(doc.JSON()) != text || doc.Problems() != nil {
					t.Errorf("%s %s: %s, %v, %v", typ, text, doc.JSON(), doc.Problems(), err)
				}
			}
		}
	}
}

// field is a struct with one i64 field, as generated code writes one.
type field struct {
	id int16
	v  int64
}

func (f field) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I64Field(f.id, f.v)
	e.EndStruct(outer)
}

// TestElementEnvelope: what is no struct travels as field 1 of one, and nothing else will do.
func TestElementEnvelope(t *testing.T) {
	elem := streamOf(t, "i64")
	m, err := dynamic.ParseElement(elem, []byte("5"))
	if err != nil {
		t.Fatal(err)
	}
	for _, enc := range encodings {
		if got, want := encode(t, enc, m), encode(t, enc, field{1, 5}); !bytes.Equal(got, want) {
			t.Errorf("%v: % x, want % x", enc, got, want)
		}
		doc := dynamic.NewElement(elem)
		if err := decode(enc, encode(t, enc, field{2, 5}), doc); codec.KindOf(err) != codec.FieldMissing {
			t.Errorf("%v: another field: %v", enc, err)
		}
		if diff := cmp.Diff([]string{"message: unknown field 2 of type i64"}, doc.Problems()); diff != "" {
			t.Errorf("%v: %s", enc, diff)
		}
		// A Document is used again and again.
		if err := decode(enc, encode(t, enc, field{1, 6}), doc); err != nil || string(doc.JSON()) != "6" || doc.Problems() != nil {
			t.Errorf("%v: %s, %v, %v", enc, doc.JSON(), doc.Problems(), err)
		}
	}
}

// TestElementMistakes: what is wrong with a message's JSON is said with its place in it.
func TestElementMistakes(t *testing.T) {
	for _, tt := range []struct{ typ, json, want string }{
		{"i32", `"x"`, "message: "},
		{"i32", `4294967296`, "message: "},
		{"Point", `{}`, "message.x: required field is missing"},
		{"Point", `{"y":1}`, "message.y: no such field"},
		{"list<i32>", `[1,true]`, "message[1]: "},
		{"string", `"a`, "JSON: line 1"},
		{"string", `"a" "b"`, "JSON: line 1"},
	} {
		if _, err := dynamic.ParseElement(streamOf(t, tt.typ), []byte(tt.json)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %s", tt.typ, tt.json, err, tt.want)
		}
	}
}

func TestParseBinary(t *testing.T) {
	if b, err := dynamic.ParseBinary([]byte(`"AAEC"`)); err != nil || !bytes.Equal(b, []byte{0, 1, 2}) {
		t.Errorf("% x, %v", b, err)
	}
	for _, bad := range []string{`"?"`, `7`, ``} {
		if _, err := dynamic.ParseBinary([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestArgumentsBesideStream: a stream is not among the arguments.
func TestArgumentsBesideStream(t *testing.T) {
	f := functionOf(t, link(t, "service S { i64 put(1: string name, 2: stream<binary> pieces) }"), "put")
	m, err := dynamic.ParseArgs(f, []byte(`{"name": "a"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("% x", encode(t, codec.Binary, m)); got != "0b 00 01 00 00 00 01 61 00" {
		t.Error(got)
	}
	if _, err := dynamic.ParseArgs(f, []byte(`{"name": "a", "pieces": []}`)); err == nil || !strings.Contains(err.Error(), "args.pieces: no such field") {
		t.Error(err)
	}
}
