package wire

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// How a body travels.
const (
	CompressionNone   uint8 = 0
	CompressionSnappy uint8 = 1 // Snappy framing format, see package compress
)

// maxTimeout is the longest timeout, in microseconds, that fits into a Duration.
const maxTimeout = math.MaxInt64 / uint64(time.Microsecond)

// TraceSize is the size of an encoded trace context in bytes.
const TraceSize = 25

// CallOptions are the parts of a call header that are there only if needed.
type CallOptions struct {
	Timeout     time.Duration // time left; 0 if unlimited. Sent in microseconds, rounded up
	ClientID    rpc.ClientID  // if HasClientID: whose call it is, where that is not the connection's client
	HasClientID bool
	Retry       uint32 // 0 for the first attempt
	Number      uint64 // of an at-most-once call: the same in all its attempts, rising from call to call of a client; 0 if none
	Metadata    []byte // encoded pairs, see rpc.Metadata and Metadata; nil if none
	Trace       []byte // TraceSize bytes; nil if none
	Stream      bool   // the call opens a stream. FeatureStreams must be in force
	Window      uint64 // if Stream: the limit of the server's Data, 0 (it sends none) or at least MinWindow
}

// CallHeader is the header of a Call. Slices of a parsed one alias the input.
type CallHeader struct {
	Method      []byte         // full name, "Echo.echo"
	Encoding    codec.Encoding // of the body
	Compression uint8          // of the body
	RawSize     int            // bytes of the decompressed body, as declared; 0 where Compression is CompressionNone
	CallOptions
}

// AppendCallHeader appends h without checking it.
func AppendCallHeader(dst []byte, h *CallHeader) []byte {
	return appendCallHeader(dst, h.Method, h.Encoding, h.Compression, h.RawSize, &h.CallOptions)
}

func appendCallHeader[T string | []byte](dst []byte, method T, enc codec.Encoding, compression uint8, rawSize int, o *CallOptions) []byte {
	dst = append(dst, byte(enc), compression)
	dst = appendText(dst, method)
	if compression != CompressionNone {
		dst = binary.AppendUvarint(dst, uint64(rawSize))
	}
	if o.HasClientID {
		dst = appendOption(dst, TagClientID, o.ClientID[:])
	}
	if o.Timeout > 0 {
		// Rounded up, so that no deadline turns into "none", and a server never gives up before its client.
		us := (uint64(o.Timeout) + uint64(time.Microsecond) - 1) / uint64(time.Microsecond)
		dst = appendUvarintOption(dst, TagTimeout, min(us, maxTimeout))
	}
	if o.Retry > 0 {
		dst = appendUvarintOption(dst, TagRetry, uint64(o.Retry))
	}
	if o.Number > 0 {
		dst = appendUvarintOption(dst, TagNumber, o.Number)
	}
	if len(o.Metadata) > 0 {
		dst = appendOption(dst, TagMetadata, o.Metadata)
	}
	if o.Stream {
		dst = appendUvarintOption(dst, TagStream, o.Window)
	}
	if len(o.Trace) > 0 {
		dst = appendOption(dst, TagTrace, o.Trace)
	}
	return dst
}

// check returns why the other side would refuse these options; nil if it would not.
func (o *CallOptions) check() *rpc.Error {
	if o.Timeout < 0 {
		return refuse(rpc.DeadlineExceeded, "no time left")
	}
	if code, bad := checkMetadata(o.Metadata); bad != "" {
		return refuse(code, "metadata: %s", bad)
	}
	if len(o.Trace) != 0 && len(o.Trace) != TraceSize {
		return refuse(rpc.InvalidArgument, "trace context of %d bytes", len(o.Trace))
	}
	if o.Stream && !validWindow(o.Window) {
		return refuse(rpc.InvalidArgument, "stream window of %d bytes", o.Window)
	}
	return nil
}

func validWindow(n uint64) bool { return n == 0 || n >= MinWindow && n <= flow.MaxOffset }

