package dynamic_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/dynamic"
	"github.com/kuafu-rpc/kuafu/dynamic/internal/typestest"
)

// TestParse: generated code reads what JSON says, in both encodings.
func TestParse(t *testing.T) {
	s := structOf(t, program(t), "All")
	for name, test := range map[string]struct {
		json string
		want func(*typestest.All)
	}{
		"nothing":         {`{}`, func(*typestest.All) {}},
		"null is absence": {`{"flag": null, "maybe": null}`, func(*typestest.All) {}},
		"base types": {`{"flag":true,"tiny":-128,"short":32767,"medium":-2147483648,"real":1.5e-7,"text":"夸父\u0000"}`, func(m *typestest.All) {
			m.Flag, m.Tiny, m.Short, m.Medium, m.Real, m.Text = true, -128, 32767, math.MinInt32, 1.5e-7, "夸父\x00"
		}},
		"all digits":             {`{"long": 9223372036854775807}`, func(m *typestest.All) { m.Long = math.MaxInt64 }},
		"digits in quotes":       {`{"long": "-9223372036854775808", "medium": "7"}`, func(m *typestest.All) { m.Long, m.Medium = math.MinInt64, 7 }},
		"infinity":               {`{"real": "-Infinity"}`, func(m *typestest.All) { m.Real = math.Inf(-1) }},
		"base64":                 {`{"data": "+/8="}`, func(m *typestest.All) { m.Data = []byte{0xfb, 0xff} }},
		"base64, bare, for URLs": {`{"data": "-_8"}`, func(m *typestest.All) { m.Data = []byte{0xfb, 0xff} }},
		"uuid": {`{"id": "00112233-4455-6677-8899-AABBCCDDEEFF"}`, func(m *typestest.All) {
			m.ID = [16]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
		}},
		"enum by name":      {`{"color": "GREEN"}`, func(m *typestest.All) { m.Color = typestest.ColorGreen }},
		"enum by number":    {`{"color": -7}`, func(m *typestest.All) { m.Color = typestest.ColorOdd }},
		"enum without name": {`{"color": "77"}`, func(m *typestest.All) { m.Color = 77 }},
		"struct":            {`{"inner": {"name": "x", "count": 0}}`, func(m *typestest.All) { m.Inner = typestest.Inner{Name: "x", Count: new(int64(0))} }},
		"union":             {`{"shape": {"unit": false}}`, func(m *typestest.All) { m.Shape = &typestest.Shape{Unit: new(false)} }},
		"containers": {`{"flags":[true,false],"numbers":["1",2],"palette":{"RED":["AQ=="],"5":[]}}`, func(m *typestest.All) {
			m.Flags, m.Numbers = []bool{true, false}, []int64{1, 2}
			m.Palette = typestest.Palette{typestest.ColorRed: {{1}}, 5: {}}
		}},
		"keys": {`{"by_number":{"-3":"x"},"by_flag":{"true":1},"by_blob":{"AQI=":2},"by_real":{"1.5":3},"by_id":{"00000000-0000-0000-0000-000000000001":4}}`,
			func(m *typestest.All) {
				m.ByNumber, m.ByFlag = map[int64]string{-3: "x"}, map[bool]int8{true: 1}
				m.ByBlob = append(m.ByBlob, struct {
					Key   []byte
					Value int16
				}{[]byte{1, 2}, 2})
				m.ByReal = append(m.ByReal, struct {
					Key   float64
					Value int32
				}{1.5, 3})
				m.ByID = map[[16]byte]float64{{15: 1}: 4}
			}},
		"pairs": {`{"by_name":[["a",1]],"by_list":[[[1,2],["x"]]]}`, func(m *typestest.All) {
			m.ByName = map[string]int64{"a": 1}
			m.ByList = append(m.ByList, struct {
				Key   []int32
				Value []string
			}{[]int32{1, 2}, []string{"x"}})
		}},
		"recursion": {`{"node":{"next":{"label":1},"children":[{"label":2}]}}`, func(m *typestest.All) {
			m.Node = typestest.Node{Next: &typestest.Node{Label: 1}, Children: []typestest.Node{{Label: 2}}}
		}},
		"a negative id": {`{"old": 3}`, func(m *typestest.All) { m.Old = 3 }},
	} {
		text := strings.Replace(test.json, "{", `{"far":1,`, 1)
		text = strings.Replace(text, ",}", "}", 1)
		m, err := dynamic.Parse(s, []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := typestest.All{Far: 1}
		test.want(&want)
		for _, enc := range encodings {
			var got typestest.All
			if err := decode(enc, encode(t, enc, m), &got); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %v:\n%s", name, enc, diff)
			}
		}
	}
}

