package codec_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// allocated returns how many bytes f allocates. Other goroutines may allocate at the same time, so it tries again, up to
// five times, until the result is within limit.
func allocated(limit int64, f func()) int64 {
	least := int64(math.MaxInt64)
	var before, after runtime.MemStats
	for range 5 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if least = min(least, int64(after.TotalAlloc-before.TotalAlloc)); least <= limit {
			break
		}
	}
	return least
}

// checkMemory decodes b as an Everything, in all three ways, and fails if that takes more memory than it may. It returns the
// error of the decoding.
func checkMemory(t *testing.T, enc codec.Encoding, b []byte) error {
	t.Helper()
	var d codec.Decoder
	limit := int64(codec.AllocFactor*len(b) + codec.AllocBase)
	for _, reset := range []func(codec.Encoding, []byte){d.Reset, d.ResetShared, d.ResetLent} {
		if got := allocated(limit, func() {
			reset(enc, b)
			new(Everything).DecodeThrift(&d)
		}); got > limit {
			t.Errorf("%s: decoding %d bytes (%.40x) allocates %d, the limit is %d", enc, len(b), b, got, limit)
		}
	}
	return d.Err()
}

func TestEverythingRoundTrip(t *testing.T) {
	for _, enc := range encodings {
		want := newEverything()
		b := encode(t, enc, want)
		var got Everything
		d := codec.NewDecoder(enc, b)
		got.DecodeThrift(d)
		if d.Err() != nil || d.Remaining() != 0 {
			t.Fatalf("%s: error %v, %d bytes remain", enc, d.Err(), d.Remaining())
		}
		if diff := cmp.Diff(want, &got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", enc, diff)
		}
		if err := checkMemory(t, enc, b); err != nil {
			t.Error(err)
		}
		for n := range b {
			d.Reset(enc, b[:n])
			if new(Everything).DecodeThrift(d); codec.KindOf(d.Err()) != codec.Truncated {
				t.Fatalf("%s: the first %d of %d bytes: error %v", enc, n, len(b), d.Err())
			}
		}
	}
}

// The fields of Everything that the inputs below attack.
const (
	childField, childrenField, valuesField, byNameField, matrixField, mapsField, bigField = 10, 11, 12, 13, 14, 15, 17
)

// field returns the header of a field of Everything, alone in its struct.
func field(enc codec.Encoding, id int16, t codec.Type) []byte {
	e := codec.NewEncoder(enc, nil)
	e.Field(id, t)
	return e.Bytes()
}

// count returns the header of a container that claims n elements, whatever the limits.
func count(enc codec.Encoding, n uint32, types ...codec.Type) []byte {
	if enc == codec.Binary {
		var b []byte
		for _, t := range types {
			b = append(b, byte(t))
		}
		return binary.BigEndian.AppendUint32(b, n)
	}
	if len(types) == 2 {
		return append(binary.AppendUvarint(nil, uint64(n)), compactNumber(types[0])<<4|compactNumber(types[1]))
	}
	return binary.AppendUvarint([]byte{0xf0 | compactNumber(types[0])}, uint64(n))
}

