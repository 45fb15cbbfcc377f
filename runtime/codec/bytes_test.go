package codec_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// TestExactBytes compares what is written with bytes worked out by hand from the specifications of Thrift's encodings.
// It then skips them, in one piece and byte by byte.
func TestExactBytes(t *testing.T) {
	uuid := [16]byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	inStruct := func(f func(e *codec.Encoder)) func(e *codec.Encoder) {
		return func(e *codec.Encoder) {
			outer := e.BeginStruct()
			f(e)
			e.EndStruct(outer)
		}
	}
	tests := []struct {
		name            string
		typ             codec.Type
		write           func(e *codec.Encoder)
		binary, compact string // hex; blanks for the eye
	}{
		{"true", codec.Bool, func(e *codec.Encoder) { e.Bool(true) }, "01", "01"},
		{"false", codec.Bool, func(e *codec.Encoder) { e.Bool(false) }, "00", "02"},
		{"i8", codec.I8, func(e *codec.Encoder) { e.I8(-2) }, "fe", "fe"},
		{"i16 of 1", codec.I16, func(e *codec.Encoder) { e.I16(1) }, "0001", "02"},
		{"least i16", codec.I16, func(e *codec.Encoder) { e.I16(-1 << 15) }, "8000", "ffff03"},
		{"i32 of -1", codec.I32, func(e *codec.Encoder) { e.I32(-1) }, "ffffffff", "01"},
		{"i32 of 150", codec.I32, func(e *codec.Encoder) { e.I32(150) }, "00000096", "ac02"},
		{"least i32", codec.I32, func(e *codec.Encoder) { e.I32(-1 << 31) }, "80000000", "ffffffff0f"},
		{"i64 of 2^32", codec.I64, func(e *codec.Encoder) { e.I64(1 << 32) }, "0000000100000000", "8080808020"},
		{"greatest i64", codec.I64, func(e *codec.Encoder) { e.I64(1<<63 - 1) }, "7fffffffffffffff", "feffffffffffffffff01"},
		{"least i64", codec.I64, func(e *codec.Encoder) { e.I64(-1 << 63) }, "8000000000000000", "ffffffffffffffffff01"},
		{"double of 1", codec.Double, func(e *codec.Encoder) { e.Double(1) }, "3ff0000000000000", "000000000000f03f"},
		{"string", codec.String, func(e *codec.Encoder) { e.String("hi") }, "00000002 6869", "02 6869"},
		{"binary", codec.String, func(e *codec.Encoder) { e.Binary([]byte{0, 255}) }, "00000002 00ff", "02 00ff"},
		{"empty string", codec.String, func(e *codec.Encoder) { e.String("") }, "00000000", "00"},
		{"string of 128", codec.String, func(e *codec.Encoder) { e.String(strings.Repeat("a", 128)) },
			"00000080" + strings.Repeat("61", 128), "8001" + strings.Repeat("61", 128)},
		{"uuid", codec.UUID, func(e *codec.Encoder) { e.UUID(uuid) },
			"00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff"},
		{"empty struct", codec.Struct, inStruct(func(e *codec.Encoder) {}), "00", "00"},
		{"bool fields", codec.Struct, inStruct(func(e *codec.Encoder) {
			e.BoolField(1, true)
			e.BoolField(2, false)
			e.BoolField(30, true)
		}), "02 0001 01  02 0002 00  02 001e 01  00", "11 12 01 3c 00"},
		{"fields of every scalar type", codec.Struct, inStruct(func(e *codec.Encoder) {
			e.I8Field(1, 5)
			e.I16Field(2, 5)
			e.I32Field(3, 5)
			e.I64Field(4, 5)
			e.DoubleField(5, -2)
			e.StringField(6, "s")
			e.BinaryField(7, []byte("b"))
			e.UUIDField(8, uuid)
		}), "03 0001 05  06 0002 0005  08 0003 00000005  0a 0004 0000000000000005  04 0005 c000000000000000" +
			"0b 0006 00000001 73  0b 0007 00000001 62  10 0008 00112233445566778899aabbccddeeff  00",
			"13 05  14 0a  15 0a  16 0a  17 00000000000000c0  18 01 73  18 01 62  1d 00112233445566778899aabbccddeeff  00"},
		{"deltas of 15 and 16", codec.Struct, inStruct(func(e *codec.Encoder) {
			e.I8Field(15, 1)
			e.I8Field(31, 2)
			e.I8Field(46, 3)
		}), "03 000f 01  03 001f 02  03 002e 03  00", "f3 01  03 3e 02  f3 03  00"},
		{"ids that go down, and negative ones", codec.Struct, inStruct(func(e *codec.Encoder) {
			e.I8Field(-1, 1)
			e.I8Field(0, 2)
			e.I8Field(0, 3)
			e.I8Field(-32768, 4)
			e.I8Field(32767, 5)
		}), "03 ffff 01  03 0000 02  03 0000 03  03 8000 04  03 7fff 05  00",
			"03 01 01  13 02  03 00 03  03 ffff03 04  03 feff03 05  00"},
		{"deltas around a nested struct", codec.Struct, inStruct(func(e *codec.Encoder) {
			e.Field(3, codec.Struct)
			inStruct(func(e *codec.Encoder) { e.I32Field(2, 1) })(e)
			e.I32Field(4, 2)
		}), "0c 0003  08 0002 00000001 00  08 0004 00000002  00", "3c 25 02 00  15 04  00"},
		{"empty list", codec.List, func(e *codec.Encoder) { e.List(codec.I64, 0) }, "0a 00000000", "06"},
		{"list of bools", codec.List, func(e *codec.Encoder) {
			e.List(codec.Bool, 2)
			e.Bool(true)
			e.Bool(false)
		}, "02 00000002 01 00", "21 01 02"},
		{"list of 14", codec.List, func(e *codec.Encoder) {
			e.List(codec.I8, 14)
			for range 14 {
				e.I8(7)
			}
		}, "03 0000000e" + strings.Repeat("07", 14), "e3" + strings.Repeat("07", 14)},
		{"list of 15", codec.List, func(e *codec.Encoder) {
			e.List(codec.I8, 15)
			for range 15 {
				e.I8(7)
			}
		}, "03 0000000f" + strings.Repeat("07", 15), "f3 0f" + strings.Repeat("07", 15)},
		{"list of 300", codec.List, func(e *codec.Encoder) {
			e.List(codec.I16, 300)
			for range 300 {
				e.I16(1)
			}
		}, "06 0000012c" + strings.Repeat("0001", 300), "f4 ac02" + strings.Repeat("02", 300)},
		{"set of uuids", codec.Set, func(e *codec.Encoder) {
			e.Set(codec.UUID, 1)
			e.UUID(uuid)
		}, "10 00000001 00112233445566778899aabbccddeeff", "1d 00112233445566778899aabbccddeeff"},
		{"list of lists", codec.List, func(e *codec.Encoder) {
			e.List(codec.List, 2)
			e.List(codec.I32, 1)
			e.I32(3)
			e.List(codec.I32, 0)
		}, "0f 00000002  08 00000001 00000003  08 00000000", "29 15 06 05"},
		{"list of structs", codec.List, func(e *codec.Encoder) {
			e.List(codec.Struct, 2)
			for range 2 {
				inStruct(func(e *codec.Encoder) { e.I32Field(1, -1) })(e)
			}
		}, "0c 00000002  08 0001 ffffffff 00  08 0001 ffffffff 00", "2c 15 01 00  15 01 00"},
		{"empty map", codec.Map, func(e *codec.Encoder) { e.Map(codec.String, codec.I32, 0) }, "0b 08 00000000", "00"},
		{"map", codec.Map, func(e *codec.Encoder) {
			e.Map(codec.String, codec.I32, 1)
			e.String("k")
			e.I32(1)
		}, "0b 08 00000001  00000001 6b 00000001", "01 85 01 6b 02"},
		{"map of maps to sets", codec.Map, func(e *codec.Encoder) {
			e.Map(codec.Map, codec.Set, 1)
			e.Map(codec.Bool, codec.Double, 1)
			e.Bool(false)
			e.Double(0)
			e.Set(codec.I8, 2)
			e.I8(1)
			e.I8(2)
		}, "0d 0e 00000001  02 04 00000001 00 0000000000000000  03 00000002 01 02",
			"01 ba  01 17 02 0000000000000000  23 01 02"},
	}
	for _, test := range tests {
		for _, enc := range encodings {
			want := test.binary
			if enc == codec.Compact {
				want = test.compact
			}
			want = strings.ReplaceAll(want, " ", "")
			e := codec.NewEncoder(enc, nil)
			test.write(e)
			if got := hex.EncodeToString(e.Bytes()); got != want || e.Err() != nil {
				t.Errorf("%s, %s: wrote %s with error %v, want %s", test.name, enc, got, e.Err(), want)
				continue
			}
			d := codec.NewDecoder(enc, e.Bytes())
			if d.Skip(test.typ); d.Err() != nil || d.Remaining() != 0 {
				t.Errorf("%s, %s: skip: error %v, %d bytes remain", test.name, enc, d.Err(), d.Remaining())
			}
			n, done, err := pushAll(t, codec.NewSkipper(enc, test.typ), e.Bytes(), func() int { return 1 })
			if n != len(e.Bytes()) || !done || err != nil {
				t.Errorf("%s, %s: Skipper took %d of %d bytes, done %t, error %v", test.name, enc, n, len(e.Bytes()), done, err)
			}
		}
	}
}

