package codec_test

import (
	"errors"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

func TestEncoderLimits(t *testing.T) {
	cycle := &Everything{}
	cycle.Child = cycle
	deep := func(n int) *Everything {
		m := &Everything{}
		for range n - 1 {
			m = &Everything{Child: m}
		}
		return m
	}
	tests := []struct {
		name  string
		write func(e *codec.Encoder)
		want  codec.Kind
	}{
		{"64 structs", deep(64).EncodeThrift, 0},
		{"65 structs", deep(65).EncodeThrift, codec.LimitReached},
		{"a struct in itself", cycle.EncodeThrift, codec.LimitReached},
		{"list of MaxElements", func(e *codec.Encoder) { e.List(codec.Bool, codec.MaxElements) }, 0},
		{"list of more", func(e *codec.Encoder) { e.List(codec.Bool, codec.MaxElements+1) }, codec.LimitReached},
		{"set of -1", func(e *codec.Encoder) { e.Set(codec.Bool, -1) }, codec.LimitReached},
		{"map of more", func(e *codec.Encoder) { e.Map(codec.Bool, codec.Bool, codec.MaxElements+1) }, codec.LimitReached},
		{"union", func(e *codec.Encoder) { e.Fail(codec.UnionError("U", 2)) }, codec.BadUnion},
	}
	for _, test := range tests {
		for _, enc := range encodings {
			e := codec.NewEncoder(enc, nil)
			if test.write(e); codec.KindOf(e.Err()) != test.want {
				t.Errorf("%s, %s: error %v, want kind %v", test.name, enc, e.Err(), test.want)
			}
		}
	}
	// What may be written may be read.
	for _, enc := range encodings {
		b := encode(t, enc, deep(64))
		d := codec.NewDecoder(enc, b)
		if new(Everything).DecodeThrift(d); d.Err() != nil {
			t.Error(enc, d.Err())
		}
		d.Reset(enc, b)
		if d.Skip(codec.Struct); d.Err() != nil {
			t.Error(enc, d.Err())
		}
	}
}

func TestErrorsStick(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	for _, enc := range encodings {
		e := codec.NewEncoder(enc, []byte{1})
		e.Fail(nil)
		e.Fail(first)
		e.Fail(second)
		newEverything().EncodeThrift(e)
		write(e, value{typ: codec.List, elem: [2]codec.Type{codec.Bool}, items: make([]value, 20)})
		if e.Err() != first || len(e.Bytes()) != 1 {
			t.Errorf("%s: error %v, %d bytes", enc, e.Err(), len(e.Bytes()))
		}

		d := codec.NewDecoder(enc, encode(t, enc, newEverything()))
		d.Fail(nil)
		d.BeginStruct()
		d.Field()
		d.Fail(first)
		d.Fail(second)
		d.Skip(codec.Struct)
		if d.Err() != first || d.Remaining() != 0 || d.Field().Type != codec.Stop || d.Bool() || d.I8() != 0 || d.I16() != 0 ||
			d.I32() != 0 || d.I64() != 0 || d.Double() != 0 || d.String() != "" || len(d.Binary()) != 0 ||
			d.UUID() != [16]byte{} || d.List(codec.I8) != 0 || d.Set(codec.I8) != 0 || d.Map(codec.I8, codec.I8) != 0 {
			t.Errorf("%s: values after an error, or another error: %v", enc, d.Err())
		}
	}
	e := codec.NewEncoder(codec.Encoding(1), nil)
	if newMessage().EncodeThrift(e); codec.KindOf(e.Err()) != codec.Unsupported || len(e.Bytes()) != 0 {
		t.Errorf("encoding 1: error %v, %d bytes", e.Err(), len(e.Bytes()))
	}
}
