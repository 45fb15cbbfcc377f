package wire

import (
	"encoding/binary"
	"strings"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const (
	creditSize = 8  // a Credit's payload
	resetMin   = 10 // a Reset's payload with an empty message
)

// DataCost returns what a Data frame with n bytes of payload takes from the stream's window and from the connection's:
// the bytes, and what keeping them costs the receiver besides. So empty messages are not free. An end of stream is.
func DataCost(n int) uint64 { return uint64(n) + DataOverhead }

// AppendDataHeader appends the frame header of a Data frame; n bytes of payload have to follow it. flags are FlagMore and
// FlagBlocked.
func AppendDataHeader(dst []byte, stream uint64, flags Flags, n int) []byte {
	return AppendFrameHeader(dst, FrameHeader{Length: uint32(n), Kind: KindData, Flags: flags, Stream: stream})
}

// AppendEnd appends a whole Data frame that says that no more messages follow.
func AppendEnd(dst []byte, stream uint64) []byte { return AppendDataHeader(dst, stream, FlagEnd, 0) }

// AppendCredit appends a whole Credit frame. stream is 0 for the connection's own limit.
func AppendCredit(dst []byte, stream, limit uint64) []byte {
	dst = AppendFrameHeader(dst, FrameHeader{Length: creditSize, Kind: KindCredit, Stream: stream})
	return binary.BigEndian.AppendUint64(dst, limit)
}

// ParseCredit returns the limit in the payload of a Credit that has passed Check. The error is a *ConnError.
func ParseCredit(payload []byte) (limit uint64, err error) {
	if len(payload) != creditSize {
		return 0, connErrorf(rpc.InvalidArgument, "credit of %d bytes", len(payload))
	}
	if limit = binary.BigEndian.Uint64(payload); limit > flow.MaxOffset {
		return 0, connErrorf(rpc.InvalidArgument, "credit up to %d", limit)
	}
	return limit, nil
}

// Reset ends both directions of a stream at once.
type Reset struct {
	Final   uint64   // the sender's offset on the stream: the DataCost of all Data that it has charged to its credit
	Code    rpc.Code // why
	Message string   // cut to MaxMessageText bytes
}

// AppendReset appends a whole Reset frame.
func AppendReset(dst []byte, stream uint64, r Reset) []byte {
	if !r.Code.Valid() {
		r.Code = rpc.Unknown
	}
	start := len(dst)
	dst = AppendFrameHeader(dst, FrameHeader{Kind: KindReset, Stream: stream})
	dst = binary.BigEndian.AppendUint64(dst, r.Final)
	dst = append(dst, byte(r.Code))
	dst = appendText(dst, cutText(r.Message))
	patchFrame(dst[start:], 0, 0)
	return dst
}

// ParseReset reads the payload of a Reset. The error is a *ConnError.
func ParseReset(payload []byte) (Reset, error) {
	if len(payload) < resetMin {
		return Reset{}, connErrorf(rpc.InvalidArgument, "reset of %d bytes", len(payload))
	}
	r := Reset{Final: binary.BigEndian.Uint64(payload), Code: rpc.Code(payload[8])}
	if r.Final > flow.MaxOffset {
		return Reset{}, connErrorf(rpc.InvalidArgument, "reset at offset %d", r.Final)
	}
	if !r.Code.Valid() {
		r.Code = rpc.Unknown
	}
	text, _, ok := takeText(payload[9:], MaxMessageText) // what follows is for later versions
	if !ok {
		return Reset{}, connErrorf(rpc.InvalidArgument, "reset with a bad message")
	}
	r.Message = strings.ToValidUTF8(string(text), "\uFFFD")
	return r, nil
}

// AppendMessage appends the encoding of one message of a stream: the payload of its Data frames. enc is that of the call.
// The error is an *rpc.Error, for a message that cannot be encoded or is over MaxMessage; dst is then returned as it was.
func (d *Dialect) AppendMessage(dst []byte, enc codec.Encoding, m codec.Encodable) ([]byte, error) {
	out, err := encodeBody(dst, nil, enc, m)
	if err != nil {
		return dst, &rpc.Error{Code: rpc.InvalidArgument, Message: "message: " + err.Error(), Cause: err}
	}
	if n, limit := len(out)-len(dst), d.maxMessage(); n > limit {
		return dst, rpc.Errorf(rpc.ResourceExhausted, "message: %d bytes, at most %d allowed", n, limit)
	}
	return out, nil
}

// DecodeMessage fills m from a whole message, whose strings may alias b: nobody may write to that again. If b is lent, only
// binaries of m may alias it, and whoever writes to b has said so. The error is an *rpc.Error.
func (d *Dialect) DecodeMessage(enc codec.Encoding, b []byte, lent bool, m codec.Decodable) error {
	if limit := d.maxMessage(); len(b) > limit {
		return rpc.Errorf(rpc.ResourceExhausted, "message: %d bytes, at most %d allowed", len(b), limit)
	}
	if err := d.decodeBody(enc, b, lent, m); err != nil {
		return &rpc.Error{Code: rpc.InvalidArgument, Message: "message: " + err.Error(), Cause: err}
	}
	return nil
}
