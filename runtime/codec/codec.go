// Package codec turns generated structs into Thrift's binary or compact encoding and back.
package codec

import "strconv"

// Type is a wire type, numbered as in Thrift's binary encoding.
type Type uint8

const (
	Stop   Type = 0
	Bool   Type = 2
	I8     Type = 3
	Double Type = 4
	I16    Type = 6
	I32    Type = 8
	I64    Type = 10
	String Type = 11 // string and binary
	Struct Type = 12
	Map    Type = 13
	Set    Type = 14
	List   Type = 15
	UUID   Type = 16
)

var typeNames = [...]string{
	Stop: "stop", Bool: "bool", I8: "i8", Double: "double", I16: "i16", I32: "i32", I64: "i64", String: "string",
	Struct: "struct", Map: "map", Set: "set", List: "list", UUID: "uuid",
}

// String returns the name the type has in the IDL ("stop" for Stop), "type(n)" for a number that has none.
func (t Type) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return "type(" + strconv.Itoa(int(t)) + ")"
}

// valueTypes has a bit for each type that a value can have.
const valueTypes = 1<<Bool | 1<<I8 | 1<<Double | 1<<I16 | 1<<I32 | 1<<I64 | 1<<String | 1<<Struct | 1<<Map | 1<<Set |
	1<<List | 1<<UUID

// valid reports whether a value can have type t. Stop is no value's type.
func (t Type) valid() bool { return t <= UUID && valueTypes>>t&1 != 0 }

// Encoding names an encoding by the number it has in THeader and in the native call header.
type Encoding uint8

const (
	Binary  Encoding = 0
	Compact Encoding = 2
)

// Valid reports whether enc is Binary or Compact.
func (enc Encoding) Valid() bool { return enc == Binary || enc == Compact }

// String returns "binary", "compact" or "encoding(n)".
func (enc Encoding) String() string {
	switch enc {
	case Binary:
		return "binary"
	case Compact:
		return "compact"
	}
	return "encoding(" + strconv.Itoa(int(enc)) + ")"
}

// Encodable is what an Encoder writes: a struct, with its Stop. Errors stay in the Encoder. A struct that can contain
// itself returns early when the Encoder has an error after BeginStruct; without that, a value that is its own
// descendant would be walked for ever.
type Encodable interface {
	EncodeThrift(e *Encoder)
}

// Decodable is what a Decoder fills. Errors stay in the Decoder; after one, the struct's content means nothing. A
// generated struct replaces all that it held before; fields that do not arrive get their defaults. A missing required field is reported only while there is
// no other error: the remaining elements of a list that went wrong must not each make a new one.
type Decodable interface {
	DecodeThrift(d *Decoder)
}
