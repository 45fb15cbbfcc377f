// Package idl parses Kuafu's interface definition language, a superset of Apache Thrift's, into a syntax tree with
// byte-exact positions.
//
// Parse never stops at the first mistake: it returns every definition that could be read and a Diagnostic for each
// thing that could not. Names are not resolved here; package schema links the trees of a program together.
//
// Nothing in this package keeps state between calls, so all of it may be used from many goroutines at once. Trees and
// diagnostics may be shared as long as nobody changes them.
package idl
