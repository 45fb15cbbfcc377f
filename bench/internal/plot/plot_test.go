package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// elements parses an SVG and counts its elements by name.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	n := make(map[string]int)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			n[e.Name.Local]++
		}
	}
}

func TestBars(t *testing.T) {
	var b strings.Builder
	err := Bars{
		Title: "Calls <&>", Y: "calls/s", Groups: []string{"1", "100"},
		Series: []BarSeries{{"ours", Strong, []float64{10, 1000}}, {"other", Plain, []float64{5, 0}}, {"limit", Faint, nil}},
	}.Write(&b)
	if err != nil {
		t.Fatal(err)
	}
	// The background, three of the legend, three bars: one is 0, and the limit has none.
	if n := elements(t, b.String()); n["svg"] != 1 || n["rect"] != 1+3+3 {
		t.Errorf("%v in\n%s", n, b.String())
	}
	// The axis goes from 1 to 1000, so 1000 is as high as the plot, and 10 a third.
	for _, want := range []string{`y="40.0" width="10.0" height="320.0"`, `height="106.7"`, "Calls &lt;&amp;&gt;", ">1k</text>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}

func TestLines(t *testing.T) {
	var b strings.Builder
	err := Lines{Title: "Cost", X: "callers", Y: "us", Series: []LineSeries{
		{"ours", Strong, []Point{{1, 100}, {10, 10}, {100, 1}}},
	}}.Write(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n := elements(t, b.String()); n["polyline"] != 1 || n["rect"] != 1+1+3 {
		t.Errorf("%v in\n%s", n, b.String())
	}
	if want := `points="70.0,40.0 310.0,200.0 550.0,360.0"`; !strings.Contains(b.String(), want) {
		t.Errorf("no %s in\n%s", want, b.String())
	}
}

// TestNothing draws what there is not, or cannot be on a logarithmic axis.
func TestNothing(t *testing.T) {
	values := []float64{0, -1, math.NaN(), math.Inf(1)}
	var b strings.Builder
	points := make([]Point, len(values))
	for i, v := range values {
		points[i] = Point{v, v}
	}
	err := errors.Join(Bars{}.Write(io.Discard), Lines{}.Write(io.Discard),
		Bars{Groups: []string{"a", "b", "c", "d"}, Series: []BarSeries{{"s", Plain, values}}}.Write(&b),
		Lines{Series: []LineSeries{{"s", Faint, points}}}.Write(&b))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Errorf("no pixel:\n%s", b.String())
	}
}
