package gentest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/consts"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/kitchen"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/oddities"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/shared"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

func containsText(err error, text string) bool {
	return err != nil && strings.Contains(err.Error(), text)
}

// TestDefaults: a constructor and the decoder of an empty message set the same, except that optional fields stay absent
// and their getters know the default.
func TestDefaults(t *testing.T) {
	want := &kitchen.Defaults{
		Flag: true, Small: -1, Large: 17, Real: 2.5, Text: `hello "world"`, Data: []byte("raw"),
		Color: kitchen.ColorDarkBlue, Numbers: []int32{1, 2, 3}, Words: []string{"a", "b"},
		Table: map[string][]int32{"one": {1}, "none": {}}, Later: kitchen.Later{X: 7},
		Key:    shared.Key{Shard: 17, Name: "k", Certainty: shared.CertaintyLikely},
		Nested: kitchen.WithDefault{Level: 3, Tags: []string{"t"}}, ReqNumber: 5,
		ID:    [16]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef},
		Shape: kitchen.Shape{Circle: new(1.5)}, MinusZero: math.Copysign(0, -1),
		Laters: []kitchen.Later{{X: 1}, {}},
		Keys:   map[string]shared.Key{"k": {Shard: 3, Name: "n", Certainty: shared.CertaintyLikely}},
		Inner:  kitchen.Inner{Name: new("in"), Numbers: []int32{1}},
	}
	want.Blobs = append(want.Blobs, struct {
		Key   []byte
		Value int32
	}{[]byte("a"), 1}, struct {
		Key   []byte
		Value int32
	}{[]byte("b"), 2})
	got := kitchen.NewDefaults()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("NewDefaults (-want +got):\n%s", diff)
	}
	if !math.Signbit(got.MinusZero) {
		t.Error("-0.0 became 0")
	}
	onlyRequired := []byte{8, 0, 19, 0, 0, 0, 5, 0} // field 19, an i32, and the end
	decoded := &kitchen.Defaults{OptNumber: new(int32(1)), Numbers: []int32{7}}
	decode(t, codec.Binary, onlyRequired, decoded)
	if diff := cmp.Diff(want, decoded); diff != "" {
		t.Errorf("decoded from nothing (-want +got):\n%s", diff)
	}
	if got.GetOptNumber() != 9 || got.GetOptText() != "opt" || got.GetOptColor() != kitchen.ColorRed ||
		got.GetOptReal() != 1 || !got.GetOptFlag() || got.GetOptLater().X != 8 || !cmp.Equal(got.GetOptList(), []int32{4}) {
		t.Error("a getter does not return its default")
	}
	got.OptNumber, got.OptList, got.OptLater = new(int32(0)), []int32{}, &kitchen.Later{}
	if got.GetOptNumber() != 0 || len(got.GetOptList()) != 0 || got.GetOptLater() != got.OptLater {
		t.Error("a getter does not return what is set")
	}
	if p := kitchen.NewPreset(); p.Word == nil || *p.Word != "begin" || p.Number != nil {
		t.Errorf("NewPreset: %v", p)
	}
}

// TestDefaultsAreNotShared: changing one value's containers leaves the next one's alone.
func TestDefaultsAreNotShared(t *testing.T) {
	a, b := kitchen.NewDefaults(), kitchen.NewDefaults()
	a.Numbers[0], a.Table["one"][0], a.Data[0] = 9, 9, 'x'
	if b.Numbers[0] != 1 || b.Table["one"][0] != 1 || b.Data[0] != 'r' {
		t.Error("two values share a default")
	}
}

// TestPresence: the three states of optional fields survive, and an absent field takes no bytes.
func TestPresence(t *testing.T) {
	for _, want := range []*kitchen.Containers{
		{Blobs: [][]byte{}, OptList: []int8{}, OptSet: [][16]byte{}, OptMap: map[bool]float64{}},
		{Blobs: [][]byte{}, OptList: []int8{1}, OptMap: map[bool]float64{true: 1}},
		{Blobs: [][]byte{}},
	} {
		for _, enc := range encodings {
			var got kitchen.Containers
			decode(t, enc, encode(t, enc, want), &got)
			if (got.OptList == nil) != (want.OptList == nil) || (got.OptSet == nil) != (want.OptSet == nil) ||
				(got.OptMap == nil) != (want.OptMap == nil) {
				t.Errorf("%s: %v became %v", enc, want, got)
			}
			if got.Flags == nil || got.Counts == nil {
				t.Errorf("%s: a nil container of default requiredness was not written", enc)
			}
		}
	}
	var b kitchen.Bases
	decode(t, codec.Compact, encode(t, codec.Compact, &kitchen.Bases{OptData: []byte{}, OptText: new("")}), &b)
	if b.OptData == nil || b.OptText == nil || b.OptFlag != nil || b.OptID != nil {
		t.Errorf("presence of base fields: %v", b)
	}
	empty := &kitchen.Inner{}
	if n := len(encode(t, codec.Binary, empty)); n != 3+5+1 {
		t.Errorf("an absent field and an empty list take %d bytes", n)
	}
}

