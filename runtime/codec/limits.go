package codec

// Limits on everything a message can ask for. They hold for reading, writing and skipping alike, so that whatever one
// side may send, the other side may receive.
const (
	// MaxDepth is how many structs may be open at once. While skipping, where the nesting of containers comes from the
	// message instead of from the program, it is also how many containers may be open at once.
	MaxDepth = 64

	// MaxElements is the largest number of elements in a list or set, and of entries in a map.
	MaxElements = 16 << 20

	// MaxStringLen is the largest length of a string or binary, in bytes: what Thrift's i32 length can say.
	MaxStringLen = 1<<31 - 1

	// AllocFactor and AllocBase bound what decoding a message of n bytes may allocate: AllocFactor*n + AllocBase bytes,
	// as the memory allocator counts them. Decoder.SetAllocFactor changes the factor, up to MaxAllocFactor.
	AllocFactor    = 16
	AllocBase      = 64 << 10
	MaxAllocFactor = 1024
)

// minSizes holds the size in bytes of the smallest value of each type, for the check of a container's count against the
// bytes that remain. Types that do not exist have 0.
var binaryMinSizes = [256]uint8{
	Bool: 1, I8: 1, Double: 8, I16: 2, I32: 4, I64: 8, String: 4, Struct: 1, Map: 6, Set: 5, List: 5, UUID: 16,
}

var compactMinSizes = [256]uint8{
	Bool: 1, I8: 1, Double: 8, I16: 1, I32: 1, I64: 1, String: 1, Struct: 1, Map: 1, Set: 1, List: 1, UUID: 16,
}

// fixedSizes holds the size in bytes of the types whose values all have the same.
var binaryFixedSizes = [256]uint8{Bool: 1, I8: 1, Double: 8, I16: 2, I32: 4, I64: 8, UUID: 16}

var compactFixedSizes = [256]uint8{Bool: 1, I8: 1, Double: 8, UUID: 16}
