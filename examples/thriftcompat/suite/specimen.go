// Package suite checks a client and a server of compat.thrift against each other, and both against fixed values.
package suite

import (
	"cmp"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/compat"
)

// Specimen returns a new copy of a specimen. Every implementation has these values written down in its own language; so a
// mistake that both directions of an echo share still shows. It returns nil for a number that is none.
func Specimen(which compat.Specimen) *compat.Everything {
	switch which {
	case compat.SpecimenUsual:
		return usual()
	case compat.SpecimenBare:
		return bare()
	case compat.SpecimenExtreme:
		return extreme()
	}
	return nil
}

func usual() *compat.Everything {
	v := compat.NewEverything() // Defaults as the IDL has them
	v.Scalars = compat.Scalars{
		Yes: true, Tiny: -1, Small: 1000, Medium: -100_000, Large: 5_000_000_000, Real: 0.1,
		Text: "plain text", Data: []byte{0, 1, 2, 255}, Mood: compat.MoodCheerful, Stamp: 1_700_000_000_000,
	}
	v.Presence = compat.Presence{
		Must: -7, MustText: "there", Plain: 3, Maybe: new(int32), MaybeText: new(string), MaybeFlag: new(bool),
		MaybeList: []int32{1, 2}, MaybePoint: &compat.Point{X: 1, Y: -1}, MaybeMood: to(compat.MoodGloomy),
		MaybeData: []byte{0}, MaybeReal: new(float64), Far: to[int32](4000), Last: to[int8](-1),
	}
	v.Containers = compat.Containers{
		Flags:   []bool{true, false, true},
		Tinies:  []int8{1, -1},
		Smalls:  []int16{300, -300},
		Mediums: []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, // compact writes 15 and more differently
		Larges:  []int64{1 << 40, -1 << 40},
		Reals:   []float64{1.5, -2.25},
		Texts:   []string{"a", "", "b"},
		Blobs:   [][]byte{{1}, {}},
		Moods:   []compat.Mood{compat.MoodCheerful, compat.MoodCalm},
		Points:  []compat.Point{{X: 1, Y: 2}, {X: 3, Y: 4}},
		Numbers: []int32{-1, 2, 3},
		Words:   []string{"one", "two"},
		MoodSet: []compat.Mood{compat.MoodGloomy, compat.MoodCheerful},
		Names:   map[int32]string{-1: "minus one", 1: "one"},
		Counts:  map[string]int64{"few": 3, "many": 1 << 50},
		Places:  map[compat.Mood]compat.Point{compat.MoodCalm: {X: 5, Y: 6}},
		Odds:    map[bool]float64{true: 0.75, false: 0.25},
		Deep:    map[int64]map[int16][]int8{7: {8: {9, 10}}},
		Cube:    [][][]int32{{{1}, {2, 3}}, {}, {{}}},
		Records: []map[string]compat.Point{{"p": {X: 7, Y: 8}}, {}},
		Scores:  compat.Scores{"ann": {1, 2}, "bob": {}},
	}
	v.Shapes = []compat.Shape{
		{Circle: to(2.5)}, {Corner: &compat.Point{X: 1, Y: 1}}, {Polygon: []compat.Point{{X: 0, Y: 0}, {X: 4, Y: 3}}},
		{Label: to("square")}, {Nothing: to(false)}, {Mood: to(compat.MoodCalm)},
	}
	leaf := func(label string) compat.Tree {
		return compat.Tree{Label: label, Children: []compat.Tree{}, Named: map[string]compat.Tree{}}
	}
	v.Tree = leaf("root")
	v.Tree.Children = []compat.Tree{leaf("left"), leaf("right")}
	v.Tree.Twin = to(leaf("twin"))
	v.Tree.Named["heir"] = leaf("heir")
	return v
}

func bare() *compat.Everything {
	v := compat.NewEverything()
	v.Scalars.Data = []byte{}
	v.Containers = emptyContainers()
	v.Shapes = []compat.Shape{}
	v.Tree = compat.Tree{Children: []compat.Tree{}, Named: map[string]compat.Tree{}}
	return v
}

func emptyContainers() compat.Containers {
	return compat.Containers{
		Flags: []bool{}, Tinies: []int8{}, Smalls: []int16{}, Mediums: []int32{}, Larges: []int64{}, Reals: []float64{},
		Texts: []string{}, Blobs: [][]byte{}, Moods: []compat.Mood{}, Points: []compat.Point{}, Numbers: []int32{},
		Words: []string{}, MoodSet: []compat.Mood{}, Names: map[int32]string{}, Counts: map[string]int64{},
		Places: map[compat.Mood]compat.Point{}, Odds: map[bool]float64{}, Deep: map[int64]map[int16][]int8{},
		Cube: [][][]int32{}, Records: []map[string]compat.Point{}, Scores: compat.Scores{},
	}
}

