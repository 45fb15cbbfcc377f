//go:build !linux

package cell

import "time"

// timer is as exact as time.Sleep.
type timer struct{}

func newTimer() (*timer, error) { return new(timer), nil }

func (*timer) wait(d time.Duration) error {
	time.Sleep(d)
	return nil
}

func (*timer) close() {}
