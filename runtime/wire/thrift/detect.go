package thrift

import (
	"encoding/binary"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Kind is what a connection's first bytes show its peer to speak.
type Kind uint8

const (
	Undecided Kind = iota // more bytes are needed
	Native                // Kuafu's own protocol
	Thrift                // Apache Thrift, in a dialect that this package speaks
	HTTP                  // HTTP/1: a browser, a health check
	HTTP2                 // HTTP/2 with prior knowledge: gRPC
	TLS                   // a TLS hello on a plain port
	Hadoop                // Hadoop IPC
	DRPC                  // storj.io/drpc
	Kitex                 // Kitex's TTHeader, or its framed protobuf
	Unknown               // nothing known
)

var kindNames = [...]string{"undecided", "native", "thrift", "HTTP", "HTTP/2", "TLS", "Hadoop IPC", "DRPC", "Kitex", "unknown"}

// String returns the protocol's name.
func (k Kind) String() string { return kindNames[k] }

// Detected is a decision of Detect.
type Detected struct {
	Kind    Kind
	Dialect Dialect // where Kind is Thrift: framing, encoding and strictness are set, limits are left at their defaults
}

// MaxDetect is the most bytes that Detect needs to see.
const MaxDetect = 64

// maxFrameWord is the largest frame length that Thrift allows by its specification. It is lower than every protocol's
// opening text, so such a text is not taken for a length.
const maxFrameWord = 0x3fffffff

// The smallest frames that hold a message with an empty name and an empty struct.
const (
	minFramedCompact   = 5
	minFramedStrict    = 13
	minFramedNonStrict = 10
	minFramedHeader    = headerFixed + 4 + minFramedCompact
)

// Detect decides from the first bytes of a connection. While prefix is too short to decide, Kind is Undecided and need
// is the length it has to have for the next step, at most MaxDetect; otherwise need is 0. The decision depends on the
// bytes only, not on how they were cut: whatever Detect decides for a prefix, it decides for every longer one.
//
// err is not nil if and only if Kind is Unknown, and says what is wrong. A frame length is checked here against Thrift's
// absolute limit; the Splitter checks it against the Dialect's.
func Detect(prefix []byte) (d Detected, need int, err error) {
	if len(prefix) < 4 {
		return Detected{}, 4, nil
	}
	w0 := binary.BigEndian.Uint32(prefix)
	if k := opening(prefix[:4]); k != Unknown {
		return Detected{Kind: k}, 0, nil
	}
	switch {
	case w0>>16 == strictVersion:
		return detected(Dialect{Encoding: codec.Binary, Strict: true}), 0, nil
	case isCompact(prefix):
		return detected(Dialect{Encoding: codec.Compact}), 0, nil
	case w0 > maxFrameWord:
		return unknown(prefix, "as a length, %d is over every limit", w0)
	case w0 == 0:
		return unknown(prefix, "a length of 0")
	}

	// A length, then: of a frame, or of the name in an unframed message without version.
	if len(prefix) < 8 {
		return Detected{}, 8, nil
	}
	w1, frame := binary.BigEndian.Uint32(prefix[4:]), int(w0)
	switch {
	case w1>>16 == headerMagic && frame >= minFramedHeader:
		return detected(Dialect{Framed: true, Header: true, Encoding: codec.Binary, Strict: true}), 0, nil
	case w1>>16 == 0x1000, w1>>16 == 0x9001:
		return Detected{Kind: Kitex}, 0, nil
	case w1>>16 == strictVersion && frame >= minFramedStrict:
		return detected(Dialect{Framed: true, Encoding: codec.Binary, Strict: true}), 0, nil
	case isCompact(prefix[4:]) && frame >= minFramedCompact:
		return detected(Dialect{Framed: true, Encoding: codec.Compact}), 0, nil
	}
	return detectNonStrict(prefix, w0, w1)
}

// detectNonStrict tells the binary messages without a version word from garbage. The fifth byte tells framed ones, where
// it is the highest byte of a name's length and so 0, from unframed ones, where it is the first of a name.
func detectNonStrict(prefix []byte, w0, w1 uint32) (Detected, int, error) {
	framed := w1>>24 == 0
	start, size := 4, w0
	if framed {
		start, size = 8, w1
	}
	switch {
	case size == 0 || size > MaxName:
		return unknown(prefix, "a method's name of %d bytes", size)
	case framed && w0 < size+minFramedNonStrict:
		return unknown(prefix, "a frame of %d bytes cannot hold a method's name of %d", w0, size)
	}
	end := start + int(size) // where the message type is
	for i := start; i < min(end, len(prefix), MaxDetect); i++ {
		if !nameByte(prefix[i]) {
			return unknown(prefix, "byte %#02x in a method's name", prefix[i])
		}
	}
	if end < MaxDetect {
		if len(prefix) <= end {
			return Detected{}, end + 1, nil
		}
		if t := messageType(prefix[end]); t != typeCall && t != typeOneway {
			return unknown(prefix, "message type %d", t)
		}
	} else if len(prefix) < MaxDetect {
		return Detected{}, MaxDetect, nil
	}
	return detected(Dialect{Framed: framed, Encoding: codec.Binary}), 0, nil
}

// opening finds the protocols whose first four bytes are theirs alone.
func opening(b []byte) Kind {
	switch string(b) {
	case "KUAF":
		return Native
	case "GET ", "POST", "HEAD", "PUT ", "DELE", "OPTI", "PATC", "TRAC", "CONN":
		return HTTP
	case "PRI ":
		return HTTP2
	case "hrpc":
		return Hadoop
	case "DRPC":
		return DRPC
	}
	if (b[0] == tlsHandshake || b[0] == tlsAlert) && b[1] == 3 {
		return TLS // read as a length, these records would be frames of 352 MB and more
	}
	return Unknown
}

func isCompact(b []byte) bool { return b[0] == compactID && b[1]&0x1f == compactVersion }

// nameByte reports whether b may stand in a method's name: any visible ASCII character, to be generous.
func nameByte(b byte) bool { return b > ' ' && b < 0x7f }

func detected(d Dialect) Detected { return Detected{Kind: Thrift, Dialect: d} }

// unknown names at most eight bytes, enough to recognize a protocol by.
func unknown(prefix []byte, why string, args ...any) (Detected, int, error) {
	const shown = 8
	err := fmt.Errorf("thrift: no known protocol opens with % x: %s", prefix[:min(len(prefix), shown)], fmt.Sprintf(why, args...))
	return Detected{Kind: Unknown}, 0, err
}
