package interop

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

var (
	ctx       = context.Background()
	config    = &thrift.TConfiguration{}
	encodings = []codec.Encoding{codec.Binary, codec.Compact}
)

// protocol returns Apache Thrift's implementation of enc on b.
func protocol(enc codec.Encoding, b *thrift.TMemoryBuffer) thrift.TProtocol {
	if enc == codec.Compact {
		return thrift.NewTCompactProtocolConf(b, config)
	}
	return thrift.NewTBinaryProtocolConf(b, config)
}

func memory(b []byte) *thrift.TMemoryBuffer {
	m := thrift.NewTMemoryBuffer()
	m.Write(b)
	return m
}

var (
	scalarTypes = []codec.Type{codec.Bool, codec.I8, codec.I16, codec.I32, codec.I64, codec.Double, codec.String, codec.UUID}
	allTypes    = append([]codec.Type{codec.Struct, codec.List, codec.Set, codec.Map}, scalarTypes...)
)

// writeBoth writes one random value of type t, nested at most depth times, with both implementations.
func writeBoth(t testing.TB, r *rand.Rand, p thrift.TProtocol, e *codec.Encoder, typ codec.Type, depth int) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pick := func() codec.Type {
		if depth <= 1 {
			return scalarTypes[r.IntN(len(scalarTypes))]
		}
		return allTypes[r.IntN(len(allTypes))]
	}
	n := r.IntN(1 << r.IntN(5))
	integer := int64(r.Uint64()) >> r.IntN(64)
	switch typ {
	case codec.Bool:
		must(p.WriteBool(ctx, integer&1 == 0))
		e.Bool(integer&1 == 0)
	case codec.I8:
		must(p.WriteByte(ctx, int8(integer)))
		e.I8(int8(integer))
	case codec.I16:
		must(p.WriteI16(ctx, int16(integer)))
		e.I16(int16(integer))
	case codec.I32:
		must(p.WriteI32(ctx, int32(integer)))
		e.I32(int32(integer))
	case codec.I64:
		must(p.WriteI64(ctx, integer))
		e.I64(integer)
	case codec.Double:
		v := math.Float64frombits(r.Uint64())
		must(p.WriteDouble(ctx, v))
		e.Double(v)
	case codec.String:
		v := strings.Repeat("\x00é漢", n)
		if n%2 == 0 {
			must(p.WriteString(ctx, v))
			e.String(v)
		} else {
			must(p.WriteBinary(ctx, []byte(v)))
			e.Binary([]byte(v))
		}
	case codec.UUID:
		v := [16]byte{0: byte(integer), 7: byte(integer >> 8), 15: byte(integer >> 16)}
		must(p.WriteUUID(ctx, thrift.Tuuid(v)))
		e.UUID(v)
	case codec.List, codec.Set:
		elem := pick()
		if typ == codec.List {
			must(p.WriteListBegin(ctx, thrift.TType(elem), n))
			e.List(elem, n)
		} else {
			must(p.WriteSetBegin(ctx, thrift.TType(elem), n))
			e.Set(elem, n)
		}
		for range n {
			writeBoth(t, r, p, e, elem, depth-1)
		}
	case codec.Map:
		key, value := pick(), pick()
		must(p.WriteMapBegin(ctx, thrift.TType(key), thrift.TType(value), n))
		e.Map(key, value, n)
		for range n {
			writeBoth(t, r, p, e, key, depth-1)
			writeBoth(t, r, p, e, value, depth-1)
		}
	case codec.Struct:
		must(p.WriteStructBegin(ctx, "S"))
		outer := e.BeginStruct()
		id := int16(integer)
		for range min(n, 8) {
			f := pick()
			must(p.WriteFieldBegin(ctx, "f", thrift.TType(f), id))
			if f == codec.Bool {
				must(p.WriteBool(ctx, n%2 == 0))
				e.BoolField(id, n%2 == 0)
			} else {
				e.Field(id, f)
				writeBoth(t, r, p, e, f, depth-1)
			}
			must(p.WriteFieldEnd(ctx))
			if id += int16(r.IntN(20)); r.IntN(8) == 0 {
				id = int16(r.Uint32())
			}
		}
		must(p.WriteFieldStop(ctx))
		must(p.WriteStructEnd(ctx))
		e.EndStruct(outer)
	}
}

