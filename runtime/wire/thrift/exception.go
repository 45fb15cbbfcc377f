package thrift

import (
	"strings"
	"unicode/utf8"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// exceptionType is the type field of a TApplicationException.
type exceptionType int32

const (
	excUnknown               exceptionType = 0
	excUnknownMethod         exceptionType = 1
	excInvalidMessageType    exceptionType = 2
	excWrongMethodName       exceptionType = 3
	excBadSequenceID         exceptionType = 4
	excMissingResult         exceptionType = 5
	excInternalError         exceptionType = 6
	excProtocolError         exceptionType = 7
	excInvalidTransform      exceptionType = 8
	excInvalidProtocol       exceptionType = 9
	excUnsupportedClientType exceptionType = 10
)

// maxExceptionText bounds the text of an exception that is sent, in bytes.
const maxExceptionText = 8 << 10

// applicationException is TApplicationException, the struct of every Exception message.
type applicationException struct {
	message string
	typ     exceptionType
}

// EncodeThrift implements codec.Encodable.
func (x *applicationException) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(1, x.message)
	e.I32Field(2, int32(x.typ))
	e.EndStruct(outer)
}

// DecodeThrift implements codec.Decodable. Both fields are optional, as in Apache's readers.
func (x *applicationException) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		switch f.Key() {
		case 1<<8 | uint32(codec.String):
			x.message = d.String()
		case 2<<8 | uint32(codec.I32):
			x.typ = exceptionType(d.I32())
		default:
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

// exceptionFor translates an error on its way out. Thrift has no words for most codes: they go as internal errors whose
// text begins with the code's name. The types that promise the caller that nothing was executed are kept for errors
// that say so.
func exceptionFor(c *rpc.Call, err *rpc.Error) *applicationException {
	x := &applicationException{typ: excInternalError, message: err.Message}
	h, _ := c.State.(*header)
	switch {
	case h != nil && h.badTransform && err.Execution == rpc.NotExecuted:
		x.typ = excInvalidTransform
	case err.Code == rpc.Unimplemented && err.Execution != rpc.Executed:
		x.typ = excUnknownMethod
	case err.Code == rpc.InvalidArgument && err.Execution == rpc.NotExecuted:
		x.typ = excProtocolError
	case err.Code != rpc.Internal && err.Code != rpc.Unknown:
		x.message = err.Code.String() + ": " + x.message
	}
	x.message = clip(x.message)
	return x
}

// clip makes s valid UTF-8 of at most maxExceptionText bytes.
func clip(s string) string {
	if len(s) > maxExceptionText {
		s = s[:maxExceptionText]
		start := len(s) - 1 // of the last character, which may have been cut
		for start > len(s)-utf8.UTFMax && !utf8.RuneStart(s[start]) {
			start--
		}
		if !utf8.FullRuneInString(s[start:]) {
			s = s[:start]
		}
	}
	return strings.ToValidUTF8(s, "?")
}

// asError translates an exception on its way in.
func (x *applicationException) asError() *rpc.Error {
	e := &rpc.Error{Code: rpc.Unknown, Message: x.message, Execution: rpc.MaybeExecuted, Remote: true}
	switch x.typ {
	case excUnknownMethod:
		e.Code, e.Execution = rpc.Unimplemented, rpc.NotExecuted
	case excInvalidMessageType, excInvalidTransform, excInvalidProtocol, excUnsupportedClientType:
		e.Code, e.Execution = rpc.Unimplemented, rpc.NotExecuted
	case excProtocolError:
		e.Code, e.Execution = rpc.InvalidArgument, rpc.NotExecuted
	case excMissingResult:
		e.Code, e.Execution = rpc.Internal, rpc.Executed
	case excInternalError, excWrongMethodName, excBadSequenceID:
		e.Code = rpc.Internal
	}
	return e
}
