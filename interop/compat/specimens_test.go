package compat

import (
	"math"
	"strconv"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/suite"
	"github.com/kuafu-rpc/kuafu/interop/compat/gen/compat"
)

// specimen returns a specimen as the suite has it, in Apache's types.
func specimen(which compat.Specimen) *compat.Everything {
	switch which {
	case compat.Specimen_USUAL:
		return usual()
	case compat.Specimen_BARE:
		return bare()
	case compat.Specimen_EXTREME:
		return extreme()
	}
	return nil
}

func tree(label string, children ...*compat.Tree) *compat.Tree {
	return &compat.Tree{Label: label, Children: append([]*compat.Tree{}, children...), Named: map[string]*compat.Tree{}}
}

func emptyContainers() *compat.Containers {
	return &compat.Containers{
		Flags: []bool{}, Tinies: []int8{}, Smalls: []int16{}, Mediums: []int32{}, Larges: []int64{}, Reals: []float64{},
		Texts: []string{}, Blobs: [][]byte{}, Moods: []compat.Mood{}, Points: []*compat.Point{}, Numbers: []int32{},
		Words: []string{}, MoodSet: []compat.Mood{}, Names: map[int32]string{}, Counts: map[string]int64{},
		Places: map[compat.Mood]*compat.Point{}, Odds: map[bool]float64{}, Deep: map[int64]map[int16][]int8{},
		Cube: [][][]int32{}, Records: []map[string]*compat.Point{}, Scores: compat.Scores{},
	}
}

func usual() *compat.Everything {
	v := &compat.Everything{
		Scalars: &compat.Scalars{
			Yes: true, Tiny: -1, Small: 1000, Medium: -100_000, Large: 5_000_000_000, Real: 0.1, Text: "plain text",
			Data: []byte{0, 1, 2, 255}, Mood: compat.Mood_CHEERFUL, Stamp: 1_700_000_000_000,
		},
		Presence: &compat.Presence{
			Must: -7, MustText: "there", Plain: 3, Maybe: new(int32), MaybeText: new(string), MaybeFlag: new(bool),
			MaybeList: []int32{1, 2}, MaybePoint: &compat.Point{X: 1, Y: -1}, MaybeMood: thrift.Pointer(compat.Mood_GLOOMY),
			MaybeData: []byte{0}, MaybeReal: new(float64), Far: thrift.Pointer[int32](4000), Last: thrift.Pointer[int8](-1),
		},
		Defaults: compat.NewDefaults(),
		Containers: &compat.Containers{
			Flags:   []bool{true, false, true},
			Tinies:  []int8{1, -1},
			Smalls:  []int16{300, -300},
			Mediums: []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
			Larges:  []int64{1 << 40, -1 << 40},
			Reals:   []float64{1.5, -2.25},
			Texts:   []string{"a", "", "b"},
			Blobs:   [][]byte{{1}, {}},
			Moods:   []compat.Mood{compat.Mood_CHEERFUL, compat.Mood_CALM},
			Points:  []*compat.Point{{X: 1, Y: 2}, {X: 3, Y: 4}},
			Numbers: []int32{-1, 2, 3},
			Words:   []string{"one", "two"},
			MoodSet: []compat.Mood{compat.Mood_GLOOMY, compat.Mood_CHEERFUL},
			Names:   map[int32]string{-1: "minus one", 1: "one"},
			Counts:  map[string]int64{"few": 3, "many": 1 << 50},
			Places:  map[compat.Mood]*compat.Point{compat.Mood_CALM: {X: 5, Y: 6}},
			Odds:    map[bool]float64{true: 0.75, false: 0.25},
			Deep:    map[int64]map[int16][]int8{7: {8: {9, 10}}},
			Cube:    [][][]int32{{{1}, {2, 3}}, {}, {{}}},
			Records: []map[string]*compat.Point{{"p": {X: 7, Y: 8}}, {}},
			Scores:  compat.Scores{"ann": {1, 2}, "bob": {}},
		},
		Shapes: []*compat.Shape{
			{Circle: thrift.Pointer(2.5)}, {Corner: &compat.Point{X: 1, Y: 1}},
			{Polygon: []*compat.Point{{X: 0, Y: 0}, {X: 4, Y: 3}}}, {Label: thrift.Pointer("square")},
			{Nothing: thrift.Pointer(false)}, {Mood: thrift.Pointer(compat.Mood_CALM)},
		},
		Tree: tree("root", tree("left"), tree("right")),
	}
	v.Tree.Twin = tree("twin")
	v.Tree.Named["heir"] = tree("heir")
	return v
}

