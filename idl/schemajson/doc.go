// Package schemajson writes a linked IDL program as JSON, for tools that are not written in Go.
//
// The form is documented in docs/idl-json.md. Members are added over time; none changes its meaning.
package schemajson
