//go:build !linux

package busypoll

// yield is for systems whose threads cannot ask for it.
func yield() {}
