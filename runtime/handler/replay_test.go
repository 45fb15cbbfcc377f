package handler

import (
	"bytes"
	"math"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// medley has a value of each type, in containers and in structs.
type medley struct{ depth int }

func (m medley) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.BoolField(1, true)
	e.BoolField(2, false)
	e.I8Field(3, -5)
	e.I16Field(4, -300)
	e.I32Field(5, 1<<30)
	e.I64Field(-6, math.MinInt64)
	e.DoubleField(7, math.Pi)
	e.StringField(100, "grüße")
	e.BinaryField(101, nil)
	e.UUIDField(102, [16]byte{1, 2, 3})
	e.Field(200, codec.List)
	e.List(codec.Bool, 3)
	e.Bool(true)
	e.Bool(false)
	e.Bool(true)
	e.Field(201, codec.Set)
	e.Set(codec.I64, 2)
	e.I64(7)
	e.I64(-7)
	e.Field(202, codec.Map)
	e.Map(codec.String, codec.List, 1)
	e.String("key")
	e.List(codec.Double, 1)
	e.Double(-0.5)
	e.Field(203, codec.Map)
	e.Map(codec.I32, codec.I32, 0)
	if m.depth > 0 {
		e.Field(300, codec.Struct)
		medley{m.depth - 1}.EncodeThrift(e)
		e.Field(301, codec.List)
		e.List(codec.Struct, 2)
		medley{0}.EncodeThrift(e)
		medley{0}.EncodeThrift(e)
	}
	e.EndStruct(outer)
}

func encode(t *testing.T, enc codec.Encoding, v codec.Encodable) []byte {
	t.Helper()
	e := codec.NewEncoder(enc, nil)
	v.EncodeThrift(e)
	if err := e.Err(); err != nil {
		t.Fatal(err)
	}
	return e.Bytes()
}

func TestReplayIsWhatWasEncoded(t *testing.T) {
	for _, depth := range []int{0, 1, 60} {
		stored := replay(encode(t, codec.Binary, medley{depth}))
		for _, enc := range []codec.Encoding{codec.Binary, codec.Compact} {
			if got, want := encode(t, enc, stored), encode(t, enc, medley{depth}); !bytes.Equal(got, want) {
				t.Errorf("depth %d, %v:\n% x, want\n% x", depth, enc, got, want)
			}
		}
	}
}

func TestBrokenReplays(t *testing.T) {
	whole := encode(t, codec.Binary, medley{1})
	nested := bytes.Repeat([]byte{byte(codec.List), 0, 0, 0, 1}, 1000)
	broken := map[string][]byte{
		"bytes behind it":    append(bytes.Clone(whole), 0),
		"unknown type":       {99, 0, 1, 0},
		"unknown element":    {byte(codec.List), 0, 1, 99, 0, 0, 0, 0, 0},
		"unknown key":        {byte(codec.Map), 0, 1, 99, 2, 0, 0, 0, 0, 0},
		"stop as an element": {byte(codec.Set), 0, 1, 0, 0, 0, 0, 0, 0},
		"huge list":          {byte(codec.List), 0, 1, byte(codec.I8), 0xff, 0xff, 0xff, 0xff, 0},
		"huge map":           {byte(codec.Map), 0, 1, byte(codec.I8), byte(codec.I8), 0xff, 0xff, 0xff, 0xff, 0},
		"huge string":        {byte(codec.String), 0, 1, 0xff, 0xff, 0xff, 0xff, 0},
		"deep lists":         append([]byte{byte(codec.List), 0, 1}, nested...),
	}
	for n := range whole {
		e := codec.NewEncoder(codec.Compact, nil)
		if replay(whole[:n]).EncodeThrift(e); e.Err() == nil {
			t.Errorf("the first %d bytes of %d passed", n, len(whole))
		}
	}
	for name, b := range broken {
		e := codec.NewEncoder(codec.Compact, nil)
		if replay(b).EncodeThrift(e); e.Err() == nil {
			t.Errorf("%s passed", name)
		}
	}
}

// What a store gives back may be anything.
func FuzzReplay(f *testing.F) {
	e := codec.NewEncoder(codec.Binary, nil)
	medley{1}.EncodeThrift(e)
	f.Add(e.Bytes())
	f.Add([]byte{byte(codec.List), 0, 1, byte(codec.List), 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e := codec.NewEncoder(codec.Binary, nil)
		if replay(b).EncodeThrift(e); e.Err() != nil {
			return
		}
		d := codec.NewDecoder(codec.Binary, e.Bytes())
		if d.Skip(codec.Struct); d.Err() != nil || d.Remaining() > 0 {
			t.Errorf("% x became % x: %v, %d bytes left", b, e.Bytes(), d.Err(), d.Remaining())
		}
	})
}
