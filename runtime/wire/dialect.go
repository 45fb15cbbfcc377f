package wire

import (
	"errors"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/compress"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Dialect packs and unpacks the bodies of native calls and replies: a server through rpc.Dialect, a client through
// AppendCall and DecodeReply. The zero value has the defaults. It is not to be changed once in use; a connection whose
// peer announces another frame limit gets its own copy.
type Dialect struct {
	Encoding   codec.Encoding // of the calls that a client sends; a reply has the encoding of its call
	Threshold  int            // bodies of so many bytes are compressed; 0 for DefaultThreshold, negative for never
	MaxMessage int            // bytes of a body, decompressed, in both directions; 0 for DefaultMaxMessage
	MaxFrame   int            // bytes that the peer accepts in a frame; 0 for DefaultMaxFrame

	AllocFactor int // of codec.Decoder.SetAllocFactor, for what this side reads
}

var _ rpc.ReportingDialect = (*Dialect)(nil)

func (d *Dialect) maxMessage() int {
	if d.MaxMessage <= 0 {
		return DefaultMaxMessage
	}
	return d.MaxMessage
}

func (d *Dialect) maxFrame() int {
	if d.MaxFrame <= 0 {
		return DefaultMaxFrame
	}
	return d.MaxFrame
}

// Open implements rpc.Dialect. The error is an *rpc.Error with the execution NotExecuted. A decompressed body is a
// fresh slice, which the call owns as it owned the compressed one.
func (d *Dialect) Open(c *rpc.Call) error {
	body, err := d.open(c.Body, c.Compression, c.RawSize)
	if err != nil {
		return err
	}
	c.Body, c.Compression, c.RawSize = body, CompressionNone, 0
	return nil
}

// open returns the plain form of a body: the same slice if it is plain already.
func (d *Dialect) open(body []byte, compression uint8, rawSize int) ([]byte, *rpc.Error) {
	limit := d.maxMessage()
	switch compression {
	case CompressionNone:
		if len(body) > limit {
			return nil, refuse(rpc.ResourceExhausted, "body of %d bytes, at most %d allowed", len(body), limit)
		}
		return body, nil
	case CompressionSnappy:
		raw, err := compress.DecodeSnappy(nil, body, rawSize, limit)
		if err == nil {
			return raw, nil
		}
		code := rpc.InvalidArgument
		if errors.Is(err, compress.ErrTooLarge) {
			code = rpc.ResourceExhausted
		}
		return nil, &rpc.Error{Code: code, Message: err.Error(), Execution: rpc.NotExecuted, Cause: err}
	}
	return nil, refuse(rpc.Unimplemented, "compression %d is unknown here", compression)
}

// AppendReply implements rpc.Dialect. A result that cannot be encoded, or does not fit into MaxMessage and MaxFrame,
// becomes an Error frame that says so.
func (d *Dialect) AppendReply(dst []byte, c *rpc.Call, r rpc.Reply) []byte {
	dst, _ = d.AppendReplyReport(dst, c, r)
	return dst
}

// AppendReplyReport implements rpc.ReportingDialect.
func (d *Dialect) AppendReplyReport(dst []byte, c *rpc.Call, r rpc.Reply) ([]byte, rpc.ReplyReport) {
	return d.appendAnswer(dst, nil, c, r)
}

// AppendReplySplices is AppendReplyReport, but for strings of SpliceSize and more, which are left out of dst and returned:
// they are part of the frame. list is memory for that, whose contents are overwritten.
func (d *Dialect) AppendReplySplices(dst []byte, list codec.Splices, c *rpc.Call, r rpc.Reply) ([]byte, codec.Splices, rpc.ReplyReport) {
	list = list[:0]
	out, report := d.appendAnswer(dst, &list, c, r)
	return out, list, report
}

// appendAnswer appends a Reply or Error frame, with nil for splices in one piece.
func (d *Dialect) appendAnswer(dst []byte, splices *codec.Splices, c *rpc.Call, r rpc.Reply) ([]byte, rpc.ReplyReport) {
	if c.Oneway {
		return dst, rpc.ReplyReport{}
	}
	err := r.Err
	if err == nil && r.Result == nil {
		err = &rpc.Error{Code: rpc.Internal, Message: "the handler gave no reply", Execution: rpc.Executed}
	}
	if err == nil {
		var out []byte
		var plain int
		if out, plain, err = d.appendReply(dst, splices, c, r.Result); err == nil {
			return out, rpc.ReplyReport{Plain: plain}
		}
	}
	if splices != nil {
		*splices = (*splices)[:0]
	}
	start := len(dst)
	dst = appendError(dst, c.ID, err, c.ReplyMetadata())
	report := rpc.ReplyReport{Plain: len(dst) - start}
	if err != r.Err {
		report.Err = err
	}
	return dst, report
}

// appendReply appends a Reply frame. plain is its size before compression.
func (d *Dialect) appendReply(dst []byte, splices *codec.Splices, c *rpc.Call, result codec.Encodable) (_ []byte, plain int, _ *rpc.Error) {
	wish := rpc.CompressDefault
	if c.Handler != nil {
		wish = c.Handler.Method.Compress
	}
	start := len(dst)
	dst = AppendFrameHeader(dst, FrameHeader{Kind: KindReply, Stream: c.ID})
	metadata := c.ReplyMetadata()
	dst = appendMetadataOption(AppendReplyHeader(dst, ReplyHeader{Encoding: c.Encoding}), metadata)
	body := len(dst)
	dst, err := encodeBody(dst, splices, c.Encoding, result)
	if err != nil {
		return nil, 0, &rpc.Error{Code: rpc.Internal, Message: "result: " + err.Error(), Execution: rpc.Executed, Cause: err}
	}
	plain = len(dst) - start + sizeOf(splices)
	dst, tooBig := d.finish(dst, splices, start, body, wish, func(dst []byte, rawSize int) []byte {
		return appendMetadataOption(AppendReplyHeader(dst, ReplyHeader{c.Encoding, CompressionSnappy, rawSize}), metadata)
	})
	if tooBig != "" {
		return nil, 0, &rpc.Error{Code: rpc.ResourceExhausted, Message: "result: " + tooBig, Execution: rpc.Executed}
	}
	return dst, plain, nil
}

// AppendCall appends a whole Call frame; o may be nil. The error is an *rpc.Error with the execution NotExecuted, and
// dst is then returned as it was. stream is higher than in all earlier calls of the connection; SetStream changes it later.
func (d *Dialect) AppendCall(dst []byte, stream uint64, m *rpc.Method, args codec.Encodable, o *CallOptions) ([]byte, error) {
	out, err := d.appendCall(dst, nil, stream, m, args, o)
	if err != nil {
		err.Method = m.FullName
		return dst, err
	}
	return out, nil
}

// AppendCallSplices is AppendCall, but for strings of SpliceSize and more, which are left out of dst and returned: they are
// part of the frame. list is memory for that, whose contents are overwritten. With an error the result is empty.
func (d *Dialect) AppendCallSplices(dst []byte, list codec.Splices, stream uint64, m *rpc.Method, args codec.Encodable, o *CallOptions) ([]byte, codec.Splices, error) {
	list = list[:0]
	out, err := d.appendCall(dst, &list, stream, m, args, o)
	if err != nil {
		err.Method = m.FullName
		return dst, list[:0], err
	}
	return out, list, nil
}

func (d *Dialect) appendCall(dst []byte, splices *codec.Splices, stream uint64, m *rpc.Method, args codec.Encodable, o *CallOptions) ([]byte, *rpc.Error) {
	if n := len(m.FullName); n == 0 || n > MaxMethod {
		return nil, refuse(rpc.InvalidArgument, "method name of %d bytes, at most %d allowed", n, MaxMethod)
	}
	if o == nil {
		o = &noOptions
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	header := FrameHeader{Kind: KindCall, Stream: stream}
	if m.Oneway {
		header.Flags = FlagOneway
	}
	start := len(dst)
	dst = AppendFrameHeader(dst, header)
	dst = appendCallHeader(dst, m.FullName, d.Encoding, CompressionNone, 0, o)
	body := len(dst)
	dst, err := encodeBody(dst, splices, d.Encoding, args)
	if err != nil {
		e := refuse(rpc.InvalidArgument, "arguments: %v", err)
		e.Cause = err
		return nil, e
	}
	dst, tooBig := d.finish(dst, splices, start, body, m.Compress, func(dst []byte, rawSize int) []byte {
		return appendCallHeader(dst, m.FullName, d.Encoding, CompressionSnappy, rawSize, o)
	})
	if tooBig != "" {
		return nil, refuse(rpc.ResourceExhausted, "arguments: %s", tooBig)
	}
	return dst, nil
}

var noOptions CallOptions // never written

// sizeOf returns the bytes of splices, which may be nil.
func sizeOf(splices *codec.Splices) int {
	if splices == nil {
		return 0
	}
	return splices.Size()
}

// finish compresses the body of the frame that begins at start, if that is wanted and pays, and fills in the frame's
// lengths. dst ends with the plain body, without the splices, which may be nil and are empty if the body was compressed;
// reheader appends the kind's header of a compressed one. If the limits do not allow the frame, tooBig says why.
func (d *Dialect) finish(dst []byte, splices *codec.Splices, start, body int, wish rpc.Compress, reheader func(dst []byte, rawSize int) []byte) (_ []byte, tooBig string) {
	var list codec.Splices
	if splices != nil {
		list = *splices
	}
	left := list.Size()
	rawSize := len(dst) - body + left
	if limit := d.maxMessage(); rawSize > limit {
		return dst, fmt.Sprintf("%d bytes, at most %d allowed", rawSize, limit)
	}
	if d.wantsCompression(wish, rawSize, dst[body:], list) {
		s := scratches.Get().(*scratch)
		if s.compress(s.join(dst, list)[body:], wish) {
			dst = reheader(dst[:start+FrameHeaderSize], rawSize)
			body = len(dst)
			dst = append(dst, s.packed...)
			if left > 0 {
				*splices, left = list[:0], 0
			}
		}
		s.release()
	}
	if n, limit := len(dst)+left-start-FrameHeaderSize, d.maxFrame(); n > limit {
		return dst, fmt.Sprintf("a frame of %d bytes, the peer accepts %d", n, limit)
	}
	patchFrame(dst[start:], body-start-FrameHeaderSize, left)
	return dst, ""
}

// DecodeReply takes the Reply or Error frame that answers a call of m. For a Reply it fills result, whose strings may
// alias payload: nobody may write to that again. For an Error it returns what the other side said, with Remote set. The
// error is an *rpc.Error with Method set.
func (d *Dialect) DecodeReply(m *rpc.Method, h FrameHeader, payload []byte, result codec.Decodable) error {
	if err := d.decodeReply(h, payload, result); err != nil {
		err.Method = m.FullName
		return err
	}
	return nil
}

func (d *Dialect) decodeReply(h FrameHeader, payload []byte, result codec.Decodable) *rpc.Error {
	if int(h.HeaderLen) > len(payload) {
		return garbled("%v frame: header of %d bytes in a frame of %d", h.Kind, h.HeaderLen, len(payload))
	}
	header, body := payload[:h.HeaderLen], payload[h.HeaderLen:]
	switch {
	case h.Kind == KindError:
		return ParseError(header)
	case h.Kind != KindReply:
		return garbled("%v frame as a reply", h.Kind)
	case result == nil:
		return garbled("a reply to a oneway call")
	}
	rh, err := parseReplyHeader(header)
	if err != nil {
		return err
	}
	if body, err = d.open(body, rh.Compression, rh.RawSize); err != nil {
		if err.Code != rpc.ResourceExhausted {
			err.Code = rpc.Internal
		}
		err.Message, err.Execution = "reply: "+err.Message, rpc.Executed
		return err
	}
	if err := d.decodeBody(rh.Encoding, body, false, result); err != nil {
		return &rpc.Error{Code: rpc.Internal, Message: "reply: " + err.Error(), Execution: rpc.Executed, Cause: err}
	}
	return nil
}
