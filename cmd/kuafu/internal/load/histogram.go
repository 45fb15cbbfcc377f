package load

import (
	"math/bits"
	"time"
)

// Each power of two is cut into this many buckets, so a value is known to better than 1 %.
const (
	subBits    = 7
	subBuckets = 1 << subBits
	buckets    = (63 - subBits + 1) * subBuckets
)

// Histogram counts durations in buckets whose width grows with the duration. The zero value is empty. It is not safe
// for concurrent use.
type Histogram struct {
	counts [buckets]int64
	n      int64
	sum    float64 // nanoseconds
	min    time.Duration
	max    time.Duration
}

// bucket returns the index of a duration's bucket. The first two powers' worth are exact.
func bucket(d time.Duration) int {
	v := uint64(d)
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift*subBuckets + int(v>>shift)
}

// upper returns the largest duration of a bucket.
func upper(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	first := uint64(i-shift*subBuckets) << shift
	return time.Duration(first + 1<<shift - 1)
}

// Record counts one duration; negative ones count as zero.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)]++
	if h.n == 0 || d < h.min {
		h.min = d
	}
	h.n++
	h.sum += float64(d)
	h.max = max(h.max, d)
}

// Add counts everything that other has counted.
func (h *Histogram) Add(other *Histogram) {
	if other.n == 0 {
		return
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	if h.n == 0 || other.min < h.min {
		h.min = other.min
	}
	h.n += other.n
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() int64 { return h.n }

// Min and Max return the shortest and the longest duration, exactly; 0 if there is none.
func (h *Histogram) Min() time.Duration { return h.min }
func (h *Histogram) Max() time.Duration { return h.max }

// Mean returns the average, 0 if there is none.
func (h *Histogram) Mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.n))
}

// Quantile returns a duration that a share q of the recorded ones, 0 to 1, do not exceed, rounded up by less than 1 %; 0 if
// there is none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int64(q*float64(h.n) + 0.5)
	rank = min(max(rank, 1), h.n)
	var seen int64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return max(min(upper(i), h.max), h.min)
		}
	}
	return 0
}
