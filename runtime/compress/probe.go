package compress

import (
	"sync"

	"github.com/golang/snappy"
)

const (
	probeSize    = 2 << 10 // bytes of a sample
	probeSamples = 4
)

var probes = sync.Pool{New: func() any {
	b := make([]byte, snappy.MaxEncodedLen(probeSize))
	return &b
}}

// Promising reports whether AppendSnappy is likely to take at least an eighth off src. It compresses up to four samples of
// 2 KiB, evenly spread, and stops at the first that shrinks by as much: some 2 us for what does not shrink at all, a
// fifth of what compressing 64 KiB of it in vain costs. Where only repetitions further apart than a sample would save
// anything it is mistaken. What is not longer than the samples together is not worth the question, and promising.
func Promising(src []byte) bool {
	if len(src) <= probeSamples*probeSize {
		return true
	}
	room := probes.Get().(*[]byte)
	defer probes.Put(room)
	step := (len(src) - probeSize) / (probeSamples - 1)
	for i := range probeSamples {
		sample := src[i*step:][:probeSize]
		if Pays(len(snappy.Encode(*room, sample)), len(sample)) {
			return true
		}
	}
	return false
}

// Pays reports whether packed bytes instead of size are worth the receiver's work: an eighth less, the rule by which
// Snappy's framing format leaves chunks uncompressed in golang/snappy, too.
func Pays(packed, size int) bool { return packed <= size-size/8 }
