// Package plot draws bar charts and line charts as SVG, with logarithmic axes.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Layout, in pixels.
const (
	left, right   = 70, 300 // right has the legend
	top, bottom   = 40, 50
	plotHeight    = 320
	legendLine    = 16
	legendPadding = 16
)

// Emphasis says how a series is drawn.
type Emphasis int

const (
	Plain Emphasis = iota
	Strong
	Faint
)

// Colors are told apart by people who do not see all of them.
var (
	strong = []string{"#d55e00", "#e69f00", "#cc3311", "#aa4499"}
	plain  = []string{"#0072b2", "#56b4e9", "#009e73", "#332288", "#88ccee", "#117733", "#44aa99", "#4477aa", "#66ccee", "#228833", "#6699cc", "#004488"}
	faint  = []string{"#777777", "#999999", "#bbbbbb", "#555555", "#aaaaaa", "#cccccc"}
)

// palette hands out the colors of series.
type palette [3]int

func (p *palette) next(e Emphasis) string {
	colors := map[Emphasis][]string{Plain: plain, Strong: strong, Faint: faint}[e]
	color := colors[p[e]%len(colors)]
	p[e]++
	return color
}

// axis maps values to pixels logarithmically.
type axis struct {
	low, high float64 // powers of ten
	from, to  float64 // pixels
}

// newAxis covers all values that are positive, from a power of ten to a power of ten.
func newAxis(values []float64, from, to float64) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		low, high = 1, 10
	}
	a := axis{math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high))), from, to}
	if a.low == a.high {
		a.high *= 10
	}
	return a
}

// at returns the pixel of a value; what is off the axis is at its end.
func (a axis) at(v float64) float64 {
	if !(v > a.low) {
		return a.from
	}
	return a.from + (a.to-a.from)*math.Log10(min(v, a.high)/a.low)/math.Log10(a.high/a.low)
}

// ticks are the powers of ten.
func (a axis) ticks() (ticks []float64) {
	for v := a.low; v <= a.high*1.001; v *= 10 {
		ticks = append(ticks, v)
	}
	return ticks
}

// number prints a power of ten, or whatever else is an axis label, briefly.
func number(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size {
			return strconv.FormatFloat(v/unit.size, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// canvas collects elements.
type canvas struct{ bytes.Buffer }

func (c *canvas) rect(x, y, w, h float64, color string) {
	fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, w, h, color)
}

func (c *canvas) line(x1, y1, x2, y2 float64, color string, width float64) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>`+"\n", x1, y1, x2, y2, color, width)
}

// text writes s; anchor is start, middle or end.
func (c *canvas) text(x, y float64, anchor string, size int, s string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d">`, x, y, anchor, size)
	xml.EscapeText(c, []byte(s)) // a Buffer takes everything
	c.WriteString("</text>\n")
}

// frame draws the title, the grid of y and its label.
func (c *canvas) frame(title, label string, y axis, width float64) {
	c.text(left, 20, "start", 15, title)
	for _, v := range y.ticks() {
		c.line(left, y.at(v), left+width, y.at(v), "#dddddd", 1)
		c.text(left-6, y.at(v)+4, "end", 11, number(v))
	}
	fmt.Fprintf(c, `<g transform="translate(16,%d) rotate(-90)">`, top+plotHeight/2)
	c.text(0, 0, "middle", 12, label)
	c.WriteString("</g>\n")
}

// legend names colors at the right.
func (c *canvas) legend(x float64, names, colors []string) {
	for i, name := range names {
		y := float64(top + legendLine*i)
		c.rect(x, y, 10, 10, colors[i])
		c.text(x+16, y+9, "start", 11, name)
	}
}

// writeTo writes the whole image.
func (c *canvas) writeTo(w io.Writer, width, height float64) error {
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="sans-serif" fill="#222222">
<rect width="100%%" height="100%%" fill="#ffffff"/>
%s</svg>
`, width, height, width, height, c.String())
	return err
}