func TestEnum(t *testing.T) {
	for _, test := range []struct {
		color        kitchen.Color
		text, string string
	}{
		{kitchen.ColorRed, "RED", "RED"},
		{kitchen.ColorInfraRed, "INFRA_RED", "INFRA_RED"},
		{77, "77", "Color(77)"},
		{-1, "-1", "Color(-1)"},
	} {
		if test.color.String() != test.string {
			t.Errorf("String of %d is %q", test.color, test.color.String())
		}
		text, err := test.color.MarshalText()
		if err != nil || string(text) != test.text {
			t.Errorf("MarshalText of %d: %q, %v", test.color, text, err)
		}
		var back kitchen.Color
		if err := back.UnmarshalText(text); err != nil || back != test.color {
			t.Errorf("UnmarshalText of %q: %d, %v", text, back, err)
		}
	}
	var c kitchen.Color
	if err := c.UnmarshalText([]byte("CRIMSON")); err != nil || c != 1 {
		t.Errorf("CRIMSON is %d, %v", c, err)
	}
	for _, bad := range []string{"", "red", "2147483648", "1.5", "0x1"} {
		if err := c.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is %d", bad, c)
		}
	}
	out, err := json.Marshal(map[kitchen.Color][]kitchen.Color{kitchen.ColorDarkBlue: {1, 99}})
	if err != nil || string(out) != `{"DARK_BLUE":["RED","99"]}` {
		t.Errorf("JSON %s, %v", out, err)
	}
	if kitchen.Empty(3).String() != "Empty(3)" {
		t.Error("an enum without values")
	}
}

