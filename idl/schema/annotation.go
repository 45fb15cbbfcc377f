package schema

import (
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/idl"
)

// The values of the annotations that have a meaning on a function. All other annotations are kept for other tools.
var (
	retryValues    = []string{"idempotent", "at_most_once", "never"}
	priorityValues = []string{"high", "normal", "low"}
	compressValues = []string{"snappy", "none"}
	retries        = map[string]Retry{"idempotent": RetryIdempotent, "at_most_once": RetryAtMostOnce, "never": RetryNever}
)

// knownAnnotations sets what f's annotations say about its calls.
func (l *linker) knownAnnotations(u *unit, f *Function) {
	seen := make(map[string]idl.Annotation)
	for _, a := range f.Annotations {
		switch a.Name.Name {
		case "retry", "timeout", "priority", "compress":
		default:
			continue
		}
		if first, ok := seen[a.Name.Name]; ok {
			d := l.add(codeAnnotationTwice, u.file, a.Name.Span, "annotation `%s` is given twice", a.Name.Name)
			label(d, u.file, first.Name.Span, "first given here")
			continue
		}
		seen[a.Name.Name] = a
		switch a.Name.Name {
		case "retry":
			f.Retry = retries[l.oneOf(u, a, retryValues)]
		case "priority":
			f.Priority = l.oneOf(u, a, priorityValues)
		case "compress":
			f.Compress = l.oneOf(u, a, compressValues)
		case "timeout":
			d, err := time.ParseDuration(a.Value.Value)
			if err != nil || d <= 0 || !a.HasValue {
				diag := l.add(codeAnnotationValue, u.file, valueSpan(a), "annotation `timeout` is not a duration above zero")
				diag.Help = "a duration is written like `500ms`, `2s` or `1m30s`"
				continue
			}
			f.TimeoutNano = int64(d)
		}
	}
}

// oneOf returns the annotation's value if it is among the known ones, and reports it and returns "" if not.
func (l *linker) oneOf(u *unit, a idl.Annotation, known []string) string {
	if a.HasValue {
		for _, v := range known {
			if v == a.Value.Value {
				return v
			}
		}
	}
	d := l.add(codeAnnotationValue, u.file, valueSpan(a), "annotation `%s` is none of `%s`", a.Name.Name, strings.Join(known, "`, `"))
	d.Help = l.suggest(a.Value.Value, func() []string { return known })
	return ""
}

// valueSpan is where the annotation's value stands, or the annotation where it has none.
func valueSpan(a idl.Annotation) idl.Span {
	if a.HasValue {
		return a.Value.Span
	}
	return a.Span
}
