package wire

// The limits that a side may choose, by default:
const (
	DefaultMaxFrame   = 16_384_000 // bytes after a frame header; what stock Thrift servers accept too
	DefaultMaxMessage = 64 << 20   // bytes of a decompressed body
	DefaultThreshold  = 4 << 10    // bytes from which on a body is worth compressing
	DefaultWindow     = 512 << 10  // cost of the Data that a connection has on its way to this side
)

// The limits that belong to the format. Both sides keep them, so neither has to tell the other.
const (
	MinMaxFrame      = 64 << 10 // every side accepts frames of this length
	MaxHeader        = 16 << 10 // bytes of a call, reply or error header, and of a GoAway's payload
	MaxMethod        = 256      // bytes of a method's full name
	MaxMetadata      = 8 << 10  // bytes of a call's metadata, encoded
	MaxMetadataPairs = 64
	MaxMessageText   = 4 << 10   // bytes of an error's message; a longer one is cut when it is sent
	MaxData          = 256 << 10 // bytes of a Data frame
	DataOverhead     = 64        // what a Data frame costs besides its bytes
	MinWindow        = 64 << 10  // the smallest window that may be announced, and what each stream to a server starts with
)

// SpliceSize is from which length on a string is left to a vector of the write instead of being copied into its frame: below
// that, the copy is cheaper than two more elements of the vector.
const SpliceSize = 16 << 10
