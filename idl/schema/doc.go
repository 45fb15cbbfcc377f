// Package schema links parsed IDL files into one checked program.
//
// Load reads the files asked for and everything they include, resolves every name, folds every constant to the type it
// is used at, and gives every field its id. What it returns can be walked without a further look-up. All findings of
// all files come back together, sorted by place; the program may be used only when none of them is an error.
//
// Input is not trusted: files, their number, the depth and breadth of types and the expansion of constants are bounded
// (see limits.go), so any set of files ends in a program or in diagnostics, never in a panic or an endless loop.
package schema