// TestLenientReading has bytes that our Encoder does not write and yet are right.
func TestLenientReading(t *testing.T) {
	tests := []struct {
		name  string
		enc   codec.Encoding
		input string
		read  func(d *codec.Decoder) bool
	}{
		{"list of bools announced as false", codec.Compact, "42 01 02 00 01", func(d *codec.Decoder) bool {
			return d.List(codec.Bool) == 4 && d.Bool() && !d.Bool() && !d.Bool() && d.Bool()
		}},
		{"short list in the long form", codec.Compact, "f3 01 05", func(d *codec.Decoder) bool {
			return d.List(codec.I8) == 1 && d.I8() == 5
		}},
		{"near id in the long form", codec.Compact, "03 02 05 00", func(d *codec.Decoder) bool {
			return d.Field() == codec.Field{ID: 1, Type: codec.I8} && d.I8() == 5 && d.Field().Type == codec.Stop
		}},
		{"bool field in the long form", codec.Compact, "02 28 00", func(d *codec.Decoder) bool {
			return d.Field() == codec.Field{ID: 20, Type: codec.Bool} && !d.Bool() && d.Field().Type == codec.Stop
		}},
		{"empty list of nothing", codec.Binary, "00 00000000", func(d *codec.Decoder) bool { return d.List(codec.I8) == 0 }},
		{"empty list of nothing", codec.Compact, "00", func(d *codec.Decoder) bool { return d.List(codec.I8) == 0 }},
		{"empty map of other types", codec.Binary, "08 08 00000000", func(d *codec.Decoder) bool {
			return d.Map(codec.String, codec.Bool) == 0
		}},
		{"map of bools announced as false", codec.Compact, "01 22 01 02", func(d *codec.Decoder) bool {
			return d.Map(codec.Bool, codec.Bool) == 1 && d.Bool() && !d.Bool()
		}},
	}
	for _, test := range tests {
		b, err := hex.DecodeString(strings.ReplaceAll(test.input, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		d := codec.NewDecoder(test.enc, b)
		if !test.read(d) || d.Err() != nil || d.Remaining() != 0 {
			t.Errorf("%s, %s: wrong value, or error %v, %d bytes remain", test.name, test.enc, d.Err(), d.Remaining())
		}
	}
}

// TestMalformed has short inputs that are refused, by reading and, where skipped is set, also by skipping.
func TestMalformed(t *testing.T) {
	field := func(d *codec.Decoder) { d.Field() }
	tests := []struct {
		name    string
		enc     codec.Encoding
		input   string
		read    func(d *codec.Decoder)
		skipped codec.Type
		want    string
	}{
		{"field of type void", codec.Binary, "01 0001 00", field, codec.Struct, "codec: malformed at offset 0: field of unknown type 1"},
		{"field of type 17", codec.Binary, "11 0001 00", field, codec.Struct, "codec: malformed at offset 0: field of unknown type 17"},
		{"field of type 255", codec.Binary, "ff 0001 00", field, codec.Struct, "codec: malformed at offset 0: field of unknown type 255"},
		{"half a field header", codec.Binary, "08 00", field, 0, "codec: truncated at offset 0: field header needs 3 bytes, 2 remain"},
		{"field of compact type 14", codec.Compact, "1e 00", field, codec.Struct,
			"codec: malformed at offset 0: field header 0x1e has no type of the compact encoding"},
		{"stop with a delta", codec.Compact, "10 00", field, codec.Struct,
			"codec: malformed at offset 0: field header 0x10 has no type of the compact encoding"},
		{"field id of 17 bits", codec.Compact, "03 808004 00", field, 0, "codec: malformed at offset 0: field id exceeds 16 bits"},
		{"delta beyond 16 bits", codec.Compact, "03 feff03 00 13 00", func(d *codec.Decoder) {
			d.Field()
			d.I8()
			d.Field()
		}, 0, "codec: malformed at offset 5: field id 32767 and a delta of 1 exceed 16 bits"},
		{"bool of 2", codec.Binary, "02", func(d *codec.Decoder) { d.Bool() }, 0, "codec: malformed at offset 0: bool has the value 2"},
		{"bool of 3", codec.Compact, "03", func(d *codec.Decoder) { d.Bool() }, 0, "codec: malformed at offset 0: bool has the value 3"},
		{"list of nothing", codec.Binary, "00 00000001 00", func(d *codec.Decoder) { d.List(codec.I8) }, codec.List,
			"codec: wrong type at offset 0: list of stop, want list of i8"},
		{"set of other elements", codec.Compact, "14 00", func(d *codec.Decoder) { d.Set(codec.I8) }, 0,
			"codec: wrong type at offset 0: set of i16, want set of i8"},
		{"half a double", codec.Compact, "00000000", func(d *codec.Decoder) { d.Double() }, codec.Double,
			"codec: truncated at offset 0: double needs 8 bytes, 4 remain"},
		{"half a uuid", codec.Binary, "00000000", func(d *codec.Decoder) { d.UUID() }, codec.UUID,
			"codec: truncated at offset 0: uuid needs 16 bytes, 4 remain"},
		{"encoding of the future", codec.Encoding(1), "00", func(d *codec.Decoder) { d.I8() }, 0,
			"codec: unsupported at offset 0: encoding(1)"},
	}
	for _, test := range tests {
		b, err := hex.DecodeString(strings.ReplaceAll(test.input, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		d := codec.NewDecoder(test.enc, b)
		if test.read(d); d.Err() == nil || d.Err().Error() != test.want {
			t.Errorf("%s, %s: error %v, want %s", test.name, test.enc, d.Err(), test.want)
		}
		if test.skipped == 0 {
			continue
		}
		d.Reset(test.enc, b)
		if d.Skip(test.skipped); d.Err() == nil {
			t.Errorf("%s, %s: skipped", test.name, test.enc)
		}
	}
}
