package plot

import "io"

// Bars is a chart of groups of bars, one of each series in each group.
type Bars struct {
	Title  string
	Y      string // what the bars show
	Groups []string
	Series []BarSeries
}

// BarSeries has one value for each group; there is no bar for 0.
type BarSeries struct {
	Name     string
	Emphasis Emphasis
	Values   []float64
}

const (
	barWidth = 11
	groupGap = 26
)

// Write draws b as SVG.
func (b Bars) Write(w io.Writer) error {
	var all []float64
	for _, s := range b.Series {
		all = append(all, s.Values...)
	}
	group := float64(len(b.Series)*barWidth + groupGap)
	width := group * float64(len(b.Groups))
	y := newAxis(all, top+plotHeight, top)
	var c canvas
	c.frame(b.Title, b.Y, y, width)
	var colors palette
	var names, used []string
	for i, s := range b.Series {
		color := colors.next(s.Emphasis)
		names, used = append(names, s.Name), append(used, color)
		for g, v := range s.Values {
			if v > 0 && g < len(b.Groups) {
				x := left + float64(g)*group + groupGap/2 + float64(i*barWidth)
				c.rect(x, y.at(v), barWidth-1, y.from-y.at(v), color)
			}
		}
	}
	for g, name := range b.Groups {
		c.text(left+(float64(g)+0.5)*group, top+plotHeight+18, "middle", 12, name)
	}
	c.line(left, y.from, left+width, y.from, "#222222", 1)
	c.legend(left+width+legendPadding, names, used)
	height := max(top+plotHeight+bottom, top+legendLine*len(names)+legendPadding)
	return c.writeTo(w, left+width+right, float64(height))
}