// reader reads with both implementations in step, until one of them refuses or they differ.
type reader struct {
	t      testing.TB
	p      thrift.TProtocol
	d      *codec.Decoder
	theirs error // why theirs refused
	depth  int

	lenient bool // ours does not look at the element type of an empty list of the compact encoding
}

// ok reports whether both have accepted, given the error of theirs.
func (r *reader) ok(err error) bool {
	if r.theirs == nil {
		r.theirs = err
	}
	return r.theirs == nil && r.d.Err() == nil
}

func (r *reader) equal(what string, theirs, ours any, err error) bool {
	if !r.ok(err) {
		return false
	}
	if theirs != ours {
		r.t.Errorf("%s: theirs is %v, ours %v", what, theirs, ours)
		return false
	}
	return true
}

// read reads a value of type t and reports whether to go on.
func (r *reader) read(t codec.Type) bool {
	switch t {
	case codec.Bool:
		v, err := r.p.ReadBool(ctx)
		return r.equal("bool", v, r.d.Bool(), err)
	case codec.I8:
		v, err := r.p.ReadByte(ctx)
		return r.equal("i8", v, r.d.I8(), err)
	case codec.I16:
		v, err := r.p.ReadI16(ctx)
		return r.equal("i16", v, r.d.I16(), err)
	case codec.I32:
		v, err := r.p.ReadI32(ctx)
		return r.equal("i32", v, r.d.I32(), err)
	case codec.I64:
		v, err := r.p.ReadI64(ctx)
		return r.equal("i64", v, r.d.I64(), err)
	case codec.Double:
		v, err := r.p.ReadDouble(ctx)
		return r.equal("double", math.Float64bits(v), math.Float64bits(r.d.Double()), err)
	case codec.String:
		v, err := r.p.ReadString(ctx)
		return r.equal("string", v, r.d.String(), err)
	case codec.UUID:
		v, err := r.p.ReadUUID(ctx)
		return r.equal("uuid", [16]byte(v), r.d.UUID(), err)
	case codec.List:
		elem, n, err := r.p.ReadListBegin(ctx)
		if err != nil {
			return r.refused(t, err)
		}
		return r.equal("list", n, r.d.List(codec.Type(elem)), err) && r.elements(n, codec.Type(elem))
	case codec.Set:
		elem, n, err := r.p.ReadSetBegin(ctx)
		if err != nil {
			return r.refused(t, err)
		}
		return r.equal("set", n, r.d.Set(codec.Type(elem)), err) && r.elements(n, codec.Type(elem))
	case codec.Map:
		key, value, n, err := r.p.ReadMapBegin(ctx)
		if err != nil {
			return r.refused(t, err)
		}
		return r.equal("map", n, r.d.Map(codec.Type(key), codec.Type(value)), err) &&
			r.elements(n, codec.Type(key), codec.Type(value))
	case codec.Struct:
		return r.readStruct()
	}
	err := r.p.Skip(ctx, thrift.TType(t))
	r.d.Skip(t)
	return r.ok(err)
}

// refused lets ours judge a container whose header theirs has refused; its types are not known.
func (r *reader) refused(t codec.Type, err error) bool {
	before := r.d.Remaining()
	r.d.Skip(t)
	r.lenient = before-r.d.Remaining() == 1 && strings.Contains(err.Error(), "don't know what type")
	return r.ok(err)
}

func (r *reader) elements(n int, types ...codec.Type) bool {
	for range n {
		for _, t := range types {
			if !r.read(t) {
				return false
			}
		}
	}
	return true
}

func (r *reader) readStruct() bool {
	if r.depth++; r.depth > 2*codec.MaxDepth {
		return false
	}
	defer func() { r.depth-- }()
	_, err := r.p.ReadStructBegin(ctx)
	outer := r.d.BeginStruct()
	if !r.ok(err) {
		return false
	}
	for {
		_, typ, id, err := r.p.ReadFieldBegin(ctx)
		f := r.d.Field()
		if !r.equal("field", codec.Field{ID: id, Type: codec.Type(typ)}, f, err) {
			return false
		}
		if f.Type == codec.Stop {
			break
		}
		if !r.read(f.Type) || !r.ok(r.p.ReadFieldEnd(ctx)) {
			return false
		}
	}
	r.d.EndStruct(outer)
	return r.ok(r.p.ReadStructEnd(ctx))
}

