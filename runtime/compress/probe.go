package compress

import "encoding/binary"

const (
	probeSize    = 2 << 10 // bytes of a sample
	probeSamples = 4
)

// Promising reports whether AppendSnappy is likely to take at least an eighth off src. It looks at up to four samples of
// 2 KiB, evenly spread, and stops at the first that would shrink by as much: some 2 us for what does not shrink at all, a
// fifth of what compressing 64 KiB of it in vain costs. Where only repetitions further apart than a sample would save
// anything it is mistaken. What is not longer than the samples together is not worth the question, and promising.
func Promising(src []byte) bool {
	if len(src) <= probeSamples*probeSize {
		return true
	}
	step := (len(src) - probeSize) / (probeSamples - 1)
	for i := range probeSamples {
		if shrinks(src[i*step:][:probeSize]) {
			return true
		}
	}
	return false
}

// shrinks looks for repetitions as Snappy's encoder does, ever faster where there are none, and only counts what they
// would save. The encoder itself has a table of 32 KiB on its stack: every goroutine with a large call would grow its
// stack for that, again after each collection that has shrunk it.
func shrinks(sample []byte) bool {
	const bits = 9
	var seen [1 << bits]uint16 // where four bytes with this hash were seen last
	saved, pace := 0, 32
	for at := 1; at+4 <= len(sample); {
		four := binary.LittleEndian.Uint32(sample[at:])
		slot := &seen[four*0x9e3779b1>>(32-bits)]
		before := int(*slot)
		*slot = uint16(at)
		if binary.LittleEndian.Uint32(sample[before:]) != four {
			at += pace >> 5
			pace += pace >> 5
			continue
		}
		n := 4
		for at+n < len(sample) && sample[before+n] == sample[at+n] {
			n++
		}
		saved += n - 3 // what a copy is told in
		if Pays(len(sample)-saved, len(sample)) {
			return true
		}
		at, pace = at+n, 32
	}
	return false
}

// Pays reports whether packed bytes instead of size are worth the receiver's work: an eighth less, the rule by which
// Snappy's framing format leaves chunks uncompressed in golang/snappy, too.
func Pays(packed, size int) bool { return packed <= size-size/8 }
