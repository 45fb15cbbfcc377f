package idl

import (
	"encoding/json"
	"io"
)

// RenderJSON prints diagnostics for programs, in the given order and all of them: one JSON object per line, so that a
// reader can take them as they come. The only error is w's.
//
//	{"severity":"error","code":"E010","message":"...","file":"a.idl",
//	 "start":{"offset":0,"line":1,"col":1},"end":{...},"labels":[{"message":"...","file":"...","start":{...},"end":{...}}],"help":"..."}
//
// Lines and columns count from 1, columns in bytes; offsets count bytes from 0; end is the place behind the last byte.
// Start and end are absent where there is no place, labels and help where there are none.
func RenderJSON(w io.Writer, diags []*Diagnostic) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, d := range diags {
		out := jsonDiagnostic{
			Severity: d.Severity.String(), Code: d.Code, Message: d.Message, jsonPlace: newJSONPlace(d.FileName, d.Span), Help: d.Help,
		}
		for _, l := range d.Labels {
			out.Labels = append(out.Labels, jsonLabel{l.Message, newJSONPlace(l.FileName, l.Span)})
		}
		if err := enc.Encode(out); err != nil {
			return err
		}
	}
	return nil
}

type jsonDiagnostic struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	jsonPlace
	Labels []jsonLabel `json:"labels,omitempty"`
	Help   string      `json:"help,omitempty"`
}

type jsonLabel struct {
	Message string `json:"message"`
	jsonPlace
}

type jsonPlace struct {
	File  string   `json:"file"`
	Start *jsonPos `json:"start,omitempty"`
	End   *jsonPos `json:"end,omitempty"`
}

type jsonPos struct {
	Offset int `json:"offset"`
	Line   int `json:"line"`
	Col    int `json:"col"`
}

func newJSONPlace(file string, span Span) jsonPlace {
	if !span.Start.IsValid() {
		return jsonPlace{File: file}
	}
	return jsonPlace{
		File:  file,
		Start: &jsonPos{span.Start.Offset, span.Start.Line, span.Start.Col},
		End:   &jsonPos{span.End.Offset, span.End.Line, span.End.Col},
	}
}
