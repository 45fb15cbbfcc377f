package gen

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// printer collects Go source. Indentation is gofmt's business.
type printer struct {
	bytes.Buffer
}

// P prints its arguments one after the other, without spaces between them, and ends the line.
func (p *printer) P(args ...any) {
	for _, a := range args {
		fmt.Fprint(&p.Buffer, a)
	}
	p.WriteByte('\n')
}

// comment prints text as line comments. Text that no Go file may contain is left out.
func (p *printer) comment(text string) {
	if text == "" {
		return
	}
	for _, line := range strings.Split(cleanText(text), "\n") {
		line = strings.TrimRight(line, " \t")
		if line == "" {
			p.P("//")
			continue
		}
		p.P("// ", line)
	}
}

// cleanText makes text fit for a comment: valid UTF-8 without control characters and byte order marks.
func cleanText(text string) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r == 0x7f || r == 0xfeff:
			return -1
		}
		return r
	}, text))
}