// TestParseErrors: every error says where, and what would fit.
func TestParseErrors(t *testing.T) {
	f := functionOf(t, program(t), "all")
	for _, test := range []struct{ json, want string }{
		{``, "JSON: line 1, column 1: unexpected end"},
		{`{"v": {`, "JSON: line 1, column 8: unexpected end"},
		{"{\n  \"v\": }", "JSON: line 2, column 8: invalid character '}'"},
		{`{} {}`, "JSON: line 1, column 4: more after the JSON value"},
		{`{"v":{},"v":{}}`, `"v" is given twice`},
		{strings.Repeat("[", 2000), "more than 1000 values in one another"},
		{`7`, "args: want an object, found a number (7)"},
		{`{"w": {}}`, "args.w: no such field"},
		{`{"v": {}}`, "args.v.far: required field is missing"},
		{`{"v": {"far": 1, "txt": ""}}`, "args.v.txt: no such field; did you mean text?"},
		{`{"v": {"far": 1, "inner": {}}}`, "args.v.inner.name: required field is missing"},
		{`{"v": {"far": 2147483648}}`, "args.v.far: 2147483648 does not fit into 32 bits"},
		{`{"v": {"far": 1.0}}`, "args.v.far: want an integer, found a number (1.0)"},
		{`{"v": {"far": "-"}}`, "args.v.far: want an integer, found a string (-)"},
		{`{"v": {"far": 1, "tiny": 128}}`, "args.v.tiny: 128 does not fit into 8 bits"},
		{`{"v": {"far": 1, "flag": 0}}`, "args.v.flag: want true or false, found a number (0)"},
		{`{"v": {"far": 1, "real": 1e999}}`, "args.v.real: 1e999 is too large for a double"},
		{`{"v": {"far": 1, "real": "one"}}`, "args.v.real: want a number, found a string (one)"},
		{`{"v": {"far": 1, "text": 5}}`, "args.v.text: want a string, found a number (5)"},
		{`{"v": {"far": 1, "data": "?"}}`, "args.v.data: want base64, found a string (?)"},
		{`{"v": {"far": 1, "data": 1}}`, "args.v.data: want a string in base64, found a number (1)"},
		{`{"v": {"far": 1, "id": "0011"}}`, "args.v.id: want a uuid like"},
		{`{"v": {"far": 1, "id": "00112233-4455-6677-8899-aabbccddeefg"}}`, "args.v.id: want a uuid like"},
		{`{"v": {"far": 1, "color": "GREN"}}`, "args.v.color: Color has no GREN; did you mean GREEN?"},
		{`{"v": {"far": 1, "color": "violet"}}`, "args.v.color: Color has no violet; it has RED, GREEN, CRIMSON, ODD"},
		{`{"v": {"far": 1, "color": 1e3}}`, "args.v.color: want an integer"},
		{`{"v": {"far": 1, "flags": [true, null]}}`, "args.v.flags[1]: want true or false, found null"},
		{`{"v": {"far": 1, "flags": {}}}`, "args.v.flags: want an array, found an object"},
		{`{"v": {"far": 1, "by_name": {"x": "y"}}}`, `args.v.by_name["x"]: want an integer, found a string (y)`},
		{`{"v": {"far": 1, "by_name": 5}}`, `args.v.by_name: want an object or an array of pairs`},
		{`{"v": {"far": 1, "by_number": {"x": "y"}}}`, `args.v.by_number["x"]: want an integer, found a string (x)`},
		{`{"v": {"far": 1, "by_flag": {"yes": 1}}}`, `args.v.by_flag["yes"]: want true or false`},
		{`{"v": {"far": 1, "by_inner": {}}}`, `args.v.by_inner: the keys of this map cannot be those of an object`},
		{`{"v": {"far": 1, "by_inner": [[{"name":"x"}]]}}`, `args.v.by_inner[0]: want a [key, value] array, found an array`},
		{`{"v": {"far": 1, "by_inner": [[{"name":"x"},[9.5]]]}}`, `args.v.by_inner[0][1][0]: want an integer`},
		{`{"v": {"far": 1, "shape": {}}}`, "args.v.shape: want exactly one member of union Shape, found 0"},
		{`{"v": {"far": 1, "shape": {"unit": true, "radius": 1}}}`, "args.v.shape: want exactly one member of union Shape, found 2"},
		{`{"v": {"far": 1, "node": ` + strings.Repeat(`{"next":`, 70) + `{}` + strings.Repeat("}", 70) + `}}`, "more than 64 nested structs"},
	} {
		_, err := dynamic.ParseArgs(f, []byte(test.json))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.80s\n got: %v\nwant: %s", test.json, err, test.want)
		}
		var at *dynamic.Error
		if errors.As(err, &at) == strings.HasPrefix(err.Error(), "JSON: ") {
			t.Errorf("%.80s: %T", test.json, err)
		}
	}
}

// TestDefaults: a required field that is left out has its default; of others the receiver knows the default itself.
func TestDefaults(t *testing.T) {
	m, err := dynamic.Parse(structOf(t, program(t), "Defaults"), []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	var got typestest.Defaults
	if err := decode(0, encode(t, 0, m), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*typestest.NewDefaults(), got); diff != "" {
		t.Error(diff)
	}
}
