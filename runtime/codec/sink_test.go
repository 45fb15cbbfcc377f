package codec_test

import "github.com/kuafu-rpc/kuafu/runtime/codec"

// Everything has a field of every type, itself included, and methods as generated code has them.
type Everything struct {
	Flag     bool
	Byte     int8
	Short    int16
	Int      int32
	Long     *int64
	Float    float64
	Text     string
	Blob     []byte
	ID       [16]byte
	Child    *Everything
	Children []*Everything
	Values   []Pair
	ByName   map[string]*Everything
	Matrix   [][]int32
	Maps     []map[int8]string
	Keys     map[[16]byte]bool
	Big      map[int32]Pair
	Names    []string
}

// Pair is a struct whose fields are required.
type Pair struct {
	Left, Right int64
	Padding     [20]int64 // what a struct of many optional fields takes when none is set
}

func (m *Pair) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I64Field(1, m.Left)
	e.I64Field(2, m.Right)
	e.EndStruct(outer)
}

func (m *Pair) DecodeThrift(d *codec.Decoder) {
	var left, right bool
	outer := d.BeginStruct()
	for {
		f := d.Field()
		if f.Type == codec.Stop {
			break
		}
		switch f.Key() {
		case 1<<8 | uint32(codec.I64):
			m.Left, left = d.I64(), true
		case 2<<8 | uint32(codec.I64):
			m.Right, right = d.I64(), true
		default:
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
	switch {
	case d.Err() != nil:
	case !left:
		d.Fail(codec.MissingField("Pair", "left"))
	case !right:
		d.Fail(codec.MissingField("Pair", "right"))
	}
}

func (m *Everything) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	if e.Err() != nil {
		return
	}
	e.BoolField(1, m.Flag)
	e.I8Field(2, m.Byte)
	e.I16Field(3, m.Short)
	e.I32Field(4, m.Int)
	if m.Long != nil {
		e.I64Field(5, *m.Long)
	}
	e.DoubleField(6, m.Float)
	e.StringField(7, m.Text)
	e.BinaryField(8, m.Blob)
	e.UUIDField(9, m.ID)
	if m.Child != nil {
		e.Field(10, codec.Struct)
		m.Child.EncodeThrift(e)
	}
	e.Field(11, codec.List)
	e.List(codec.Struct, len(m.Children))
	for _, v := range m.Children {
		v.EncodeThrift(e)
	}
	e.Field(12, codec.Set)
	e.Set(codec.Struct, len(m.Values))
	for i := range m.Values {
		m.Values[i].EncodeThrift(e)
	}
	e.Field(13, codec.Map)
	e.Map(codec.String, codec.Struct, len(m.ByName))
	for k, v := range m.ByName {
		e.String(k)
		v.EncodeThrift(e)
	}
	e.Field(14, codec.List)
	e.List(codec.List, len(m.Matrix))
	for _, row := range m.Matrix {
		e.List(codec.I32, len(row))
		for _, v := range row {
			e.I32(v)
		}
	}
	e.Field(15, codec.List)
	e.List(codec.Map, len(m.Maps))
	for _, v := range m.Maps {
		e.Map(codec.I8, codec.String, len(v))
		for k, v := range v {
			e.I8(k)
			e.String(v)
		}
	}
	e.Field(16, codec.Map)
	e.Map(codec.UUID, codec.Bool, len(m.Keys))
	for k, v := range m.Keys {
		e.UUID(k)
		e.Bool(v)
	}
	e.Field(17, codec.Map)
	e.Map(codec.I32, codec.Struct, len(m.Big))
	for k, v := range m.Big {
		e.I32(k)
		v.EncodeThrift(e)
	}
	e.Field(-1, codec.List)
	e.List(codec.String, len(m.Names))
	for _, v := range m.Names {
		e.String(v)
	}
	e.EndStruct(outer)
}

func (m *Everything) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for {
		f := d.Field()
		if f.Type == codec.Stop {
			break
		}
		switch f.Key() {
		case 1<<8 | uint32(codec.Bool):
			m.Flag = d.Bool()
		case 2<<8 | uint32(codec.I8):
			m.Byte = d.I8()
		case 3<<8 | uint32(codec.I16):
			m.Short = d.I16()
		case 4<<8 | uint32(codec.I32):
			m.Int = d.I32()
		case 5<<8 | uint32(codec.I64):
			m.Long = codec.New[int64](d)
			*m.Long = d.I64()
		case 6<<8 | uint32(codec.Double):
			m.Float = d.Double()
		case 7<<8 | uint32(codec.String):
			m.Text = d.String()
		case 8<<8 | uint32(codec.String):
			m.Blob = d.Binary()
		case 9<<8 | uint32(codec.UUID):
			m.ID = d.UUID()
		case 10<<8 | uint32(codec.Struct):
			m.Child = codec.New[Everything](d)
			m.Child.DecodeThrift(d)
		case 11<<8 | uint32(codec.List):
			m.Children = codec.MakeSlice[*Everything](d, d.List(codec.Struct))
			for i := range m.Children {
				m.Children[i] = codec.New[Everything](d)
				m.Children[i].DecodeThrift(d)
			}
		case 12<<8 | uint32(codec.Set):
			m.Values = codec.MakeSlice[Pair](d, d.Set(codec.Struct))
			for i := range m.Values {
				m.Values[i].DecodeThrift(d)
			}
		case 13<<8 | uint32(codec.Map):
			n := d.Map(codec.String, codec.Struct)
			m.ByName = codec.MakeMap[string, *Everything](d, n)
			for range n {
				k := d.String()
				v := codec.New[Everything](d)
				v.DecodeThrift(d)
				m.ByName[k] = v
			}
		case 14<<8 | uint32(codec.List):
			m.Matrix = codec.MakeSlice[[]int32](d, d.List(codec.List))
			for i := range m.Matrix {
				m.Matrix[i] = codec.MakeSlice[int32](d, d.List(codec.I32))
				for j := range m.Matrix[i] {
					m.Matrix[i][j] = d.I32()
				}
			}
		case 15<<8 | uint32(codec.List):
			m.Maps = codec.MakeSlice[map[int8]string](d, d.List(codec.Map))
			for i := range m.Maps {
				n := d.Map(codec.I8, codec.String)
				m.Maps[i] = codec.MakeMap[int8, string](d, n)
				for range n {
					k := d.I8()
					m.Maps[i][k] = d.String()
				}
			}
		case 16<<8 | uint32(codec.Map):
			n := d.Map(codec.UUID, codec.Bool)
			m.Keys = codec.MakeMap[[16]byte, bool](d, n)
			for range n {
				k := d.UUID()
				m.Keys[k] = d.Bool()
			}
		case 17<<8 | uint32(codec.Map):
			n := d.Map(codec.I32, codec.Struct)
			m.Big = codec.MakeMap[int32, Pair](d, n)
			for range n {
				k := d.I32()
				var v Pair
				v.DecodeThrift(d)
				m.Big[k] = v
			}
		case 0xffff<<8 | uint32(codec.List):
			m.Names = codec.MakeSlice[string](d, d.List(codec.String))
			for i := range m.Names {
				m.Names[i] = d.String()
			}
		default:
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

func newEverything() *Everything {
	long := int64(-5)
	leaf := &Everything{
		Flag: true, Byte: -1, Short: 300, Int: -70000, Long: &long, Float: 2.5, Text: "leaf", Blob: []byte{0, 1, 2},
		ID: [16]byte{15: 1}, Values: []Pair{{Left: 1, Right: 2}, {Left: 3, Right: 4}}, Matrix: [][]int32{{1, 2, 3}, {}, {-4}},
		Maps: []map[int8]string{{1: "one"}, {}}, Keys: map[[16]byte]bool{{1}: true, {2}: false},
		Big: map[int32]Pair{7: {Left: 8, Right: 9}}, Names: []string{"a", "", "c"},
	}
	return &Everything{
		Text: "root", Child: leaf, Children: []*Everything{leaf, {}, leaf}, ByName: map[string]*Everything{"x": leaf, "y": {}},
	}
}
