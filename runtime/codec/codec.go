// Package codec turns generated structs into Thrift's binary or compact encoding and back.
package codec

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

// Encoding names an encoding by the number it has in THeader and in the native call header.
type Encoding uint8

const (
	Binary  Encoding = 0
	Compact Encoding = 2
)

// String returns "binary", "compact" or "encoding(n)".
func (enc Encoding) String() string {
	switch enc {
	case Binary:
		return "binary"
	case Compact:
		return "compact"
	}
	return "encoding(?)"
}

// Encodable is what an Encoder writes: a struct, with its Stop. Errors stay in the Encoder.
type Encodable interface {
	EncodeThrift(e *Encoder)
}

// Decodable is what a Decoder fills. Errors stay in the Decoder.
type Decodable interface {
	DecodeThrift(d *Decoder)
}