// ParseCallHeader reads a Call's header, which b must consist of. The error is an *rpc.Error to answer this call with;
// the connection can go on. Encoding and Compression are known ones in what it returns, Metadata is well-formed, and
// RawSize is a size, though not a bounded one: Dialect.Open does that.
func ParseCallHeader(b []byte) (h CallHeader, err error) {
	if len(b) > MaxHeader {
		return CallHeader{}, refuse(rpc.ResourceExhausted, "call header of %d bytes, at most %d allowed", len(b), MaxHeader)
	}
	if len(b) < 2 {
		return CallHeader{}, refuse(rpc.InvalidArgument, "call header is truncated")
	}
	h.Encoding, h.Compression = codec.Encoding(b[0]), b[1]
	if err := checkBody(h.Encoding, h.Compression); err != nil {
		return CallHeader{}, err
	}
	method, rest, ok := takeText(b[2:], MaxHeader)
	switch {
	case !ok:
		return CallHeader{}, refuse(rpc.InvalidArgument, "call header is truncated in the method's name")
	case len(method) == 0:
		return CallHeader{}, refuse(rpc.InvalidArgument, "call header without a method")
	case len(method) > MaxMethod:
		return CallHeader{}, refuse(rpc.ResourceExhausted, "method name of %d bytes, at most %d allowed", len(method), MaxMethod)
	}
	h.Method = method
	if h.Compression != CompressionNone {
		if h.RawSize, rest, ok = takeSize(rest); !ok {
			return CallHeader{}, refuse(rpc.InvalidArgument, "call header with a bad body size")
		}
	}
	for o := (options{rest: rest}); ; {
		tag, value, bad := o.next()
		if bad != "" {
			return CallHeader{}, refuse(rpc.InvalidArgument, "call header with %s", string(bad))
		}
		if tag == 0 {
			return h, nil
		}
		if err := h.set(tag, value); err != nil {
			return CallHeader{}, err
		}
	}
}

// set takes over one option of a received header.
func (o *CallOptions) set(tag Tag, value []byte) *rpc.Error {
	ok := true
	switch tag {
	case TagClientID:
		if ok = len(value) == len(o.ClientID); ok {
			o.ClientID, o.HasClientID = rpc.ClientID(value), true
		}
	case TagTimeout:
		var us uint64
		us, ok = wholeUvarint(value)
		ok = ok && us > 0 && us <= maxTimeout
		o.Timeout = time.Duration(us) * time.Microsecond
	case TagRetry:
		var n uint64
		n, ok = wholeUvarint(value)
		ok = ok && n > 0 && n <= math.MaxUint32
		o.Retry = uint32(n)
	case TagNumber:
		o.Number, ok = wholeUvarint(value)
		ok = ok && o.Number > 0
	case TagMetadata:
		if code, bad := checkMetadata(value); bad != "" {
			return refuse(code, "metadata: %s", bad)
		}
		o.Metadata = value
	case TagStream:
		o.Window, ok = wholeUvarint(value)
		ok = ok && validWindow(o.Window)
		o.Stream = true
	case TagTrace:
		ok = len(value) == TraceSize
		o.Trace = value
	default:
		if tag.mustUnderstand() {
			return refuse(rpc.Unimplemented, "call header with option %d, which is unknown here", tag)
		}
	}
	if !ok {
		return refuse(rpc.InvalidArgument, "call header with a bad value in option %d", tag)
	}
	return nil
}

// checkBody checks that a body can be read here.
func checkBody(enc codec.Encoding, compression uint8) *rpc.Error {
	if enc != codec.Binary && enc != codec.Compact {
		return refuse(rpc.Unimplemented, "encoding %d is unknown here", uint8(enc))
	}
	if compression > CompressionSnappy {
		return refuse(rpc.Unimplemented, "compression %d is unknown here", compression)
	}
	return nil
}

// takeSize reads a body's size off the front of b.
func takeSize(b []byte) (size int, rest []byte, ok bool) {
	v, rest, ok := takeUvarint(b)
	if !ok || v > math.MaxInt32 {
		return 0, nil, false
	}
	return int(v), rest, true
}