func TestHostileInput(t *testing.T) {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, enc := range encodings {
		listOf := func(id int16, n uint32, elem codec.Type) []byte {
			return join(field(enc, id, codec.List), count(enc, n, elem))
		}
		zeros := func(n int) []byte { return make([]byte, n) }
		stringOf := func(n uint32) []byte {
			if enc == codec.Compact {
				return join(field(enc, 7, codec.String), binary.AppendUvarint(nil, uint64(n)))
			}
			return join(field(enc, 7, codec.String), binary.BigEndian.AppendUint32(nil, n))
		}
		// An empty map or list of the compact encoding is too short for the memory that that many of them take.
		emptyMap, emptyList, allowed := 6, 5, codec.Kind(0)
		if enc == codec.Compact {
			emptyMap, emptyList, allowed = 1, 1, codec.LimitReached
		}
		tests := []struct {
			name  string
			input []byte
			want  codec.Kind
			text  string // part of the error's text
		}{
			{"empty", nil, codec.Truncated, "without its stop byte"},
			{"string of length -1", join(stringOf(math.MaxUint32), zeros(100)), codec.Malformed, "string of length -1"},
			{"string of length -2^31", join(stringOf(1<<31), zeros(100)), codec.Malformed, "string of length -2147483648"},
			{"string of 2 GiB", join(stringOf(math.MaxInt32), zeros(100)), codec.Truncated, "string of 2147483647 bytes, 100 remain"},
			{"list of -1", join(listOf(childrenField, math.MaxUint32, codec.Struct), zeros(100)), codec.Malformed, "list of -1"},
			{"list of 2^31-1", join(listOf(childrenField, math.MaxInt32, codec.Struct), zeros(100)), codec.LimitReached, "limit is 16777216"},
			{"list of 2^24+1", join(listOf(childrenField, 1<<24+1, codec.Struct), zeros(100)), codec.LimitReached, "limit is 16777216"},
			{"list of 2^24", join(listOf(childrenField, 1<<24, codec.Struct), zeros(100)), codec.Truncated, "needs 16777216 bytes, 100 remain"},
			{"list one short", join(listOf(childrenField, 101, codec.Struct), zeros(100)), codec.Truncated, "needs 101 bytes, 100 remain"},
			{"map of 2^24", join(field(enc, byNameField, codec.Map), count(enc, 1<<24, codec.String, codec.Struct), zeros(100)), codec.Truncated, "100 remain"},
			{"map of -2^31", join(field(enc, byNameField, codec.Map), count(enc, 1<<31, codec.String, codec.Struct), zeros(100)), codec.Malformed, "map of -2147483648"},
			{"other element", join(listOf(childrenField, 1, codec.I32), zeros(100)), codec.WrongType, "list of i32, want list of struct"},
			{"other value", join(field(enc, byNameField, codec.Map), count(enc, 1, codec.String, codec.I32), zeros(100)), codec.WrongType, "map of string to i32, want map of string to struct"},
			{"million empty structs by pointer", join(listOf(childrenField, 1<<20, codec.Struct), zeros(1<<20)), codec.LimitReached, "bytes of memory"},
			{"million empty structs by value", join(field(enc, valuesField, codec.Set), count(enc, 1<<20, codec.Struct), zeros(1<<20)), codec.LimitReached, "bytes of memory"},
			{"many structs, first one lacks a field", join(field(enc, valuesField, codec.Set), count(enc, 300, codec.Struct), zeros(1<<20)), codec.FieldMissing, "Pair.left"},
			{"many empty maps", join(listOf(mapsField, 1<<17, codec.Map), zeros(emptyMap<<17+1)), allowed, "bytes of memory"},
			{"many empty lists", join(listOf(matrixField, 1<<17, codec.List), zeros(emptyList<<17+1)), allowed, "bytes of memory"},
			{"map of large values", join(field(enc, bigField, codec.Map), count(enc, 1<<17, codec.I32, codec.Struct), zeros(5<<17)), codec.LimitReached, "bytes of memory"},
			{"unknown field of half a million", join(listOf(99, 1<<19, codec.Struct), zeros(1<<19+1)), 0, ""},
			{"depth of 65", join(bytes.Repeat(field(enc, childField, codec.Struct), 64), zeros(65)), codec.LimitReached, "more than 64 nested structs"},
			{"depth of a million", bytes.Repeat(field(enc, childField, codec.Struct), 1<<20), codec.LimitReached, "more than 64 nested structs"},
			{"depth of a million to skip", bytes.Repeat(field(enc, childField+80, codec.Struct), 1<<20), codec.LimitReached, "more than 64 nested structs"},
			{"lists in lists to skip", join(field(enc, 99, codec.List), bytes.Repeat(count(enc, 1, codec.List), 1<<20)), codec.LimitReached, "more than 64 nested containers"},
			{"maps in maps to skip", join(field(enc, 99, codec.Map), bytes.Repeat(count(enc, 1, codec.Map, codec.Map), 1<<20)), codec.LimitReached, "more than 64 nested containers"},
		}
		for _, test := range tests {
			t.Run(enc.String()+"/"+strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
				err := checkMemory(t, enc, test.input)
				if codec.KindOf(err) != test.want {
					t.Fatalf("error %v, want kind %v", err, test.want)
				}
				if err != nil && !strings.Contains(err.Error(), test.text) {
					t.Errorf("error %q, want it to say %q", err, test.text)
				}
			})
		}
	}
}

func TestCompactVarints(t *testing.T) {
	ones := bytes.Repeat([]byte{0xff}, 9)
	i32 := func(d *codec.Decoder) int64 { return int64(d.I32()) }
	tests := []struct {
		name  string
		input []byte
		read  func(d *codec.Decoder) int64
		typ   codec.Type
		want  int64
		kind  codec.Kind
	}{
		{"least i32", []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, i32, codec.I32, math.MinInt32, 0},
		{"greatest i32", []byte{0xfe, 0xff, 0xff, 0xff, 0x0f}, i32, codec.I32, math.MaxInt32, 0},
		{"33 bits", []byte{0xff, 0xff, 0xff, 0xff, 0x1f}, i32, codec.I32, 0, codec.Malformed},
		{"i32 of six bytes", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, i32, codec.I32, 0, codec.Malformed},
		{"longer than needed", []byte{0x82, 0x80, 0}, i32, codec.I32, 1, 0},
		{"cut off", []byte{0x80, 0x80}, i32, codec.I32, 0, codec.Truncated},
		{"least i64", append(ones, 0x01), (*codec.Decoder).I64, codec.I64, math.MinInt64, 0},
		{"65 bits", append(ones, 0x02), (*codec.Decoder).I64, codec.I64, 0, codec.Malformed},
		{"i64 of eleven bytes", append(ones, 0x80, 0x00), (*codec.Decoder).I64, codec.I64, 0, codec.Malformed},
		{"endless", bytes.Repeat([]byte{0xff}, 1000), (*codec.Decoder).I64, codec.I64, 0, codec.Malformed},
	}
	for _, test := range tests {
		d := codec.NewDecoder(codec.Compact, test.input)
		if got := test.read(d); got != test.want || codec.KindOf(d.Err()) != test.kind {
			t.Errorf("%s: %d and error %v, want %d and kind %v", test.name, got, d.Err(), test.want, test.kind)
		}
		if test.kind == 0 && d.Remaining() != 0 {
			t.Errorf("%s: %d bytes remain", test.name, d.Remaining())
		}
		d.Reset(codec.Compact, test.input)
		if d.Skip(test.typ); codec.KindOf(d.Err()) != test.kind {
			t.Errorf("%s: skip: error %v, want kind %v", test.name, d.Err(), test.kind)
		}
	}
	for _, v := range []int64{math.MaxInt16 + 1, math.MinInt16 - 1} {
		d := codec.NewDecoder(codec.Compact, binary.AppendVarint(nil, v))
		if d.I16(); codec.KindOf(d.Err()) != codec.Malformed {
			t.Errorf("i16 of %d: error %v", v, d.Err())
		}
	}
}
