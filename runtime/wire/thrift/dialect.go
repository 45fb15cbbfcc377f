package thrift

import (
	"fmt"
	"strings"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Defaults of a Dialect's limits, in bytes. The first is what Apache's libraries have.
const (
	DefaultMaxFrame   = 16_384_000
	DefaultMaxMessage = 64 << 20
)

// Dialect is one way to speak Thrift. Nobody changes it once it is in use; its methods may then be called concurrently.
type Dialect struct {
	Framed   bool           // each message comes after its length
	Header   bool           // each message is in a THeader frame; Framed is implied
	Encoding codec.Encoding // with Header: of calls sent; the others say for themselves
	Strict   bool           // binary messages carry the version; with Header as for Encoding

	MaxFrame   int // the largest frame, in both directions; 0 is DefaultMaxFrame
	MaxMessage int // the largest message that is unframed or was decompressed; 0 is DefaultMaxMessage

	AllocFactor int // of codec.Decoder.SetAllocFactor, for replies

	// For clients that speak THeader. Servers answer with the transforms of the call, and without info headers.
	Transforms []Transform // at most MaxTransforms, in the order in which they are applied
	Info       []byte      // sent with every call; AppendInfo makes it
}

var _ rpc.ReportingDialect = (*Dialect)(nil)

// String returns the dialect's name as in "framed binary" or "unframed non-strict binary".
func (d *Dialect) String() string {
	if d.Header {
		return "THeader"
	}
	s := d.Encoding.String()
	if d.Encoding == codec.Binary && !d.Strict {
		s = "non-strict " + s
	}
	if d.Framed {
		return "framed " + s
	}
	return "unframed " + s
}

func (d *Dialect) framed() bool { return d.Framed || d.Header }

func (d *Dialect) maxFrame() int {
	if d.MaxFrame > 0 {
		return d.MaxFrame
	}
	return DefaultMaxFrame
}

func (d *Dialect) maxMessage() int {
	if d.MaxMessage > 0 {
		return d.MaxMessage
	}
	return DefaultMaxMessage
}

// ReadCall fills c from a message that a Splitter of this dialect returned: ID, Name, Encoding, Body, Oneway, Metadata,
// Dialect and State. c keeps msg. It decompresses nothing: where THeader transforms hide the name, Name stays empty
// and ID is the frame's sequence number until Open. Metadata holds THeader's info headers; InfoHeaders reads them.
//
// An error means that the connection is out of step, or speaks another dialect than it began with, and has to be closed.
// What only this call is refused for comes from Open.
func (d *Dialect) ReadCall(msg []byte, c *rpc.Call) error {
	c.Dialect = d
	if !d.Header {
		c.Encoding, c.Body = d.Encoding, msg
		strict, err := openEnvelope(c)
		if err == nil && strict != d.Strict && d.Encoding == codec.Binary {
			err = fmt.Errorf("thrift: a message of another dialect on a connection that speaks %s", d)
		}
		return err
	}
	h, payload, err := parseHeader(msg)
	if err != nil {
		return err
	}
	c.ID, c.Encoding, c.Body, c.Metadata = uint64(h.seq), h.encoding, payload, h.info
	c.State = &h
	if h.n > 0 || h.badTransform {
		return nil
	}
	strict, err := openEnvelope(c)
	h.strict = strict || err != nil
	return err
}

// openEnvelope takes the envelope off the front of c.Body.
func openEnvelope(c *rpc.Call) (strict bool, err error) {
	env, size, _, err := parseEnvelope(c.Encoding, c.Body)
	switch {
	case err != nil:
		return false, err
	case size == 0:
		return false, errTruncated
	case env.typ != typeCall && env.typ != typeOneway:
		return false, fmt.Errorf("thrift: a message of type %d where a call belongs", env.typ)
	}
	c.ID = uint64(uint32(env.seq))
	c.Name = string(env.name)
	c.Oneway = env.typ == typeOneway
	c.Body = c.Body[size:]
	return env.strict, nil
}

// Open undoes a THeader call's transforms and then sets ID, Name, Oneway and Body. Its error, an *rpc.Error with
// NotExecuted, refuses this call only.
func (d *Dialect) Open(c *rpc.Call) error {
	h, _ := c.State.(*header)
	if h == nil || h.n == 0 && h.refusal == nil {
		return nil
	}
	if h.refusal != nil {
		return h.refusal
	}
	body, err := h.undo(c.Body, d.maxMessage())
	if err == nil {
		c.Body = body
		var strict bool
		strict, err = openEnvelope(c)
		h.strict = strict || err != nil
	}
	if err != nil {
		return &rpc.Error{Code: rpc.InvalidArgument, Message: err.Error(), Execution: rpc.NotExecuted, Cause: err}
	}
	return nil
}

// AppendReply appends the reply in the dialect, and with the transforms, of the call. It appends nothing if the message
// was of type Oneway, and nothing if the method is: not a few clients, Apache's Go library among them, send those as
// calls and yet wait for no answer. A result that cannot be encoded, or exceeds the limits, is replaced with an exception.
func (d *Dialect) AppendReply(dst []byte, c *rpc.Call, r rpc.Reply) []byte {
	dst, _ = d.AppendReplyReport(dst, c, r)
	return dst
}

// AppendReplyReport implements rpc.ReportingDialect.
func (d *Dialect) AppendReplyReport(dst []byte, c *rpc.Call, r rpc.Reply) ([]byte, rpc.ReplyReport) {
	if c.Oneway || c.Handler != nil && c.Handler.Method.Oneway {
		return dst, rpc.ReplyReport{}
	}
	var failure *rpc.Error
	m := message{encoding: c.Encoding, strict: d.Strict, typ: typeReply, seq: int32(uint32(c.ID)), name: replyName(c)}
	if h, ok := c.State.(*header); ok {
		reply := *h
		reply.info = nil
		m.header, m.strict = &reply, h.strict
	}
	switch {
	case r.Err != nil:
		m.setException(exceptionFor(c, r.Err))
	case r.Result == nil:
		failure = &rpc.Error{Code: rpc.Internal, Message: "the handler returned no result", Execution: rpc.Executed}
		m.setException(&applicationException{typ: excMissingResult, message: failure.Message})
	default:
		m.body = r.Result
	}
	out, err := d.appendMessage(dst, &m)
	if err != nil {
		failure = &rpc.Error{Code: rpc.Internal, Message: "the result cannot be sent: " + err.Error(), Execution: rpc.Executed, Cause: err}
		m.setException(&applicationException{typ: excInternalError, message: failure.Message})
		out, _ = d.appendMessage(dst, &m) // an exception always can
	}
	return out, rpc.ReplyReport{Plain: m.plain, Err: failure}
}

// replyName is the name in the reply's envelope. As with Apache's multiplexing servers it is without the service, which
// is what clients compare it with.
func replyName(c *rpc.Call) string {
	if c.Handler != nil {
		return c.Handler.Method.Name
	}
	if _, method, ok := strings.Cut(c.Name, ":"); ok {
		return method
	}
	return c.Name
}
