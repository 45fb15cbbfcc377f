package server

import (
	"sync"
	"time"
)

// throttle bounds the log lines that strangers can cause, so that nobody fills a disk.
type throttle struct {
	mu         sync.Mutex
	second     time.Time // when the current one began
	count      int       // lines in it
	suppressed int       // lines left out since the last one
}

// admit reports whether a line may be written, of so many a second, and how many were not since the last one.
func (t *throttle) admit(now time.Time, perSecond int) (suppressed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.second) >= time.Second {
		t.second, t.count = now, 0
	}
	if t.count == perSecond {
		t.suppressed++
		return 0, false
	}
	t.count++
	suppressed, t.suppressed = t.suppressed, 0
	return suppressed, true
}
