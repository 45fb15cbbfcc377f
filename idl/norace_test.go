//go:build !race

package idl

const raceFactor = 1
