package wire

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// ReplyHeader is the header of a Reply.
type ReplyHeader struct {
	Encoding    codec.Encoding // of the body
	Compression uint8          // of the body
	RawSize     int            // bytes of the decompressed body, as declared; 0 where Compression is CompressionNone
}

const (
	replyHeaderMin = 2 // bytes of a Reply's header if the body is not compressed
	errorHeaderMin = 3 // bytes of an Error's header if the message is empty
)

// AppendReplyHeader appends h.
func AppendReplyHeader(dst []byte, h ReplyHeader) []byte {
	dst = append(dst, byte(h.Encoding), h.Compression)
	if h.Compression != CompressionNone {
		dst = binary.AppendUvarint(dst, uint64(h.RawSize))
	}
	return dst
}

// ParseReplyHeader reads a Reply's header, which b must consist of. The error is an *rpc.Error: the call was executed,
// and what came of it is lost. RawSize is a size, though not a bounded one.
func ParseReplyHeader(b []byte) (ReplyHeader, error) {
	h, err := parseReplyHeader(b)
	if err != nil {
		return ReplyHeader{}, err
	}
	return h, nil
}

func parseReplyHeader(b []byte) (h ReplyHeader, err *rpc.Error) {
	if len(b) < replyHeaderMin || len(b) > MaxHeader {
		return h, garbled("reply header of %d bytes", len(b))
	}
	h.Encoding, h.Compression = codec.Encoding(b[0]), b[1]
	if err := checkBody(h.Encoding, h.Compression); err != nil {
		return h, garbled("reply: %s", err.Message)
	}
	rest, ok := b[replyHeaderMin:], true
	if h.Compression != CompressionNone {
		if h.RawSize, rest, ok = takeSize(rest); !ok {
			return h, garbled("reply header with a bad body size")
		}
	}
	if bad := skipOptions(rest); bad != "" {
		return h, garbled("reply header with %s", string(bad))
	}
	return h, nil
}

// AppendError appends a whole Error frame. Of e it sends Code, Message (cut to MaxMessageText bytes), Execution, Advice,
// and the Stages that a server knows.
func AppendError(dst []byte, stream uint64, e *rpc.Error) []byte {
	return appendError(dst, stream, e, nil)
}

func appendError(dst []byte, stream uint64, e *rpc.Error, metadata []byte) []byte {
	code := e.Code
	if !code.Valid() {
		code = rpc.Unknown
	}
	start := len(dst)
	dst = AppendFrameHeader(dst, FrameHeader{Kind: KindError, Stream: stream})
	dst = append(dst, byte(code), byte(e.Execution))
	dst = appendText(dst, cutText(e.Message))
	dst = appendMetadataOption(dst, metadata)
	if e.Advice != rpc.AdviceNone {
		dst = appendUvarintOption(dst, TagAdvice, uint64(e.Advice))
	}
	if e.Stages.ServerQueue > 0 || e.Stages.Handler > 0 {
		queue, handler := microseconds(e.Stages.ServerQueue), microseconds(e.Stages.Handler)
		dst = append(dst, byte(TagStages), byte(uvarintLen(queue)+uvarintLen(handler)))
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, queue), handler)
	}
	patchFrame(dst[start:], len(dst)-start-FrameHeaderSize, 0)
	return dst
}

func appendMetadataOption(dst, metadata []byte) []byte {
	if len(metadata) == 0 {
		return dst
	}
	return appendOption(dst, TagMetadata, metadata)
}

// ReplyMetadata returns the encoded metadata in the payload of a Reply or Error frame, which it aliases; nil if there is
// none, or none that is well-formed.
func ReplyMetadata(h FrameHeader, payload []byte) []byte {
	if int(h.HeaderLen) > len(payload) || h.HeaderLen < replyHeaderMin {
		return nil
	}
	b, ok := payload[:h.HeaderLen], true
	switch compressed := b[1] != CompressionNone; {
	case h.Kind == KindError:
		_, b, ok = takeText(b[2:], MaxMessageText)
	case compressed:
		_, b, ok = takeSize(b[2:])
	default:
		b = b[2:]
	}
	if !ok {
		return nil
	}
	for o := (options{rest: b}); ; {
		tag, value, bad := o.next()
		if tag == 0 || bad != "" {
			return nil
		}
		if tag == TagMetadata {
			if _, bad := checkMetadata(value); bad != "" {
				return nil
			}
			return value
		}
	}
}

// ParseError reads an Error's header, which b must consist of, and returns what the other side said, with Remote set. If
// the header cannot be read, it returns an error that says so and has no Remote.
func ParseError(b []byte) *rpc.Error {
	if len(b) < errorHeaderMin || len(b) > MaxHeader {
		return unreadable("it has %d bytes", len(b))
	}
	e := &rpc.Error{Code: rpc.Code(b[0]), Execution: rpc.Execution(b[1]), Remote: true}
	if !e.Code.Valid() {
		e.Code = rpc.Unknown
	}
	if e.Execution > rpc.Executed {
		e.Execution = rpc.MaybeExecuted
	}
	text, rest, ok := takeText(b[2:], MaxMessageText)
	if !ok {
		return unreadable("bad message")
	}
	for o := (options{rest: rest}); ; {
		tag, value, bad := o.next()
		if bad == "" && tag.mustUnderstand() {
			bad = "an option that is unknown here"
		}
		if bad != "" {
			return unreadable("%s", string(bad))
		}
		if tag == 0 {
			break
		}
		setErrorOption(e, tag, value)
	}
	e.Message = strings.ToValidUTF8(string(text), "\uFFFD")
	return e
}

// setErrorOption takes over one option of a received Error. They are hints: one that cannot be read is left out.
func setErrorOption(e *rpc.Error, tag Tag, value []byte) {
	switch tag {
	case TagAdvice:
		if v, ok := wholeUvarint(value); ok && v <= uint64(rpc.AdviceFailover) {
			e.Advice = rpc.Advice(v)
		}
	case TagStages:
		queue, rest, ok := takeUvarint(value)
		handler, whole := wholeUvarint(rest)
		if ok && whole && queue <= maxTimeout && handler <= maxTimeout {
			e.Stages.ServerQueue = time.Duration(queue) * time.Microsecond
			e.Stages.Handler = time.Duration(handler) * time.Microsecond
		}
	}
}

// microseconds returns d in whole microseconds; 0 if it is negative.
func microseconds(d time.Duration) uint64 { return uint64(max(d.Microseconds(), 0)) }

// unreadable returns the error of a call that failed, and nobody can say why.
func unreadable(format string, args ...any) *rpc.Error {
	e := garbled("error header: "+format, args...)
	e.Execution = rpc.MaybeExecuted
	return e
}

// skipOptions checks options of which none is known yet.
func skipOptions(b []byte) optionErr {
	for o := (options{rest: b}); ; {
		tag, _, bad := o.next()
		if tag == 0 || bad != "" {
			return bad
		}
		if tag.mustUnderstand() {
			return "an option that is unknown here"
		}
	}
}
