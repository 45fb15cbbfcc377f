package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
)

// pages are files to be written, by name.
type pages map[string]*bytes.Buffer

func (p pages) file(name string) *bytes.Buffer {
	if p[name] == nil {
		p[name] = new(bytes.Buffer)
	}
	return p[name]
}

// Write makes a page of tables and the charts of each view that d has results of, and an index, in a directory.
func (d *Data) Write(dir string) error {
	p := make(pages)
	if err := d.render(p); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range p {
		if err := os.WriteFile(filepath.Join(dir, name), content.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) render(p pages) error {
	index := p.file("README.md")
	fmt.Fprint(index, "# Measurements\n\n")
	if err := d.Environment.Write(index); err != nil {
		return err
	}
	fmt.Fprint(index, "Clients and servers are processes of one machine that talk over its loopback interface and compete for its cores.\n"+
		"[bench/README.md](../../bench/README.md) says what is compared, how it is measured, and what the columns mean.\n\n")
	for _, v := range []struct {
		name, title string
		has         bool
		write       func(io.Writer, pages) error
	}{
		{"calls", "Calls", len(d.Calls) > 0, d.calls},
		{"open", "Latency at a rate (open loop)", len(d.Open) > 0, d.open},
		{"stream", "Streams", len(d.Transfers) > 0, d.transfers},
		{"beside", "Calls beside streams", len(d.Beside)+len(d.Stuck) > 0, d.beside},
		{"scale", "Scale", len(d.Scale) > 0, d.scale},
		{"idle", "Idle connections", len(d.Idle) > 0, d.idle},
	} {
		if !v.has {
			continue
		}
		fmt.Fprintf(index, "- [%s](%s.md)\n", v.title, v.name)
		page := p.file(v.name + ".md")
		fmt.Fprintf(page, "# %s\n\n", v.title)
		if err := d.Environment.Write(page); err != nil {
			return err
		}
		if err := v.write(page, p); err != nil {
			return err
		}
	}
	fmt.Fprintln(index)
	return Goals(index, d.goals())
}

// image puts a chart into a page, and its file beside it.
func (p pages) image(page io.Writer, name, title string, c chart) error {
	fmt.Fprintf(page, "![%s](%s)\n\n", title, name)
	return c.Write(p.file(name))
}

type chart interface{ Write(io.Writer) error }

func (d *Data) calls(w io.Writer, p pages) error {
	sizes := groups(d.Calls, func(r cell.Result) string { return r.Payload })
	for _, ofSize := range sizes {
		size := ofSize[0].Payload
		rate, cpu := callBars(size, ofSize)
		if err := p.image(w, "calls-"+size+".svg", rate.Title, rate); err != nil {
			return err
		}
		if err := p.image(w, "cpu-"+size+".svg", cpu.Title, cpu); err != nil {
			return err
		}
	}
	for _, ofSize := range sizes {
		byCallers := groups(ofSize, func(r cell.Result) int { return r.Callers })
		slices.SortStableFunc(byCallers, func(a, b []cell.Result) int { return cmp.Compare(a[0].Callers, b[0].Callers) })
		for _, results := range byCallers {
			if err := Calls(w, results[0].Payload, results[0].Callers, results); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Data) open(w io.Writer, p pages) error {
	kinds := groups(d.Open, func(o cell.Open) bool { return o.Own })
	for _, results := range kinds {
		name := "open-common.svg"
		if results[0].Own {
			name = "open-own.svg"
		}
		c := openBars(results)
		if err := p.image(w, name, c.Title, c); err != nil {
			return err
		}
	}
	for _, results := range kinds {
		if err := Open(w, results); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) transfers(w io.Writer, p pages) error {
	c := transferBars(d.Transfers)
	if err := p.image(w, "stream.svg", c.Title, c); err != nil {
		return err
	}
	for _, results := range groups(d.Transfers, func(t cell.Transfer) string { return fmt.Sprint(t.Direction, t.Size) }) {
		if err := Transfers(w, results[0].Direction, results[0].Size, results); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) beside(w io.Writer, p pages) error {
	if len(d.Beside) > 0 {
		c := besideBars(d.Beside)
		if err := p.image(w, "beside.svg", c.Title, c); err != nil {
			return err
		}
		if err := Beside(w, d.Beside); err != nil {
			return err
		}
	}
	for _, results := range groups(d.Stuck, func(s cell.Stuck) int { return s.Streams }) {
		c := stuckBars(results)
		if err := p.image(w, fmt.Sprintf("stuck-%d.svg", results[0].Streams), c.Title, c); err != nil {
			return err
		}
		if err := Stuck(w, results[0].Streams, results); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) scale(w io.Writer, p pages) error {
	for _, results := range groups(d.Scale, func(s cell.Scale) cell.Axis { return s.Axis }) {
		axis := results[0].Axis
		c := scaleLines(axis, results)
		if err := p.image(w, fmt.Sprintf("scale-%s.svg", axis), c.Title, c); err != nil {
			return err
		}
		if err := Scale(w, axis, results); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) idle(w io.Writer, p pages) error {
	for _, results := range groups(d.Idle, func(i cell.Idle) int { return i.Conns }) {
		c := idleBars(results)
		if err := p.image(w, fmt.Sprintf("idle-%d.svg", results[0].Conns), c.Title, c); err != nil {
			return err
		}
		if err := Idle(w, results[0].Conns, results); err != nil {
			return err
		}
	}
	return nil
}
