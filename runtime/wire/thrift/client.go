package thrift

import (
	"errors"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// AppendCall appends a whole call of m to dst: of type Oneway if m is, else of type Call. name is the method's name on
// the wire, m.Name or for a multiplexing server "Service:method". On an error, an *rpc.Error with NotExecuted, dst is
// returned with nothing appended.
func (d *Dialect) AppendCall(dst []byte, seq int32, name string, m *rpc.Method, args codec.Encodable) ([]byte, error) {
	msg := message{encoding: d.Encoding, strict: d.Strict, typ: typeCall, seq: seq, name: name, body: args}
	if m.Oneway {
		msg.typ = typeOneway
	}
	err := d.checkHeader()
	if err == nil {
		if d.Header {
			h := &header{seq: uint32(seq), encoding: d.Encoding, info: d.Info}
			h.n = copy(h.transforms[:], d.Transforms)
			msg.header = h
		}
		dst, err = d.appendMessage(dst, &msg)
	}
	if err != nil {
		return dst, &rpc.Error{Code: rpc.InvalidArgument, Message: err.Error(), Method: m.FullName, Execution: rpc.NotExecuted, Cause: err}
	}
	return dst, nil
}

// checkHeader bounds what a client was configured to put into its headers.
func (d *Dialect) checkHeader() error {
	if len(d.Transforms) > MaxTransforms {
		return fmt.Errorf("thrift: %d transforms, at most %d allowed", len(d.Transforms), MaxTransforms)
	}
	for _, t := range d.Transforms {
		if t != Zlib && t != Snappy {
			return fmt.Errorf("thrift: no transform %d", t)
		}
	}
	if len(d.Info) > MaxInfoBytes || len(d.Info) > 0 && countInfo(d.Info) > MaxInfoPairs {
		return errors.New("thrift: too many info headers")
	}
	return nil
}

// Reply is a reply that a client has received.
type Reply struct {
	Seq  int32  // of the call that it answers
	Name []byte // the method's name, without a service; aliases the message

	encoding  codec.Encoding
	factor    int // the dialect's AllocFactor
	exception bool
	body      []byte
}

// ReadReply reads the envelope of a message that a Splitter of this dialect returned, and undoes THeader transforms. The
// Reply keeps msg. An error means that the connection is out of step and has to be closed.
func (d *Dialect) ReadReply(msg []byte) (Reply, error) {
	enc := d.Encoding
	if d.Header {
		h, payload, err := parseHeader(msg)
		if err != nil {
			return Reply{}, err
		}
		if h.badTransform { // other refusals are about info headers, which a client does not read
			return Reply{}, h.refusal
		}
		if msg, err = h.undo(payload, d.maxMessage()); err != nil {
			return Reply{}, err
		}
		enc = h.encoding
	}
	env, size, _, err := parseEnvelope(enc, msg)
	switch {
	case err != nil:
		return Reply{}, err
	case size == 0:
		return Reply{}, errTruncated
	case env.typ != typeReply && env.typ != typeException:
		return Reply{}, fmt.Errorf("thrift: a message of type %d where a reply belongs", env.typ)
	}
	return Reply{Seq: env.seq, Name: env.name, encoding: enc, factor: d.AllocFactor, exception: env.typ == typeException, body: msg[size:]}, nil
}

// Decode fills result, whose strings then alias the message. It fails with an *rpc.Error if the reply is an exception
// of the server's, with the code that DESIGN.md's table gives its type, or does not decode.
func (r *Reply) Decode(result codec.Decodable) error {
	d := codec.NewDecoder(r.encoding, nil)
	d.ResetShared(r.encoding, r.body)
	d.SetAllocFactor(r.factor)
	if r.exception {
		var x applicationException
		x.DecodeThrift(d)
		if err := d.Err(); err != nil {
			return badReply(err)
		}
		return x.asError()
	}
	result.DecodeThrift(d)
	if err := d.Err(); err != nil {
		return badReply(err)
	}
	return nil
}

func badReply(err error) error {
	return &rpc.Error{Code: rpc.Internal, Message: "the reply does not decode: " + err.Error(), Execution: rpc.MaybeExecuted, Cause: err}
}
