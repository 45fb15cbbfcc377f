package dynamic

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/kuafu-rpc/kuafu/idl"
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Limits of what a message may become.
const (
	// MaxJSON bounds the JSON of one message in bytes. Names of fields can make it many times longer than the message.
	MaxJSON = 256 << 20

	// maxProblems bounds how many things are remembered about one message.
	maxProblems = 20
)

// Document decodes a struct, union or exception, or a message of a stream, to JSON. Members are in the order in which they arrive; what does not
// arrive is not there, and no default stands in for it. One goroutine may use a Document at a time.
type Document struct {
	typ      *schema.Type
	root     string
	envelope []*schema.Field // the field that a message travels in which is no struct; nil for others
	out      writer
}

// NewDocument returns a Document for values of s.
func NewDocument(s *schema.Struct) *Document {
	return &Document{typ: &schema.Type{Kind: schema.KindStruct, Struct: s}, root: s.Name}
}

// DecodeThrift implements codec.Decodable. It replaces what was decoded before.
func (doc *Document) DecodeThrift(d *codec.Decoder) {
	doc.out = writer{path: path{doc.root}}
	if doc.envelope != nil {
		doc.open(d)
		return
	}
	doc.out.value(d, doc.typ)
}

// JSON returns the value, on one line. It belongs to the Document until the next message.
func (doc *Document) JSON() []byte { return doc.out.json }

// Problems tells what is odd about the message, in a few words each: unknown fields, which are left out of the JSON,
// fields of an unexpected type, which are too, missing required fields, unions without exactly one member, strings that
// are not UTF-8. There are at most 20.
func (doc *Document) Problems() []string { return doc.out.problems }

// writer turns wire values into JSON.
type writer struct {
	json     []byte
	path     path
	problems []string
}

func (w *writer) problem(format string, args ...any) {
	if len(w.problems) < maxProblems {
		w.problems = append(w.problems, w.path.String()+": "+fmt.Sprintf(format, args...))
	}
}

// full ends the decoding of a message whose JSON is too long.
func (w *writer) full(d *codec.Decoder) bool {
	if len(w.json) > MaxJSON {
		d.Fail(&codec.Error{Kind: codec.LimitReached, Offset: -1, Message: fmt.Sprintf("JSON of more than %d bytes", MaxJSON)})
	}
	return d.Err() != nil
}

func (w *writer) value(d *codec.Decoder, t *schema.Type) {
	switch t.Kind {
	case schema.KindList, schema.KindSet:
		w.list(d, t)
	case schema.KindMap:
		w.entries(d, t)
	case schema.KindStruct:
		w.fields(d, t.Struct)
	default:
		w.scalar(d, t)
	}
}

func (w *writer) scalar(d *codec.Decoder, t *schema.Type) {
	switch t.Kind {
	case schema.KindBool:
		w.json = strconv.AppendBool(w.json, d.Bool())
	case schema.KindI8:
		w.json = strconv.AppendInt(w.json, int64(d.I8()), 10)
	case schema.KindI16:
		w.json = strconv.AppendInt(w.json, int64(d.I16()), 10)
	case schema.KindI32:
		w.json = strconv.AppendInt(w.json, int64(d.I32()), 10)
	case schema.KindI64:
		w.json = strconv.AppendInt(w.json, d.I64(), 10)
	case schema.KindDouble:
		w.json = appendDouble(w.json, d.Double())
	case schema.KindEnum:
		w.enum(t.Enum, d.I32())
	case schema.KindString:
		s := d.String()
		if !utf8.ValidString(s) {
			w.problem("the string is not UTF-8")
		}
		w.json = appendString(w.json, s)
	case schema.KindBinary:
		w.json = append(w.json, '"')
		w.json = base64.StdEncoding.AppendEncode(w.json, d.Binary())
		w.json = append(w.json, '"')
	case schema.KindUUID:
		w.json = append(w.json, '"')
		w.json = append(appendUUID(w.json, d.UUID()), '"')
	}
}

func (w *writer) enum(e *schema.Enum, n int32) {
	for _, v := range e.Values {
		if v.Value == n {
			w.json = appendString(w.json, v.Name)
			return
		}
	}
	w.json = strconv.AppendInt(w.json, int64(n), 10)
}

func (w *writer) list(d *codec.Decoder, t *schema.Type) {
	n := 0
	if t.Kind == schema.KindSet {
		n = d.Set(wireType(t.Elem))
	} else {
		n = d.List(wireType(t.Elem))
	}
	w.json = append(w.json, '[')
	for i := 0; i < n && !w.full(d); i++ {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.path.push(index(i))
		w.value(d, t.Elem)
		w.path.pop()
	}
	w.json = append(w.json, ']')
}

func (w *writer) entries(d *codec.Decoder, t *schema.Type) {
	n := d.Map(wireType(t.Key), wireType(t.Elem))
	if !hasTextForm(t.Key) {
		w.pairs(d, t, n)
		return
	}
	w.json = append(w.json, '{')
	for i := 0; i < n && !w.full(d); i++ {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.path.push(index(i))
		start := len(w.json)
		w.scalar(d, t.Key)
		if w.json[start] != '"' { // a number or bool, which an object's key cannot be
			w.json = append(w.json, 0)
			copy(w.json[start+1:], w.json[start:])
			w.json[start] = '"'
			w.json = append(w.json, '"')
		}
		w.json = append(w.json, ':')
		w.value(d, t.Elem)
		w.path.pop()
	}
	w.json = append(w.json, '}')
}

func (w *writer) pairs(d *codec.Decoder, t *schema.Type, n int) {
	w.json = append(w.json, '[')
	for i := 0; i < n && !w.full(d); i++ {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.path.push(index(i))
		w.json = append(w.json, '[')
		w.value(d, t.Key)
		w.json = append(w.json, ',')
		w.value(d, t.Elem)
		w.json = append(w.json, ']')
		w.path.pop()
	}
	w.json = append(w.json, ']')
}

func (w *writer) fields(d *codec.Decoder, s *schema.Struct) {
	seen := make(map[*schema.Field]bool)
	w.json = append(w.json, '{')
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop && !w.full(d); f = d.Field() {
		field := w.known(s.Fields, f)
		if field == nil {
			d.Skip(f.Type)
			continue
		}
		w.path.push("." + field.Name)
		if seen[field] {
			w.problem("the field arrived twice")
		}
		if len(seen) > 0 {
			w.json = append(w.json, ',')
		}
		seen[field] = true
		w.json = append(appendString(w.json, field.Name), ':')
		w.value(d, field.Type)
		w.path.pop()
	}
	d.EndStruct(outer)
	w.json = append(w.json, '}')
	if d.Err() != nil {
		return
	}
	for _, f := range s.Fields {
		if f.Requiredness == idl.RequirednessRequired && !seen[f] {
			w.problem("required field %s is missing", f.Name)
		}
	}
	if s.Kind == idl.StructUnion && len(seen) != 1 {
		w.problem("union %s has %d known members", s.Name, len(seen))
	}
}

// known returns the field that has arrived, nil and a problem for an unknown one.
func (w *writer) known(fields []*schema.Field, f codec.Field) *schema.Field {
	for _, field := range fields {
		if field.ID != f.ID {
			continue
		}
		if want := wireType(field.Type); want != f.Type {
			w.problem("field %d, %s, has type %s instead of %s", f.ID, field.Name, f.Type, want)
			return nil
		}
		return field
	}
	w.problem("unknown field %d of type %s", f.ID, f.Type)
	return nil
}
