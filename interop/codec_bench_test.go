package interop

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// message is the struct of about 1 KiB that the benchmarks write and read, with the methods that each generator would
// give it:
//
//	struct message { 1: i64 id, 2: string body, 3: list<string> tags, 4: map<string, string> attributes }
type message struct {
	ID         int64
	Body       string
	Tags       []string
	Attributes map[string]string
}

func newMessage() *message {
	return &message{
		ID:         1234567890123,
		Body:       strings.Repeat("b", 841),
		Tags:       []string{strings.Repeat("x", 24), strings.Repeat("y", 24), strings.Repeat("z", 24)},
		Attributes: map[string]string{"tenant": strings.Repeat("t", 32), "region": strings.Repeat("r", 32)},
	}
}

func (m *message) equal(o *message) bool {
	return m.ID == o.ID && m.Body == o.Body && slices.Equal(m.Tags, o.Tags) && maps.Equal(m.Attributes, o.Attributes)
}

func (m *message) EncodeThrift(e *codec.Encoder) {
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

func (m *message) DecodeThrift(d *codec.Decoder) {
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

// apacheMessage is the same with Apache Thrift: one virtual call and one error check for each item.
type apacheMessage message

func (m *apacheMessage) Write(ctx context.Context, p thrift.TProtocol) error {
	if err := p.WriteStructBegin(ctx, "message"); err != nil {
		return err
	}
	for _, f := range []func(context.Context, thrift.TProtocol) error{m.writeID, m.writeBody, m.writeTags, m.writeAttributes} {
		if err := f(ctx, p); err != nil {
			return err
		}
	}
	if err := p.WriteFieldStop(ctx); err != nil {
		return err
	}
	return p.WriteStructEnd(ctx)
}

func (m *apacheMessage) writeID(ctx context.Context, p thrift.TProtocol) error {
	if err := p.WriteFieldBegin(ctx, "id", thrift.I64, 1); err != nil {
		return err
	}
	if err := p.WriteI64(ctx, m.ID); err != nil {
		return err
	}
	return p.WriteFieldEnd(ctx)
}

func (m *apacheMessage) writeBody(ctx context.Context, p thrift.TProtocol) error {
	if err := p.WriteFieldBegin(ctx, "body", thrift.STRING, 2); err != nil {
		return err
	}
	if err := p.WriteString(ctx, m.Body); err != nil {
		return err
	}
	return p.WriteFieldEnd(ctx)
}

func (m *apacheMessage) writeTags(ctx context.Context, p thrift.TProtocol) error {
	if err := p.WriteFieldBegin(ctx, "tags", thrift.LIST, 3); err != nil {
		return err
	}
	if err := p.WriteListBegin(ctx, thrift.STRING, len(m.Tags)); err != nil {
		return err
	}
	for _, v := range m.Tags {
		if err := p.WriteString(ctx, v); err != nil {
			return err
		}
	}
	if err := p.WriteListEnd(ctx); err != nil {
		return err
	}
	return p.WriteFieldEnd(ctx)
}

func (m *apacheMessage) writeAttributes(ctx context.Context, p thrift.TProtocol) error {
	if err := p.WriteFieldBegin(ctx, "attributes", thrift.MAP, 4); err != nil {
		return err
	}
	if err := p.WriteMapBegin(ctx, thrift.STRING, thrift.STRING, len(m.Attributes)); err != nil {
		return err
	}
	for k, v := range m.Attributes {
		if err := p.WriteString(ctx, k); err != nil {
			return err
		}
		if err := p.WriteString(ctx, v); err != nil {
			return err
		}
	}
	if err := p.WriteMapEnd(ctx); err != nil {
		return err
	}
	return p.WriteFieldEnd(ctx)
}

func (m *apacheMessage) Read(ctx context.Context, p thrift.TProtocol) error {
	if _, err := p.ReadStructBegin(ctx); err != nil {
		return err
	}
	for {
		_, t, id, err := p.ReadFieldBegin(ctx)
		if err != nil {
			return err
		}
		if t == thrift.STOP {
			break
		}
		switch {
		case id == 1 && t == thrift.I64:
			m.ID, err = p.ReadI64(ctx)
		case id == 2 && t == thrift.STRING:
			m.Body, err = p.ReadString(ctx)
		case id == 3 && t == thrift.LIST:
			err = m.readTags(ctx, p)
		case id == 4 && t == thrift.MAP:
			err = m.readAttributes(ctx, p)
		default:
			err = p.Skip(ctx, t)
		}
		if err != nil {
			return err
		}
		if err := p.ReadFieldEnd(ctx); err != nil {
			return err
		}
	}
	return p.ReadStructEnd(ctx)
}

func (m *apacheMessage) readTags(ctx context.Context, p thrift.TProtocol) error {
	_, n, err := p.ReadListBegin(ctx)
	if err != nil {
		return err
	}
	m.Tags = make([]string, 0, n)
	for range n {
		v, err := p.ReadString(ctx)
		if err != nil {
			return err
		}
		m.Tags = append(m.Tags, v)
	}
	return p.ReadListEnd(ctx)
}

func (m *apacheMessage) readAttributes(ctx context.Context, p thrift.TProtocol) error {
	_, _, n, err := p.ReadMapBegin(ctx)
	if err != nil {
		return err
	}
	m.Attributes = make(map[string]string, n)
	for range n {
		k, err := p.ReadString(ctx)
		if err != nil {
			return err
		}
		if m.Attributes[k], err = p.ReadString(ctx); err != nil {
			return err
		}
	}
	return p.ReadMapEnd(ctx)
}

func BenchmarkEncode(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String()+"/kuafu", func(b *testing.B) {
			m := newMessage()
			e := codec.NewEncoder(enc, nil)
			m.EncodeThrift(e)
			buf := e.Bytes()
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(enc, buf[:0])
				m.EncodeThrift(e)
			}
			if e.Err() != nil {
				b.Fatal(e.Err())
			}
		})
		b.Run(enc.String()+"/apache", func(b *testing.B) {
			m := (*apacheMessage)(newMessage())
			buf := thrift.NewTMemoryBufferLen(4096)
			p := protocol(enc, buf)
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				if err := m.Write(ctx, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, enc := range encodings {
		want := newMessage()
		e := codec.NewEncoder(enc, nil)
		want.EncodeThrift(e)
		data := e.Bytes()
		kuafu := func(reset func(*codec.Decoder, codec.Encoding, []byte)) func(b *testing.B) {
			return func(b *testing.B) {
				var d codec.Decoder
				var m message
				b.ReportAllocs()
				for b.Loop() {
					reset(&d, enc, data)
					m.DecodeThrift(&d)
				}
				if d.Err() != nil || !m.equal(want) {
					b.Fatal(d.Err(), m)
				}
			}
		}
		b.Run(enc.String()+"/kuafu copying", kuafu((*codec.Decoder).Reset))
		b.Run(enc.String()+"/kuafu shared", kuafu((*codec.Decoder).ResetShared))
		b.Run(enc.String()+"/apache", func(b *testing.B) {
			var m apacheMessage
			buf := thrift.NewTMemoryBufferLen(4096)
			p := protocol(enc, buf)
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				buf.Write(data)
				if err := m.Read(ctx, p); err != nil {
					b.Fatal(err)
				}
			}
			if got := message(m); !got.equal(want) {
				b.Fatal(m)
			}
		})
	}
}
