package codec

// Types as the compact encoding numbers them. A bool field has its value in its type; an element of type bool may be
// announced as either.
const (
	compactTrue   = 1
	compactFalse  = 2
	compactI8     = 3
	compactI16    = 4
	compactI32    = 5
	compactI64    = 6
	compactDouble = 7
	compactString = 8
	compactList   = 9
	compactSet    = 10
	compactMap    = 11
	compactStruct = 12
	compactUUID   = 13
)

// toCompact translates a type that is valid; 0 stands for one that is not. As an element type, bool is written as
// compactTrue, as most of Thrift's libraries do.
var toCompact = [256]uint8{
	Bool: compactTrue, I8: compactI8, I16: compactI16, I32: compactI32, I64: compactI64, Double: compactDouble,
	String: compactString, List: compactList, Set: compactSet, Map: compactMap, Struct: compactStruct, UUID: compactUUID,
}

// fromCompact translates back; Stop stands for a number that is no type.
var fromCompact = [16]Type{
	compactTrue: Bool, compactFalse: Bool, compactI8: I8, compactI16: I16, compactI32: I32, compactI64: I64,
	compactDouble: Double, compactString: String, compactList: List, compactSet: Set, compactMap: Map,
	compactStruct: Struct, compactUUID: UUID,
}

const (
	maxVarint32 = 5  // bytes
	maxVarint64 = 10 // bytes
)

// parseUvarint32 reads a varint of at most 5 bytes and 32 bits. n is its length: 0 if b ends first, -1 if it is too
// long or too large.
func parseUvarint32(b []byte) (v uint32, n int) {
	for i, c := range b {
		if c < 0x80 {
			if i == maxVarint32-1 && c > 0x0f {
				return 0, -1
			}
			return v | uint32(c)<<(7*i), i + 1
		}
		if i == maxVarint32-1 {
			return 0, -1
		}
		v |= uint32(c&0x7f) << (7 * i)
	}
	return 0, 0
}

// parseUvarint64 is parseUvarint32 for 10 bytes and 64 bits.
func parseUvarint64(b []byte) (v uint64, n int) {
	for i, c := range b {
		if c < 0x80 {
			if i == maxVarint64-1 && c > 1 {
				return 0, -1
			}
			return v | uint64(c)<<(7*i), i + 1
		}
		if i == maxVarint64-1 {
			return 0, -1
		}
		v |= uint64(c&0x7f) << (7 * i)
	}
	return 0, 0
}

// zigzag maps signed to unsigned so that small absolute values stay small: 0, -1, 1, -2 to 0, 1, 2, 3.
func zigzag32(v int32) uint32   { return uint32(v<<1) ^ uint32(v>>31) }
func zigzag64(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag32(u uint32) int32 { return int32(u>>1) ^ -int32(u&1) }
func unzigzag64(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
