//go:build !linux

package pacing

// Off does nothing here.
func Off(int) {}