func bare() *compat.Everything {
	return &compat.Everything{
		Scalars: &compat.Scalars{Data: []byte{}}, Presence: &compat.Presence{}, Defaults: compat.NewDefaults(),
		Containers: emptyContainers(), Shapes: []*compat.Shape{}, Tree: tree(""),
	}
}

func extreme() *compat.Everything {
	c := emptyContainers()
	c.Tinies = []int8{math.MinInt8, math.MaxInt8}
	c.Smalls = []int16{math.MinInt16, math.MaxInt16}
	c.Mediums = []int32{math.MinInt32, math.MaxInt32}
	c.Larges = []int64{math.MinInt64, math.MaxInt64}
	c.Reals = []float64{math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, -math.MaxFloat64}
	c.Texts = []string{suite.Unicode, "\x7f\u0080\u07ff\u0800\uffff\U0010ffff"}
	c.Blobs = [][]byte{everyByte()}
	c.Names = map[int32]string{math.MinInt32: "", math.MaxInt32: suite.Unicode}
	c.Counts = map[string]int64{"": math.MinInt64, suite.Unicode: math.MaxInt64}
	c.Deep = map[int64]map[int16][]int8{math.MinInt64: {math.MaxInt16: {math.MinInt8, math.MaxInt8}}, 0: {}}
	for i := range int32(1000) {
		c.Numbers = append(c.Numbers, i-500)
		c.Words = append(c.Words, strconv.Itoa(int(i)))
	}
	chain := tree("10")
	for depth := 9; depth >= 0; depth-- {
		if depth%2 == 0 {
			chain = tree(strconv.Itoa(depth), chain)
		} else {
			twin := chain
			chain = tree(strconv.Itoa(depth))
			chain.Twin = twin
		}
	}
	return &compat.Everything{
		Scalars: &compat.Scalars{
			No: true, Tiny: math.MinInt8, Small: math.MinInt16, Medium: math.MinInt32, Large: math.MinInt64,
			Real: math.MaxFloat64, Text: suite.Unicode, Data: everyByte(), Mood: compat.Mood_BEYOND, Stamp: math.MaxInt64,
		},
		Presence: &compat.Presence{
			Must: math.MaxInt32, MustText: suite.Unicode, Plain: math.MinInt32, MaybeText: thrift.Pointer(suite.Unicode),
			MaybeFlag: thrift.Pointer(true), MaybeList: []int32{}, MaybeMood: thrift.Pointer(compat.Mood_BEYOND),
			MaybeData: []byte{}, MaybeReal: thrift.Pointer(math.Inf(-1)), Far: thrift.Pointer[int32](math.MinInt32),
			Last: thrift.Pointer[int8](math.MaxInt8),
		},
		Defaults:   &compat.Defaults{Numbers: []int32{}, Table: map[string]int32{}, Maybe: -11},
		Containers: c,
		Shapes:     []*compat.Shape{{Circle: thrift.Pointer(math.Inf(1))}, {Label: thrift.Pointer("")}, {Polygon: []*compat.Point{}}},
		Tree:       chain,
	}
}

func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func refusal() *compat.Refusal {
	return &compat.Refusal{Code: -2, Reason: suite.Unicode, Hints: []string{"wait", ""}}
}
