package dynamic

import (
	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// Result decodes the outcome of a function: its result, or an exception that it declares. One goroutine may use a
// Result at a time.
type Result struct {
	function *schema.Function
	fields   []*schema.Field // the result as field 0, and the exceptions
	arrived  *schema.Field
	out      writer
}

// NewResult returns a Result for replies of f.
func NewResult(f *schema.Function) *Result {
	r := &Result{function: f}
	if f.Result != nil && f.Result.Kind != schema.KindStream {
		r.fields = append(r.fields, &schema.Field{Name: "result", Type: f.Result})
	}
	r.fields = append(r.fields, f.Throws...)
	return r
}

// DecodeThrift implements codec.Decodable. It replaces what was decoded before.
func (r *Result) DecodeThrift(d *codec.Decoder) {
	*r = Result{function: r.function, fields: r.fields}
	r.out.path = path{"reply"}
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		field := r.out.known(r.fields, f)
		if field == nil {
			d.Skip(f.Type)
			continue
		}
		r.arrived = field
		r.out.json = r.out.json[:0]
		r.out.path = path{field.Name}
		r.out.value(d, field.Type)
		r.out.path = path{"reply"}
	}
	d.EndStruct(outer)
}

// JSON returns the result, or the exception, on one line; nil where there is neither. It belongs to the Result until
// the next reply.
func (r *Result) JSON() []byte {
	if r.arrived == nil {
		return nil
	}
	return r.out.json
}

// Exception returns the declared exception that arrived, nil if none did.
func (r *Result) Exception() *schema.Field {
	if r.arrived == nil || r.arrived.ID == 0 && r.arrived.Name == "result" {
		return nil
	}
	return r.arrived
}

// TransientFailure implements rpc.Transient: it reports whether the exception that arrived is marked as transient, so that
// clients make idempotent calls again that end with it.
func (r *Result) TransientFailure() bool {
	x := r.Exception()
	return x != nil && x.Type.Struct.Failure == schema.FailureTransient
}

// Empty reports whether a reply has neither a result nor a known exception though the function has a result: what a
// newer server sends when it throws an exception that this schema does not know.
func (r *Result) Empty() bool {
	return r.arrived == nil && r.function.Result != nil && r.function.Result.Kind != schema.KindStream
}

// Problems is what Document.Problems is.
func (r *Result) Problems() []string { return r.out.problems }
