package codec_test

import "github.com/kuafu-rpc/kuafu/runtime/codec"

// Message is the struct of the benchmarks, its methods as generated code has them:
//
//	struct Message { 1: i64 id, 2: string body, 3: list<string> tags, 4: map<string, string> attributes }
type Message struct {
	ID         int64
	Body       string
	Tags       []string
	Attributes map[string]string
}

func (m *Message) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.I64Field(1, m.ID)
	e.StringField(2, m.Body)
	e.Field(3, codec.List)
	e.List(codec.String, len(m.Tags))
	for _, v := range m.Tags {
		e.String(v)
	}
	e.Field(4, codec.Map)
	e.Map(codec.String, codec.String, len(m.Attributes))
	for k, v := range m.Attributes {
		e.String(k)
		e.String(v)
	}
	e.EndStruct(outer)
}

func (m *Message) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for {
		f := d.Field()
		if f.Type == codec.Stop {
			break
		}
		switch f.Key() {
		case 1<<8 | uint32(codec.I64):
			m.ID = d.I64()
		case 2<<8 | uint32(codec.String):
			m.Body = d.String()
		case 3<<8 | uint32(codec.List):
			m.Tags = codec.MakeSlice[string](d, d.List(codec.String))
			for i := range m.Tags {
				m.Tags[i] = d.String()
			}
		case 4<<8 | uint32(codec.Map):
			n := d.Map(codec.String, codec.String)
			m.Attributes = codec.MakeMap[string, string](d, n)
			for range n {
				k := d.String()
				m.Attributes[k] = d.String()
			}
		default:
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}
