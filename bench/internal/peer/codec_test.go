package peer

import (
	"context"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/echo"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/kecho"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/pb"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/techo"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Each codec encodes into a buffer that is used again, and decodes into a new struct, as a call does.

var encodings = []codec.Encoding{codec.Binary, codec.Compact}

var protocols = []struct {
	name    string
	factory thrift.TProtocolFactory
}{{"binary", binaryProtocol}, {"compact", compactProtocol}}

func kibibyte(tb testing.TB) *payload.Message {
	m, err := payload.New("1k")
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// check ends a benchmark whose last result is wrong.
func check(b *testing.B, m *payload.Message, got payload.Message) {
	b.Helper()
	if err := m.Check(m.ID, got); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkEncode(b *testing.B) {
	message := kibibyte(b)
	for _, enc := range encodings {
		b.Run("kuafu-"+enc.String(), func(b *testing.B) {
			m := kuafuMessage(message)
			e := codec.NewEncoder(enc, nil)
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(enc, e.Bytes()[:0])
				m.EncodeThrift(e)
			}
			if e.Err() != nil {
				b.Fatal(e.Err())
			}
			b.SetBytes(int64(len(e.Bytes())))
		})
	}
	for _, p := range protocols {
		b.Run("apache-"+p.name, func(b *testing.B) {
			m := thriftMessage(message)
			buf := thrift.NewTMemoryBufferLen(4096)
			protocol := p.factory.GetProtocol(buf)
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				if err := m.Write(context.Background(), protocol); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(buf.Len()))
		})
	}
	b.Run("vtproto", func(b *testing.B) {
		m := protoMessage(message)
		buf := make([]byte, 4096)
		b.SetBytes(int64(m.SizeVT()))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.MarshalToSizedBufferVT(buf[:m.SizeVT()]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("kitex-fastcodec", func(b *testing.B) {
		m := kitexMessage(message)
		buf := make([]byte, 4096)
		b.SetBytes(int64(m.BLength()))
		b.ReportAllocs()
		for b.Loop() {
			m.FastWriteNocopy(buf[:m.BLength()], nil)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	message := kibibyte(b)
	for _, enc := range encodings {
		b.Run("kuafu-"+enc.String(), func(b *testing.B) {
			e := codec.NewEncoder(enc, nil)
			kuafuMessage(message).EncodeThrift(e)
			var d codec.Decoder
			var m *echo.Message
			b.SetBytes(int64(len(e.Bytes())))
			b.ReportAllocs()
			for b.Loop() {
				m = new(echo.Message)
				d.Reset(enc, e.Bytes())
				m.DecodeThrift(&d)
			}
			if d.Err() != nil {
				b.Fatal(d.Err())
			}
			check(b, message, payload.Message{ID: m.ID, Body: m.Body, Tags: m.Tags, Attributes: m.Attributes})
		})
	}
	for _, p := range protocols {
		b.Run("apache-"+p.name, func(b *testing.B) {
			buf := thrift.NewTMemoryBufferLen(4096)
			protocol := p.factory.GetProtocol(buf)
			if err := thriftMessage(message).Write(context.Background(), protocol); err != nil {
				b.Fatal(err)
			}
			data := append([]byte(nil), buf.Bytes()...)
			var m *techo.Msg
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				buf.Write(data)
				m = new(techo.Msg)
				if err := m.Read(context.Background(), protocol); err != nil {
					b.Fatal(err)
				}
			}
			check(b, message, payload.Message{ID: m.ID, Body: m.Msg, Tags: m.Tags, Attributes: m.Meta})
		})
	}
	b.Run("vtproto", func(b *testing.B) {
		data, err := protoMessage(message).MarshalVT()
		if err != nil {
			b.Fatal(err)
		}
		var m *pb.Msg
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			m = new(pb.Msg)
			if err := m.UnmarshalVT(data); err != nil {
				b.Fatal(err)
			}
		}
		if err := checkProto(message, message.ID, m); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("kitex-fastcodec", func(b *testing.B) {
		source := kitexMessage(message)
		data := make([]byte, source.BLength())
		source.FastWriteNocopy(data, nil)
		var m *kecho.Msg
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			m = new(kecho.Msg)
			if _, err := m.FastRead(data); err != nil {
				b.Fatal(err)
			}
		}
		check(b, message, payload.Message{ID: m.Id, Body: m.Msg, Tags: m.Tags, Attributes: m.Meta})
	})
}
