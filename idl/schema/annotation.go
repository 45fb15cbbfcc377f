package schema

import (
	"slices"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/idl"
)

// The values of the annotations that have a meaning, on functions and, failure, on exceptions. All other annotations are
// kept for other tools.
var (
	retryValues    = []string{"idempotent", "at_most_once", "never"}
	priorityValues = []string{"high", "normal", "low"}
	compressValues = []string{"snappy", "none"}
	failureValues  = []string{"transient", "permanent"}
	retries        = map[string]Retry{"idempotent": RetryIdempotent, "at_most_once": RetryAtMostOnce, "never": RetryNever}
	failures       = map[string]Failure{"transient": FailureTransient, "permanent": FailurePermanent}
)

// functionAnnotations sets what f's annotations say about its calls.
func (l *linker) functionAnnotations(u *unit, f *Function) {
	for _, a := range l.once(u, f.Annotations, "retry", "timeout", "priority", "compress") {
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

// exceptionAnnotations sets what d's annotations say about calls that end with it.
func (l *linker) exceptionAnnotations(u *unit, d *Struct) {
	for _, a := range l.once(u, d.Annotations, "failure") {
		d.Failure = failures[l.oneOf(u, a, failureValues)]
	}
}

// once returns the first annotation of each of the names, and reports the others that have one of them.
func (l *linker) once(u *unit, all []idl.Annotation, names ...string) []idl.Annotation {
	var firsts []idl.Annotation
	for _, a := range all {
		name := a.Name.Name
		if !slices.Contains(names, name) {
			continue
		}
		i := slices.IndexFunc(firsts, func(first idl.Annotation) bool { return first.Name.Name == name })
		if i < 0 {
			firsts = append(firsts, a)
			continue
		}
		d := l.add(codeAnnotationTwice, u.file, a.Name.Span, "annotation `%s` is given twice", name)
		label(d, u.file, firsts[i].Name.Span, "first given here")
	}
	return firsts
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
