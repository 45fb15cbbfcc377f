package idl

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// defaultMaxDiagnostics is enough to see what is wrong, and few enough for the first one to stay on the screen.
const defaultMaxDiagnostics = 20

// RenderOptions says how Render prints. The zero value is plain text with the default limit.
type RenderOptions struct {
	Color bool // use ANSI colours; the caller knows whether w is a terminal
	Max   int  // most errors, and most warnings, that are printed; 0 means 20, less than 0 all
}

// Render prints diagnostics for people, in the given order: what is wrong, where, the source lines with the place
// underlined (^ for the place itself, - for labels), and help. Control characters of the source are made visible, and
// long lines are cut around the place. Errors and warnings over the limit are counted in a last line. The only error is
// w's.
func Render(w io.Writer, diags []*Diagnostic, opts RenderOptions) error {
	limit := opts.Max
	if limit == 0 {
		limit = defaultMaxDiagnostics
	}
	var seen [2]int // by severity
	for _, d := range diags {
		if seen[d.Severity]++; limit >= 0 && seen[d.Severity] > limit {
			continue
		}
		r := renderer{opts: opts}
		r.diagnostic(d)
		if _, err := w.Write(r.buf.Bytes()); err != nil {
			return err
		}
	}
	if limit < 0 {
		return nil
	}
	for severity, n := range seen {
		if more := n - limit; more > 0 {
			if _, err := fmt.Fprintf(w, "... %s\n", plural(more, "more "+Severity(severity).String())); err != nil {
				return err
			}
		}
	}
	return nil
}

// plural returns "1 error" or "2 errors".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// ANSI styles.
const (
	styleError   = "\x1b[1;31m"
	styleWarning = "\x1b[1;33m"
	styleGutter  = "\x1b[1;34m"
	styleBold    = "\x1b[1m"
	styleOff     = "\x1b[0m"
)

// renderer lays out one diagnostic.
type renderer struct {
	buf    bytes.Buffer
	opts   RenderOptions
	gutter int // columns of the widest line number
}

// mark is a span to underline.
type mark struct {
	file    *File
	name    string
	span    Span
	char    string
	style   string
	message string
}

func (r *renderer) diagnostic(d *Diagnostic) {
	style := styleError
	if d.Severity == Warning {
		style = styleWarning
	}
	title := d.Severity.String()
	if d.Code != "" {
		title += "[" + d.Code + "]"
	}
	fmt.Fprintf(&r.buf, "%s%s\n", r.styled(style, title), r.styled(styleBold, ": "+visible(d.Message)))

	marks := []mark{{d.File, d.FileName, d.Span, "^", style, ""}}
	r.gutter = digits(d.Span.Start.Line)
	for _, l := range d.Labels {
		marks = append(marks, mark{l.File, l.FileName, l.Span, "-", styleGutter, l.Message})
		r.gutter = max(r.gutter, digits(l.Span.Start.Line))
	}
	arrow := "-->"
	for len(marks) > 0 {
		first := marks[0]
		var here, elsewhere []mark
		for _, m := range marks {
			if m.name == first.name && m.file == first.file {
				here = append(here, m)
			} else {
				elsewhere = append(elsewhere, m)
			}
		}
		r.section(arrow, here)
		arrow, marks = ":::", elsewhere
	}
	if d.Help != "" {
		if d.File != nil && d.Span.Start.IsValid() {
			r.line("", "|")
		}
		fmt.Fprintf(&r.buf, "%s %s %s\n", strings.Repeat(" ", r.gutter), r.styled(styleGutter, "="), r.styled(styleBold, "help: ")+visible(d.Help))
	}
	r.buf.WriteByte('\n')
}

// section prints the marks of one file under the place of the first.
func (r *renderer) section(arrow string, marks []mark) {
	place := visible(marks[0].name)
	if at := marks[0].span.Start; at.IsValid() {
		place += fmt.Sprintf(":%d:%d", at.Line, at.Col)
	}
	fmt.Fprintf(&r.buf, "%s%s %s\n", strings.Repeat(" ", r.gutter), r.styled(styleGutter, arrow), place)
	if marks[0].file == nil || !marks[0].span.Start.IsValid() {
		for _, m := range marks {
			if m.message != "" {
				r.line("", "= "+visible(m.message))
			}
		}
		return
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.span.Start.Line, b.span.Start.Line) })
	r.line("", "|")
	last := 0 // the line printed before
	for i, m := range marks {
		at := m.span.Start
		if at.Line != last {
			text := sourceLine(m.file.Source, at)
			switch gap := at.Line - last - 1; {
			case last == 0 || gap == 0:
			case gap == 1:
				end := at.Offset - (at.Col - 1) - 1 // of the line between
				start := bytes.LastIndexByte(m.file.Source[:max(0, min(end, len(m.file.Source)))], '\n') + 1
				between := sourceLine(m.file.Source, Pos{Offset: start, Line: at.Line - 1, Col: 1})
				r.line(strconv.Itoa(at.Line-1), strings.TrimRight("| "+newExcerpt(between, 0).text, " "))
			default:
				r.buf.WriteString(r.styled(styleGutter, "...") + "\n")
			}
			r.line(strconv.Itoa(at.Line), strings.TrimRight("| "+newExcerpt(text, at.Col-1).text, " "))
			last = at.Line
		}
		// All marks of a line share the excerpt around its first.
		lead := m
		for j := i; j >= 0 && marks[j].span.Start.Line == at.Line; j-- {
			lead = marks[j]
		}
		text := sourceLine(m.file.Source, at)
		to := m.span.End.Col - 1
		if m.span.End.Line != at.Line {
			to = len(text)
		}
		from, width := newExcerpt(text, lead.span.Start.Col-1).underline(at.Col-1, to)
		under := strings.Repeat(m.char, width)
		if m.message != "" {
			under += " " + visible(m.message)
		}
		r.line("", "| "+strings.Repeat(" ", from)+r.styled(m.style, under))
	}
}

// line prints the gutter with a line number or without, and what stands after it.
func (r *renderer) line(number, rest string) {
	bar, text, _ := strings.Cut(rest, " ")
	fmt.Fprintf(&r.buf, "%s", r.styled(styleGutter, fmt.Sprintf("%*s %s", r.gutter, number, bar)))
	if text != "" {
		r.buf.WriteString(" " + text)
	}
	r.buf.WriteByte('\n')
}

func (r *renderer) styled(style, text string) string {
	if !r.opts.Color {
		return text
	}
	return style + text + styleOff
}

// sourceLine returns the line of src that holds at, without its end.
func sourceLine(src []byte, at Pos) string {
	start := min(max(at.Offset-(at.Col-1), 0), len(src))
	line := src[start:]
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	return string(bytes.TrimSuffix(line, []byte("\r")))
}

func digits(n int) int { return len(strconv.Itoa(max(n, 0))) }
