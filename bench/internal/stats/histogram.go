// Package stats measures: latency in a histogram, what a process uses, how busy the machine is.
package stats

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram has 2^subBits buckets for each power of two, so a value is known to within 0.8 %.
const subBits = 7

// Histogram counts durations in log-linear buckets, as HdrHistogram does. The zero value is empty. Its methods may be
// called concurrently.
type Histogram struct {
	buckets [(64 - subBits) << subBits]atomic.Uint64
}

// Record counts one duration; negative ones count as 0.
func (h *Histogram) Record(d time.Duration) { h.buckets[bucket(uint64(max(d, 0)))].Add(1) }

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i := range h.buckets {
		if n := other.buckets[i].Load(); n > 0 {
			h.buckets[i].Add(n)
		}
	}
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() (n uint64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// Quantile returns the shortest duration that at least the fraction q of all, 0 to 1, do not exceed; 0 if none were
// recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	wanted := max(1, uint64(math.Ceil(q*float64(h.Count()))))
	var n uint64
	for i := range h.buckets {
		if n += h.buckets[i].Load(); n >= wanted {
			return middle(i)
		}
	}
	return 0
}

// bucket returns the index of the bucket that counts v. Values below 2^subBits have one each.
func bucket(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	exponent := bits.Len64(v) - subBits - 1
	return (exponent+1)<<subBits + int(v>>exponent&(1<<subBits-1))
}

// middle returns the middle of a bucket's range.
func middle(bucket int) time.Duration {
	if bucket < 1<<subBits {
		return time.Duration(bucket)
	}
	exponent := bucket>>subBits - 1
	low := uint64(1<<subBits|bucket&(1<<subBits-1)) << exponent
	return time.Duration(low + uint64(1)<<exponent/2)
}