// Unicode is text of one to four bytes a character, with a zero byte in it.
const Unicode = "snö ☃ 漢字 🦉\x00end"

func extreme() *compat.Everything {
	v := new(compat.Everything)
	v.Scalars = compat.Scalars{
		No: true, Tiny: math.MinInt8, Small: math.MinInt16, Medium: math.MinInt32, Large: math.MinInt64, Real: math.MaxFloat64,
		Text: Unicode, Data: everyByte(), Mood: compat.MoodBeyond, Stamp: math.MaxInt64,
	}
	v.Presence = compat.Presence{
		Must: math.MaxInt32, MustText: Unicode, Plain: math.MinInt32, MaybeText: to(Unicode), MaybeFlag: to(true),
		MaybeList: []int32{}, MaybeMood: to(compat.MoodBeyond), MaybeData: []byte{}, MaybeReal: to(math.Inf(-1)),
		Far: to[int32](math.MinInt32), Last: to[int8](math.MaxInt8),
	}
	v.Defaults = compat.Defaults{Numbers: []int32{}, Table: map[string]int32{}, Maybe: to[int32](-11)} // zeros, not the defaults
	v.Containers = emptyContainers()
	c := &v.Containers
	c.Tinies = []int8{math.MinInt8, math.MaxInt8}
	c.Smalls = []int16{math.MinInt16, math.MaxInt16}
	c.Mediums = []int32{math.MinInt32, math.MaxInt32}
	c.Larges = []int64{math.MinInt64, math.MaxInt64}
	c.Reals = []float64{math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, -math.MaxFloat64}
	c.Texts = []string{Unicode, "\x7f\u0080\u07ff\u0800\uffff\U0010ffff"}
	c.Blobs = [][]byte{everyByte()}
	c.Names = map[int32]string{math.MinInt32: "", math.MaxInt32: Unicode}
	c.Counts = map[string]int64{"": math.MinInt64, Unicode: math.MaxInt64}
	c.Deep = map[int64]map[int16][]int8{math.MinInt64: {math.MaxInt16: {math.MinInt8, math.MaxInt8}}, 0: {}}
	for i := range int32(1000) {
		c.Numbers = append(c.Numbers, i-500)
		c.Words = append(c.Words, strconv.Itoa(int(i)))
	}
	v.Shapes = []compat.Shape{{Circle: to(math.Inf(1))}, {Label: to("")}, {Polygon: []compat.Point{}}}
	v.Tree = compat.Tree{Label: "10", Children: []compat.Tree{}, Named: map[string]compat.Tree{}}
	for depth := 9; depth >= 0; depth-- { // a child in a twin in a child, and so on
		t := compat.Tree{Label: strconv.Itoa(depth), Children: []compat.Tree{}, Named: map[string]compat.Tree{}}
		if depth%2 == 0 {
			t.Children = []compat.Tree{v.Tree}
		} else {
			t.Twin = to(v.Tree)
		}
		v.Tree = t
	}
	return v
}

func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func to[T any](v T) *T { return &v }

// Equal reports whether two values mean the same: sets in any order, and an optional field that has a default by its
// value, because Thrift's libraries differ in whether they send it.
func Equal(a, b *compat.Everything) bool { return reflect.DeepEqual(canonical(*a), canonical(*b)) }

// canonical returns v with its sets sorted, in slices and maps of its own.
func canonical(v compat.Everything) compat.Everything {
	v.Defaults.Maybe = to(v.Defaults.GetMaybe())
	v.Containers.Numbers = sorted(v.Containers.Numbers)
	v.Containers.Words = sorted(v.Containers.Words)
	v.Containers.MoodSet = sorted(v.Containers.MoodSet)
	v.Containers.Deep = maps.Clone(v.Containers.Deep)
	for key, sets := range v.Containers.Deep {
		sets = maps.Clone(sets)
		for key, set := range sets {
			sets[key] = sorted(set)
		}
		v.Containers.Deep[key] = sets
	}
	return v
}

// sorted returns a sorted copy, nil for nil.
func sorted[T cmp.Ordered](set []T) []T {
	set = slices.Clone(set)
	slices.Sort(set)
	return set
}