// random writes the value that seed stands for and checks that both implementations write the same bytes.
func random(t testing.TB, enc codec.Encoding, seed uint64) (codec.Type, []byte) {
	r := rand.New(rand.NewPCG(seed, 5))
	typ := allTypes[r.IntN(len(allTypes))]
	m := thrift.NewTMemoryBuffer()
	e := codec.NewEncoder(enc, nil)
	writeBoth(t, r, protocol(enc, m), e, typ, 1+r.IntN(4))
	if e.Err() != nil || !bytes.Equal(m.Bytes(), e.Bytes()) {
		t.Fatalf("%s %s, seed %d: error %v, theirs\n%x, ours\n%x", enc, typ, seed, e.Err(), m.Bytes(), e.Bytes())
	}
	return typ, e.Bytes()
}

func TestCodecAgreesWithApache(t *testing.T) {
	for seed := range uint64(2000) {
		for _, enc := range encodings {
			typ, b := random(t, enc, seed)
			m := memory(b)
			r := reader{t: t, p: protocol(enc, m), d: codec.NewDecoder(enc, b)}
			if !r.read(typ) || m.Len() != 0 || r.d.Remaining() != 0 {
				t.Fatalf("%s %s %x: theirs %v, ours %v; %d and %d bytes remain", enc, typ, b, r.theirs, r.d.Err(), m.Len(),
					r.d.Remaining())
			}
			m = memory(b)
			err := thrift.SkipDefaultDepth(ctx, protocol(enc, m), thrift.TType(typ))
			d := codec.NewDecoder(enc, b)
			if d.Skip(typ); err != nil || d.Err() != nil || m.Len() != d.Remaining() {
				t.Fatalf("%s %s %x: skip: theirs %v, ours %v; %d and %d bytes remain", enc, typ, b, err, d.Err(), m.Len(),
					d.Remaining())
			}
		}
	}
}

// stricter are the errors for what we refuse on purpose and Apache Thrift's Go library reads as something.
var stricter = []string{
	"bool has the value",       // theirs: false
	"i16 has the value",        // theirs: its low 16 bits
	"field id exceeds 16 bits", // theirs: its low 16 bits
	"exceed 16 bits",           // a delta; theirs: wraps around
	"varint that is too long",  // theirs: the bits that fit
	"no type of the compact",   // 0x?0; theirs: the end of the struct
}

func TestCodecRefusesWhatApacheRefuses(t *testing.T) {
	refused, accepted := 0, 0
	for seed := range uint64(2000) {
		for _, enc := range encodings {
			typ, b := random(t, enc, seed)
			r := rand.New(rand.NewPCG(seed, 6))
			for range 10 {
				c := bytes.Clone(b)
				for range 1 + r.IntN(2) {
					c[r.IntN(len(c))] = byte(r.Uint32())
				}
				c = c[:len(c)-r.IntN(2)]
				m := memory(c)
				both := reader{t: t, p: protocol(enc, m), d: codec.NewDecoder(enc, c)}
				if both.read(typ) {
					accepted++
					if m.Len() != both.d.Remaining() {
						t.Errorf("%s %s %x: %d and %d bytes remain", enc, typ, c, m.Len(), both.d.Remaining())
					}
					continue
				}
				refused++
				ours := both.d.Err()
				switch {
				case both.theirs != nil && ours == nil && !both.lenient:
					t.Errorf("%s %s %x: only theirs refuses: %v", enc, typ, c, both.theirs)
				case both.theirs == nil && ours != nil:
					// Theirs may refuse later what ours refuses at its header.
					known := thrift.SkipDefaultDepth(ctx, protocol(enc, memory(c)), thrift.TType(typ)) != nil
					for _, s := range stricter {
						known = known || strings.Contains(ours.Error(), s)
					}
					if !known {
						t.Errorf("%s %s %x: only ours refuses: %v", enc, typ, c, ours)
					}
				}
			}
		}
	}
	if refused < 1000 || accepted < 1000 {
		t.Errorf("%d inputs were refused and %d accepted: the damage is not of the right kind", refused, accepted)
	}
}
