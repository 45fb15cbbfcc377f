package schema

import (
	"fmt"
	"strings"

	"github.com/kuafu-rpc/kuafu/idl"
)

// reporter collects the diagnostics of one Load.
type reporter struct {
	strict      bool
	diags       []*idl.Diagnostic
	suggestions int // searches made so far
	linked      int // diagnostics made so far, the parser's not counted
}

// add records a finding and returns it, so that the caller can attach labels and help. Warnings are the codes that
// start with W.
func (r *reporter) add(code string, f *File, span idl.Span, format string, args ...any) *idl.Diagnostic {
	d := &idl.Diagnostic{
		Code:     code,
		File:     f.AST,
		FileName: f.Path,
		Span:     span,
		Message:  message(format, args...),
	}
	if strings.HasPrefix(code, "W") && !(r.strict && strictCodes[code]) {
		d.Severity = idl.Warning
	}
	if r.linked++; r.linked <= maxErrors {
		r.diags = append(r.diags, d)
	}
	return d
}

// label attaches a second place to d.
func label(d *idl.Diagnostic, f *File, span idl.Span, format string, args ...any) {
	d.Labels = append(d.Labels, idl.Label{
		File:     f.AST,
		FileName: f.Path,
		Span:     span,
		Message:  message(format, args...),
	})
}

// message formats the text of a diagnostic and cuts what is too long.
func message(format string, args ...any) string {
	s := fmt.Sprintf(format, args...)
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "..."
	}
	return s
}

// suggest returns "did you mean `x`?" for the candidate nearest to name, or "" if none is near. The candidates are
// asked for only when there is a search to make.
func (r *reporter) suggest(name string, candidates func() []string) string {
	if r.suggestions >= maxSuggestions {
		return ""
	}
	r.suggestions++
	near := idl.Suggest(name, candidates())
	if near == "" {
		return ""
	}
	return message("did you mean `%s`?", near)
}

// chain draws `a` -> `b` -> `a`.
func chain(names []string) string {
	return "`" + strings.Join(names, "` -> `") + "`"
}
