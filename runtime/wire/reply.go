package wire

import (
	"encoding/binary"
	"strings"

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

// AppendError appends a whole Error frame. Of e it sends Code, Message (cut to MaxMessageText bytes) and Execution.
func AppendError(dst []byte, stream uint64, e *rpc.Error) []byte {
	code := e.Code
	if !code.Valid() {
		code = rpc.Unknown
	}
	start := len(dst)
	dst = AppendFrameHeader(dst, FrameHeader{Kind: KindError, Stream: stream})
	dst = append(dst, byte(code), byte(e.Execution))
	dst = appendText(dst, cutText(e.Message))
	patchFrame(dst[start:], len(dst)-start-FrameHeaderSize)
	return dst
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
	if bad := skipOptions(rest); bad != "" {
		return unreadable("%s", string(bad))
	}
	e.Message = strings.ToValidUTF8(string(text), "\uFFFD")
	return e
}

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
