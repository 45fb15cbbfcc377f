//go:build unix && !linux

package client

// yield is for systems whose threads cannot ask for it.
func yield() {}
