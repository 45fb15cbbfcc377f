package idl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Widths in columns and bytes of what Render shows of a line.
const (
	tabWidth    = 4
	excerptSize = 160 // bytes of source; most lines are shorter and shown whole
	excerptLead = 60  // bytes of it before the place of interest
)

// excerpt is a line of source, or a part of it, as it is shown.
type excerpt struct {
	text    string
	start   int   // byte of the line that the excerpt starts with
	columns []int // column of each byte of the excerpt, and of its end
}

// newExcerpt shows the part of a line around byte at.
func newExcerpt(line string, at int) excerpt {
	from, to := 0, len(line)
	if len(line) > excerptSize {
		from = max(0, min(at-excerptLead, len(line)-excerptSize))
		for from > 0 && !utf8.RuneStart(line[from]) {
			from--
		}
		to = min(from+excerptSize, len(line))
		for to < len(line) && !utf8.RuneStart(line[to]) {
			to++
		}
	}
	e := excerpt{start: from}
	var b strings.Builder
	column := 0
	if from > 0 {
		b.WriteString("…")
		column++
	}
	for i := from; i < to; {
		r, size := utf8.DecodeRuneInString(line[i:to])
		for range size {
			e.columns = append(e.columns, column)
		}
		shown, width := show(r)
		b.WriteString(shown)
		column += width
		i += size
	}
	e.columns = append(e.columns, column)
	if to < len(line) {
		b.WriteString("…")
	}
	e.text = b.String()
	return e
}

// underline returns the first column and the number of columns of bytes [from, to) of the line, at least one.
func (e excerpt) underline(from, to int) (column, width int) {
	last := len(e.columns) - 1
	a := min(max(from-e.start, 0), last)
	b := min(max(to-e.start, a), last)
	return e.columns[a], max(e.columns[b]-e.columns[a], 1)
}

// visible is text of one line as it is shown.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		shown, _ := show(r)
		b.WriteString(shown)
	}
	return b.String()
}

// show returns how a character is shown and how many columns that takes on a terminal. What could move the cursor or
// reorder text is replaced, so that a hostile source cannot forge what it looks like.
func show(r rune) (string, int) {
	switch {
	case r == '\t':
		return strings.Repeat(" ", tabWidth), tabWidth
	case r == '\ufeff':
		return "", 0
	case r < ' ':
		return string(rune(0x2400 + r)), 1 // the control pictures
	case r < 0x7f:
		return string(r), 1
	case r == 0x7f:
		return "\u2421", 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return string(r), 0
	case !unicode.IsGraphic(r):
		return "\ufffd", 1
	case unicode.Is(wide, r):
		return string(r), 2
	}
	return string(r), 1
}

// wide holds the blocks of characters that take two columns (Unicode's East Asian Width W and F, to whole blocks).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, // Hangul Jamo
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1}, // CJK radicals and punctuation
		{Lo: 0x3041, Hi: 0x4dbf, Stride: 1}, // Kana to CJK extension A
		{Lo: 0x4e00, Hi: 0xa4cf, Stride: 1}, // CJK ideographs, Yi
		{Lo: 0xa960, Hi: 0xa97f, Stride: 1}, // Hangul Jamo extended A
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, // Hangul syllables
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1}, // CJK compatibility ideographs
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1}, // CJK compatibility forms
		{Lo: 0xff01, Hi: 0xff60, Stride: 1}, // fullwidth forms
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1}, // fullwidth signs
	},
	R32: []unicode.Range32{
		{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1}, // pictographs, emoticons
		{Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1}, // transport symbols
		{Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1}, // more pictographs
		{Lo: 0x20000, Hi: 0x3fffd, Stride: 1}, // CJK extensions B and on
	},
}
