package codec

import "encoding/binary"

// Splice is a string that an Encoder has left out of its buffer, because a vector of a write can point to it: strings never
// change, so whoever holds one may send it later. Binary is always copied, as its owner may go on changing it.
type Splice struct {
	At   int // an index of the buffer: the string comes before the byte that is there, and after the splices before it
	Text string
}

// Splices is strings left out of a buffer, in order.
type Splices []Splice

// Size returns the bytes of all of them.
func (s Splices) Size() (n int) {
	for i := range s {
		n += len(s[i].Text)
	}
	return n
}

// AppendTo appends b to dst, which may be no part of b, with every string in its place.
func (s Splices) AppendTo(dst, b []byte) []byte {
	from := 0
	for i := range s {
		dst = append(append(dst, b[from:s[i].At]...), s[i].Text...)
		from = s[i].At
	}
	return append(dst, b[from:]...)
}

// SpliceFrom has the Encoder leave strings of least bytes and more out of the buffer, in the message that Reset has just
// begun, and append them to list. The Encoder owns list until the last call of Splices.
func (e *Encoder) SpliceFrom(least int, list Splices) {
	e.long, e.splices, e.splicing = min(least, e.long), list, true
}

// Splices returns what was given to SpliceFrom, and behind it the strings that were left out since.
func (e *Encoder) Splices() Splices { return e.splices }

// longString writes a string that is compact, too long, or left out.
func (e *Encoder) longString(v string) {
	switch {
	case e.mode == modeBinary && len(v) <= MaxStringLen:
		e.buf = binary.BigEndian.AppendUint32(e.buf, uint32(len(v)))
	case !e.compactLength(len(v)):
		return
	}
	if e.splicing && len(v) >= e.long {
		e.splices = append(e.splices, Splice{At: len(e.buf), Text: v})
		e.left += len(v)
		return
	}
	e.buf = append(e.buf, v...)
}
