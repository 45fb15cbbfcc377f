//go:build !linux && !darwin

package main

// hideInput fails: this system's terminals are unknown.
func hideInput(int) (restore func(), err error) { return nil, errNoTerminal }
