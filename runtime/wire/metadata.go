package wire

import (
	"iter"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Metadata goes through encoded metadata, pair by pair; the slices alias it. It stops at the first pair that is broken,
// which metadata from a parsed header has none of.
func Metadata(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for len(b) > 0 {
			key, value, rest, ok := takePair(b)
			if !ok || !yield(key, value) {
				return
			}
			b = rest
		}
	}
}

// LookupMetadata returns the value of the first pair with this key. It aliases b.
func LookupMetadata(b []byte, key string) (value []byte, ok bool) {
	for k, v := range Metadata(b) {
		if string(k) == key {
			return v, true
		}
	}
	return nil, false
}

// checkMetadata returns what is wrong with encoded metadata; empty if nothing is.
func checkMetadata(b []byte) (code rpc.Code, bad string) {
	if len(b) > MaxMetadata {
		return rpc.ResourceExhausted, "too many bytes"
	}
	for pairs := 0; len(b) > 0; pairs++ {
		if pairs == MaxMetadataPairs {
			return rpc.ResourceExhausted, "too many pairs"
		}
		key, value, rest, ok := takePair(b)
		if !ok {
			return rpc.InvalidArgument, "truncated"
		}
		if bad := checkPair(key, value); bad != "" {
			return rpc.InvalidArgument, bad
		}
		b = rest
	}
	return 0, ""
}

func takePair(b []byte) (key, value, rest []byte, ok bool) {
	if key, b, ok = takeText(b, MaxMetadata); !ok {
		return nil, nil, nil, false
	}
	value, rest, ok = takeText(b, MaxMetadata)
	return key, value, rest, ok
}

func checkPair[T string | []byte](key, value T) (bad string) {
	if len(key) == 0 {
		return "an empty key"
	}
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return "a character in a key that is none of a-z 0-9 _ . -"
		}
	}
	for i := range len(value) {
		if c := value[i]; c == '\r' || c == '\n' || c == 0 {
			return "a line break or NUL in a value"
		}
	}
	return ""
}
