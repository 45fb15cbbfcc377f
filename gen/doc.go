// Package gen turns a linked IDL program into Go source files.
//
// Everything is built in memory and depends on nothing but its input: the caller decides where packages live (Options)
// and writes the files. DESIGN.md in this directory explains the shape of the generated code, docs/generated-go.md
// what its users may rely on.
package gen
