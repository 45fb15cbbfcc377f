package codec_test

import (
	"encoding/binary"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// The benchmarks below belong to one of DESIGN.md's decisions: one concrete Encoder for both encodings instead of an
// encoder for each behind an interface. They compare them on a struct that is mostly text and on one of numbers.

// writer is what generated code would call if each encoding had an encoder of its own.
type writer interface {
	BeginStruct() int16
	EndStruct(outer int16)
	Field(id int16, t codec.Type)
	I64Field(id int16, v int64)
	StringField(id int16, v string)
	String(v string)
	List(elem codec.Type, n int)
	Map(key, value codec.Type, n int)
}

// binaryWriter writes the binary encoding, and nothing else: no other encoding, no limits, no errors.
type binaryWriter struct{ buf []byte }

func (w *binaryWriter) BeginStruct() int16    { return 0 }
func (w *binaryWriter) EndStruct(outer int16) { w.buf = append(w.buf, 0) }

func (w *binaryWriter) Field(id int16, t codec.Type) {
	w.buf = append(w.buf, byte(t), byte(uint16(id)>>8), byte(id))
}

func (w *binaryWriter) I64Field(id int16, v int64) {
	i, u := uint16(id), uint64(v)
	w.buf = append(w.buf, byte(codec.I64), byte(i>>8), byte(i),
		byte(u>>56), byte(u>>48), byte(u>>40), byte(u>>32), byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
}

func (w *binaryWriter) StringField(id int16, v string) {
	w.Field(id, codec.String)
	w.String(v)
}

func (w *binaryWriter) String(v string) {
	w.buf = append(binary.BigEndian.AppendUint32(w.buf, uint32(len(v))), v...)
}

func (w *binaryWriter) List(elem codec.Type, n int) {
	w.buf = binary.BigEndian.AppendUint32(append(w.buf, byte(elem)), uint32(n))
}

func (w *binaryWriter) Map(key, value codec.Type, n int) {
	w.buf = binary.BigEndian.AppendUint32(append(w.buf, byte(key), byte(value)), uint32(n))
}

// writeTo is EncodeThrift with the interface.
func (m *Message) writeTo(w writer) {
	outer := w.BeginStruct()
	w.I64Field(1, m.ID)
	w.StringField(2, m.Body)
	w.Field(3, codec.List)
	w.List(codec.String, len(m.Tags))
	for _, v := range m.Tags {
		w.String(v)
	}
	w.Field(4, codec.Map)
	w.Map(codec.String, codec.String, len(m.Attributes))
	for k, v := range m.Attributes {
		w.String(k)
		w.String(v)
	}
	w.EndStruct(outer)
}

// numbers is a struct of 16 fields of type i64.
type numbers [16]int64

func (m *numbers) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	for i := range m {
		e.I64Field(int16(i+1), m[i])
	}
	e.EndStruct(outer)
}

func (m *numbers) writeTo(w writer) {
	outer := w.BeginStruct()
	for i := range m {
		w.I64Field(int16(i+1), m[i])
	}
	w.EndStruct(outer)
}

func (m *numbers) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		if f.Type != codec.I64 || uint16(f.ID-1) >= uint16(len(m)) {
			d.Skip(f.Type)
			continue
		}
		m[f.ID-1] = d.I64()
	}
	d.EndStruct(outer)
}

// reader is the counterpart of writer, as far as numbers needs it.
type reader interface {
	BeginStruct() int16
	EndStruct(outer int16)
	Field() codec.Field
	I64() int64
	Skip(t codec.Type)
}

// binaryReader reads the binary encoding, and nothing else. It checks what it must not to panic.
type binaryReader struct{ b []byte }

func (r *binaryReader) BeginStruct() int16    { return 0 }
func (r *binaryReader) EndStruct(outer int16) {}
func (r *binaryReader) Skip(t codec.Type)     { r.b = nil }

func (r *binaryReader) Field() codec.Field {
	if len(r.b) < 3 {
		r.b = nil
		return codec.Field{}
	}
	f := codec.Field{ID: int16(binary.BigEndian.Uint16(r.b[1:])), Type: codec.Type(r.b[0])}
	r.b = r.b[3:]
	return f
}

func (r *binaryReader) I64() int64 {
	if len(r.b) < 8 {
		r.b = nil
		return 0
	}
	v := int64(binary.BigEndian.Uint64(r.b))
	r.b = r.b[8:]
	return v
}

// readFrom is DecodeThrift with the interface.
func (m *numbers) readFrom(r reader) {
	outer := r.BeginStruct()
	for f := r.Field(); f.Type != codec.Stop; f = r.Field() {
		if f.Type != codec.I64 || uint16(f.ID-1) >= uint16(len(m)) {
			r.Skip(f.Type)
			continue
		}
		m[f.ID-1] = r.I64()
	}
	r.EndStruct(outer)
}

func BenchmarkDispatchDecode(b *testing.B) {
	want := numbers{1, 1 << 10, 1 << 20, 1 << 30, 1 << 40, 1 << 50, 15: -1}
	data := encode(b, codec.Binary, &want)
	b.Run("numbers/concrete", func(b *testing.B) {
		var d codec.Decoder
		var m numbers
		for b.Loop() {
			d.Reset(codec.Binary, data)
			m.DecodeThrift(&d)
		}
		if d.Err() != nil || m != want {
			b.Fatal(d.Err(), m)
		}
	})
	b.Run("numbers/interface", func(b *testing.B) {
		var r binaryReader
		var m numbers
		for b.Loop() {
			r.b = data
			m.readFrom(&r)
		}
		if m != want {
			b.Fatal(m)
		}
	})
}

func BenchmarkDispatch(b *testing.B) {
	for _, test := range []struct {
		name string
		m    interface {
			codec.Encodable
			writeTo(writer)
		}
	}{{"message", newMessage()}, {"numbers", &numbers{1, 1 << 10, 1 << 20, 1 << 30, 1 << 40, 1 << 50, 15: -1}}} {
		want := string(encode(b, codec.Binary, test.m))
		b.Run(test.name+"/concrete", func(b *testing.B) {
			var e codec.Encoder
			buf := make([]byte, 0, len(want))
			for b.Loop() {
				e.Reset(codec.Binary, buf)
				test.m.EncodeThrift(&e)
			}
			if e.Err() != nil || len(e.Bytes()) != len(want) {
				b.Fatal(e.Err(), len(e.Bytes()))
			}
		})
		b.Run(test.name+"/interface", func(b *testing.B) {
			var w binaryWriter
			buf := make([]byte, 0, len(want))
			for b.Loop() {
				w.buf = buf
				test.m.writeTo(&w)
			}
			if len(w.buf) != len(want) {
				b.Fatal(len(w.buf))
			}
		})
	}
}
