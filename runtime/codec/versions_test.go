package codec_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// TestUnknownFields reads structs that a newer program might send: with a field of each type that the reader does not
// know, before, between and behind those it knows, and with known ids under new types.
func TestUnknownFields(t *testing.T) {
	for _, enc := range encodings {
		for _, typ := range allTypes {
			for seed := range uint64(20) {
				r := rand.New(rand.NewPCG(seed, 7))
				unknown := func(e *codec.Encoder, id int16) { writeField(e, id, random(r, typ, 3)) }
				want := newMessage()
				e := codec.NewEncoder(enc, nil)
				outer := e.BeginStruct()
				unknown(e, -7)
				unknown(e, 9000)
				if typ != codec.I64 {
					unknown(e, 1)
				}
				e.I64Field(1, want.ID)
				unknown(e, 0)
				e.StringField(2, want.Body)
				unknown(e, 2+256)
				e.Field(3, codec.List)
				e.List(codec.String, len(want.Tags))
				for _, v := range want.Tags {
					e.String(v)
				}
				unknown(e, 5)
				e.Field(4, codec.Map)
				e.Map(codec.String, codec.String, len(want.Attributes))
				for k, v := range want.Attributes {
					e.String(k)
					e.String(v)
				}
				if typ != codec.Map {
					unknown(e, 4)
				}
				e.EndStruct(outer)
				d := codec.NewDecoder(enc, e.Bytes())
				var got Message
				got.DecodeThrift(d)
				if e.Err() != nil || d.Err() != nil || d.Remaining() != 0 {
					t.Fatalf("%s, %s, seed %d: errors %v and %v, %d bytes remain", enc, typ, seed, e.Err(), d.Err(), d.Remaining())
				}
				if diff := cmp.Diff(want, &got); diff != "" {
					t.Fatalf("%s, %s, seed %d: %s", enc, typ, seed, diff)
				}
			}
		}
	}
}

// TestAbsentFields reads what an older program might send: fields that do not arrive stay as they were.
func TestAbsentFields(t *testing.T) {
	for _, enc := range encodings {
		e := codec.NewEncoder(enc, nil)
		outer := e.BeginStruct()
		e.StringField(2, "new")
		e.EndStruct(outer)
		d := codec.NewDecoder(enc, e.Bytes())
		got := Message{ID: 5, Body: "default", Tags: []string{"kept"}}
		got.DecodeThrift(d)
		if diff := cmp.Diff(Message{ID: 5, Body: "new", Tags: []string{"kept"}}, got); diff != "" || d.Err() != nil {
			t.Errorf("%s: error %v, %s", enc, d.Err(), diff)
		}
		var p Pair
		d.Reset(enc, []byte{0})
		if p.DecodeThrift(d); codec.KindOf(d.Err()) != codec.FieldMissing {
			t.Errorf("%s: required field absent: error %v", enc, d.Err())
		}
	}
}
