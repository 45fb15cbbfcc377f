package dynamic

import (
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// elementRoot is what a stream's messages are called in errors.
const elementRoot = "message"

// envelope returns the only field of the struct in which messages of a type travel, nil if they are structs themselves.
func envelope(t *schema.Type) []*schema.Field {
	if t.Kind == schema.KindStruct {
		return nil
	}
	return []*schema.Field{{ID: 1, Name: "value", Type: t}}
}

// ParseElement makes a Message of one message of a stream<t>. Those of a stream<binary> travel as bytes and not as
// Thrift: see ParseBinary.
func ParseElement(t *schema.Type, json []byte) (*Message, error) {
	m, err := parse(t, elementRoot, json)
	if err != nil {
		return nil, err
	}
	if fields := envelope(t); fields != nil {
		s := &schema.Struct{Fields: fields}
		m.root = value{typ: &schema.Type{Kind: schema.KindStruct, Struct: s}, fields: []member{{1, m.root}}}
	}
	return m, nil
}

// ParseBinary returns the bytes that a JSON string in base64 stands for.
func ParseBinary(json []byte) ([]byte, error) {
	m, err := parse(&schema.Type{Kind: schema.KindBinary}, elementRoot, json)
	if err != nil {
		return nil, err
	}
	return []byte(m.root.text), nil
}

// NewElement returns a Document for messages of a stream<t>, which is not stream<binary>.
func NewElement(t *schema.Type) *Document {
	return &Document{typ: t, root: elementRoot, envelope: envelope(t)}
}

// open decodes a message that travels in an envelope.
func (doc *Document) open(d *codec.Decoder) {
	arrived := false
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		field := doc.out.known(doc.envelope, f)
		if field == nil {
			d.Skip(f.Type)
			continue
		}
		arrived = true
		doc.out.json = doc.out.json[:0]
		doc.out.value(d, field.Type)
	}
	d.EndStruct(outer)
	if !arrived && d.Err() == nil {
		d.Fail(codec.MissingField(elementRoot, "value"))
	}
}
