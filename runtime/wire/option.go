package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// Tag names an option of a header. Odd ones must be understood: a call that carries an unknown one is refused.
// Even ones may be ignored.
type Tag uint8

const (
	TagClientID Tag = 1 // 16 bytes; overrides the preamble's
	TagTimeout  Tag = 2 // uvarint microseconds from when the header was sent, at least 1
	TagRetry    Tag = 3 // uvarint, 0 < n < 2^32: which repetition of the call this is
	TagMetadata Tag = 4 // pairs, see rpc.Metadata
	TagStream   Tag = 5 // uvarint, 0 or MinWindow to flow.MaxOffset: the call is a stream, and so far the server may send
	TagTrace    Tag = 6 // TraceSize bytes: trace id 16, span id 8, flags 1
	TagNumber   Tag = 7 // uvarint > 0: the client's number for the call, the same in every attempt

	// In Error frames.
	TagAdvice Tag = 8  // uvarint > 0: see rpc.Advice
	TagStages Tag = 10 // two uvarints, microseconds: in the server's queue, in the handler
)

// options goes through the options at the end of a header.
type options struct {
	rest []byte
	seen [4]uint64 // a bit for each tag
}

// optionErr is what is wrong with a header's options; empty if nothing is.
type optionErr string

// next returns the next option. At the end its tag is 0, which is not a tag.
func (o *options) next() (tag Tag, value []byte, bad optionErr) {
	if len(o.rest) == 0 {
		return 0, nil, ""
	}
	tag = Tag(o.rest[0])
	if tag == 0 {
		return 0, nil, "option 0"
	}
	if o.seen[tag/64]&(1<<(tag%64)) != 0 {
		return 0, nil, "an option given twice"
	}
	o.seen[tag/64] |= 1 << (tag % 64)
	value, o.rest, bad = takeValue(o.rest[1:])
	return tag, value, bad
}

func takeValue(b []byte) (value, rest []byte, bad optionErr) {
	value, rest, ok := takeText(b, MaxHeader)
	if !ok {
		return nil, nil, "a truncated option"
	}
	return value, rest, ""
}

// mustUnderstand reports whether an unknown option makes the header unusable.
func (t Tag) mustUnderstand() bool { return t&1 != 0 }

func appendOption(dst []byte, tag Tag, value []byte) []byte {
	dst = append(dst, byte(tag))
	return appendText(dst, value)
}

func appendUvarintOption(dst []byte, tag Tag, v uint64) []byte {
	dst = append(dst, byte(tag), byte(uvarintLen(v)))
	return binary.AppendUvarint(dst, v)
}

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// takeUvarint reads a uvarint off the front of b. One that is truncated, over 64 bits, or longer than it needs to be is
// not ok.
func takeUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || (n > 1 && b[n-1] == 0) {
		return 0, nil, false
	}
	return v, b[n:], true
}

// wholeUvarint reads a uvarint that b must consist of.
func wholeUvarint(b []byte) (v uint64, ok bool) {
	v, rest, ok := takeUvarint(b)
	return v, ok && len(rest) == 0
}

// appendText appends a uvarint length and the bytes.
func appendText[T string | []byte](dst []byte, text T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}

// takeText reads what appendText appends off the front of b; more than limit bytes are not ok.
func takeText(b []byte, limit int) (text, rest []byte, ok bool) {
	n, b, ok := takeUvarint(b)
	if !ok || n > uint64(limit) || n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// cutText returns s, or as much of it as fits into MaxMessageText without breaking a rune.
func cutText(s string) string {
	if len(s) <= MaxMessageText {
		return s
	}
	end := MaxMessageText
	for end > MaxMessageText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
