package idl

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity says whether a Diagnostic stops the compiler.
type Severity int

const (
	Error Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string { return [...]string{"error", "warning"}[s] }

// Diagnostic is one finding about a source file.
type Diagnostic struct {
	Severity Severity
	Code     string // "E012"; docs/errors.md lists them. Syntax has E001-E099, meaning E100-E999, warnings Wnnn
	File     *File  // nil where there is no source to show (a file that cannot be opened)
	FileName string // always set
	Span     Span   // what the caret underlines
	Message  string // lower case, no final period, code in backticks
	Labels   []Label
	Help     string // "did you mean `string`?"; empty if none
}

// Label is a second place that explains a Diagnostic, such as "first used here".
type Label struct {
	File     *File
	FileName string
	Span     Span
	Message  string
}

// Error returns file:line:col: severity[code]: message.
func (d *Diagnostic) Error() string {
	if !d.Span.Start.IsValid() {
		return fmt.Sprintf("%s: %s[%s]: %s", d.FileName, d.Severity, d.Code, d.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s[%s]: %s", d.FileName, d.Span.Start.Line, d.Span.Start.Col, d.Severity, d.Code, d.Message)
}

// Sort orders diagnostics by file name, place, severity and code, and drops those that say the same of the same place.
// It works in place and returns the shortened slice. Files come in the order of their names, so that output does not
// depend on the order of linking.
func Sort(diags []*Diagnostic) []*Diagnostic {
	slices.SortStableFunc(diags, compareDiagnostics)
	return slices.CompactFunc(diags, func(a, b *Diagnostic) bool { return compareDiagnostics(a, b) == 0 })
}

func compareDiagnostics(a, b *Diagnostic) int {
	return cmp.Or(
		cmp.Compare(a.FileName, b.FileName),
		cmp.Compare(a.Span.Start.Offset, b.Span.Start.Offset),
		cmp.Compare(a.Span.End.Offset, b.Span.End.Offset),
		cmp.Compare(a.Severity, b.Severity),
		cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.Message, b.Message),
	)
}