func TestUnion(t *testing.T) {
	for _, test := range []struct {
		shape kitchen.Shape
		set   string
	}{
		{kitchen.Shape{}, "0 members"},
		{kitchen.Shape{Circle: new(1.0), None: new(true)}, "2 members"},
		{kitchen.Shape{Inside: &kitchen.Shape{}}, "0 members"},
	} {
		for _, enc := range encodings {
			_, err := tryEncode(enc, &test.shape)
			if codec.KindOf(err) != codec.BadUnion || !containsText(err, "Shape has "+test.set) {
				t.Errorf("%s: %v: error %v", enc, test.shape, err)
			}
		}
	}
	// Two members on the wire: the last one counts.
	both := []byte{2, 0, 9, 1, 11, 0, 4, 0, 0, 0, 1, 'x', 0}
	got := kitchen.Shape{Circle: new(2.0)}
	decode(t, codec.Binary, both, &got)
	if diff := cmp.Diff(kitchen.Shape{Named: new("x")}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	decode(t, codec.Binary, []byte{0}, &got)
	if diff := cmp.Diff(kitchen.Shape{}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestException(t *testing.T) {
	var err error = fmt.Errorf("while working: %w", &kitchen.Failure{Message: "no", Code: new(int32(4))})
	var failure *kitchen.Failure
	if !errors.As(err, &failure) || *failure.Code != 4 {
		t.Fatalf("errors.As does not find %v", err)
	}
	if want := `Failure{message: "no", code: 4}`; failure.Error() != want {
		t.Errorf("error text %q, want %q", failure.Error(), want)
	}
	if (&kitchen.Silent{}).Error() != "Silent{}" {
		t.Error("an exception without fields has no text")
	}
}

// TestString: secrets do not show, and what leads back to the same struct is abbreviated, so a value that contains itself
// has a text.
func TestString(t *testing.T) {
	loop := &kitchen.Node{Value: 1}
	loop.Next = loop
	for _, test := range []struct {
		value fmt.Stringer
		want  string
	}{
		{loop, "Node{value: 1, next: Node{...}}"},
		{kitchen.Tree{Label: "t", Children: []kitchen.Tree{{}, {}}}, `Tree{label: "t", children: [2 elements], named: [0 elements]}`},
		{
			kitchen.Account{User: "u", Password: "hunter2", Digest: []byte{1}, Token: "secret", Tagged: 2},
			`Account{user: "u", password: <redacted>, digest: <redacted>, token: <redacted>, legacy: 0, tagged: 2}`,
		},
		{kitchen.Shape{Polygon: []shared.Point{{Latitude: 1}}}, "Shape{polygon: [Point{latitude: 1, longitude: 0}]}"},
		{kitchen.Shape{Encoded: []byte("abc")}, "Shape{encoded: 616263 (3 bytes)}"},
		{kitchen.Shape{Encoded: make([]byte, 100)}, "Shape{encoded: " + strings.Repeat("00", 32) + " (100 bytes)}"},
		{kitchen.Shape{Color: new(kitchen.Color(9))}, "Shape{color: Color(9)}"},
		{kitchen.Shape{}, "Shape{}"},
		{kitchen.Nothing{}, "Nothing{}"},
	} {
		if got := test.value.String(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// TestSelfContaining: writing a value that contains itself ends with an error.
func TestSelfContaining(t *testing.T) {
	loop := &kitchen.Node{Value: 1}
	loop.Next, loop.Other = loop, loop
	tree := kitchen.Tree{Children: make([]kitchen.Tree, 2)}
	tree.Children[0].Children = tree.Children
	tree.Children[1].Children = tree.Children
	for _, enc := range encodings {
		for _, m := range []codec.Encodable{loop, &tree} {
			if _, err := tryEncode(enc, m); codec.KindOf(err) != codec.LimitReached {
				t.Errorf("%s: error %v", enc, err)
			}
		}
	}
}

func TestTags(t *testing.T) {
	f, _ := reflect.TypeFor[kitchen.Account]().FieldByName("Tagged")
	if f.Tag.Get("json") != "tagged,omitempty" || f.Tag.Get("yaml") != "tagged" {
		t.Errorf("tag %q", f.Tag)
	}
	out, err := json.Marshal(kitchen.Account{User: "u", Password: "p"})
	if err != nil || strings.Contains(string(out), "assword") || !strings.Contains(string(out), `"user":"u"`) {
		t.Errorf("JSON %s, %v", out, err)
	}
}

// TestConstants checks what the compiler has not: values of variables, and that references have their own containers.
func TestConstants(t *testing.T) {
	if !math.IsInf(consts.Endless, 1) || !math.Signbit(consts.MinusNothing) || consts.Greeting != "grüße,\t\"you\" and 'me'\n" {
		t.Error("scalar constants")
	}
	const isConst = consts.Answer + int32(consts.Tiny) // does not compile if they are variables
	if isConst != 42-128 || consts.FromEnum != math.MaxInt32 || consts.ByReference != kitchen.ColorDarkBlue {
		t.Error("integer constants")
	}
	if !cmp.Equal(consts.SameNumbers, []int32{1, 2, 3, 42}) || !cmp.Equal(consts.Nested, [][]int32{{1, 2, 3, 42}, {}, {9}}) {
		t.Errorf("lists %v %v", consts.SameNumbers, consts.Nested)
	}
	if !cmp.Equal(consts.SameAges, map[string]int32{"ann": 30, "bob": 40, "cid": 42}) {
		t.Errorf("map %v", consts.SameAges)
	}
	if &consts.Numbers[0] == &consts.SameNumbers[0] {
		t.Error("two constants share a list")
	}
	if consts.Twice[1] != "second" || len(consts.Words) != 2 {
		t.Error("equal keys and elements")
	}
	if consts.Defaults.Large != 1 || *consts.Defaults.OptNumber != 2 || consts.Defaults.Text != `hello "world"` {
		t.Errorf("struct %v", consts.Defaults)
	}
	if consts.Shards[shared.Key{Shard: 17, Name: "a", Certainty: shared.CertaintyLikely}] != 1 {
		t.Errorf("struct keys %v", consts.Shards)
	}
	if oddities.LeadingZeros != 98325 || oddities.Hex != -255 || oddities.Truth != 1 || oddities.F != .25 {
		t.Error("spellings of numbers")
	}
}

// TestAmplification: elements that take next to no bytes and much memory end at the bound, also after the error.
func TestAmplification(t *testing.T) {
	const n = 200_000
	message := func(header ...byte) []byte { return append(header, make([]byte, n)...) }
	for _, b := range [][]byte{
		message(15, 0, 1, 12, 0, n>>16, n>>8&0xff, n&0xff),         // WithDefault has a list by default
		message(15, 0, 3, 15, 0, 0, 0, 1, 12, 0, 0x01, 0x00, 0x00), // Defaults is large
		message(13, 0, 2, 8, 12, 0, 0, 0x60, 0),                    // DeepDefault requires a field
	} {
		limit := uint64(codec.AllocFactor*len(b) + codec.AllocBase)
		var err error
		used := allocated(func() { err = tryDecode(codec.Binary, b, new(kitchen.Amplify)) })
		if used > limit {
			t.Errorf("% x...: %d bytes allocated for %d, limit %d", b[:8], used, len(b), limit)
		}
		if err == nil {
			t.Errorf("% x...: no error", b[:8])
		}
	}
}
