package plot

import (
	"fmt"
	"io"
	"strings"
)

// Lines is a chart of lines with markers; both axes are logarithmic.
type Lines struct {
	Title  string
	X, Y   string // what the axes show
	Series []LineSeries
}

// LineSeries is one line through its points, all of whose coordinates are positive.
type LineSeries struct {
	Name     string
	Emphasis Emphasis
	Points   []Point
}

// Point is a point of a line.
type Point struct{ X, Y float64 }

const linesWidth = 480

// Write draws l as SVG.
func (l Lines) Write(w io.Writer) error {
	var xs, ys []float64
	for _, s := range l.Series {
		for _, p := range s.Points {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	x, y := newAxis(xs, left, left+linesWidth), newAxis(ys, top+plotHeight, top)
	var c canvas
	c.frame(l.Title, l.Y, y, linesWidth)
	for _, v := range x.ticks() {
		c.line(x.at(v), y.from, x.at(v), y.to, "#dddddd", 1)
		c.text(x.at(v), top+plotHeight+16, "middle", 11, number(v))
	}
	c.text(left+linesWidth/2, top+plotHeight+36, "middle", 12, l.X)
	var colors palette
	var names, used []string
	for _, s := range l.Series {
		color := colors.next(s.Emphasis)
		names, used = append(names, s.Name), append(used, color)
		var path []string
		for _, p := range s.Points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", x.at(p.X), y.at(p.Y)))
			c.rect(x.at(p.X)-2.5, y.at(p.Y)-2.5, 5, 5, color)
		}
		fmt.Fprintf(&c, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), color)
	}
	c.legend(left+linesWidth+legendPadding, names, used)
	height := max(top+plotHeight+bottom, top+legendLine*len(names)+legendPadding)
	return c.writeTo(w, left+linesWidth+right, float64(height))
}
