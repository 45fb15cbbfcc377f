package client

import (
	"math/bits"
	"sync"
	"time"
)

// latency is how long the calls of one method took of late: a histogram whose buckets are an eighth of a power of two
// wide, and that fades, by halving, whenever it has grown to fadeAt calls. It may be used concurrently.
type latency struct {
	mu     sync.Mutex
	counts [latencyBuckets]uint32
	total  uint32
}

const (
	latencyBuckets = 8 * 40 // up to 2^42 microseconds
	fadeAt         = 4000
	fewCalls       = 20 // fewer say nothing
)

// bucket returns which bucket d falls into.
func bucket(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 8 {
		return int(us)
	}
	exp := bits.Len64(us) - 4
	return min(8*exp+int(us>>exp), latencyBuckets-1)
}

// bucketEnd returns the shortest time that is longer than those of a bucket.
func bucketEnd(i int) time.Duration {
	if i < 16 {
		return time.Duration(i+1) * time.Microsecond
	}
	exp := i/8 - 1
	return time.Duration(uint64(i%8+9)<<exp) * time.Microsecond
}

func (l *latency) observe(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[bucket(d)]++
	l.total++
	if l.total < fadeAt {
		return
	}
	l.total = 0
	for i := range l.counts {
		l.counts[i] /= 2
		l.total += l.counts[i]
	}
}

// quantile returns a time within which the share q of the calls was answered, an eighth too long at most; ok is false
// if too few have been seen.
func (l *latency) quantile(q float64) (d time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total < fewCalls {
		return 0, false
	}
	rest := float64(l.total) * q
	for i, n := range l.counts {
		rest -= float64(n)
		if n > 0 && rest <= 0 {
			return bucketEnd(i), true
		}
	}
	return bucketEnd(latencyBuckets - 1), true
}
