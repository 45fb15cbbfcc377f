package wire

import (
	"encoding/binary"
	"strings"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const (
	pingSize  = 8  // a Ping's or Pong's payload
	goAwayMin = 10 // a GoAway's payload with an empty message
)

// AppendCancel appends a whole Cancel frame.
func AppendCancel(dst []byte, stream uint64) []byte {
	return AppendFrameHeader(dst, FrameHeader{Kind: KindCancel, Stream: stream})
}

// AppendPing appends a whole Ping frame. The Pong that answers it carries the same token.
func AppendPing(dst []byte, token uint64) []byte { return appendToken(dst, KindPing, token) }

// AppendPong appends a whole Pong frame.
func AppendPong(dst []byte, token uint64) []byte { return appendToken(dst, KindPong, token) }

func appendToken(dst []byte, kind Kind, token uint64) []byte {
	dst = AppendFrameHeader(dst, FrameHeader{Length: pingSize, Kind: kind})
	return binary.BigEndian.AppendUint64(dst, token)
}

// ParsePing returns the token in the payload of a Ping or Pong that has passed Check.
func ParsePing(payload []byte) (token uint64, err error) {
	if len(payload) != pingSize {
		return 0, connErrorf(rpc.InvalidArgument, "ping of %d bytes", len(payload))
	}
	return binary.BigEndian.Uint64(payload), nil
}

// GoAway tells the other side that its new calls will not be taken on this connection.
type GoAway struct {
	Last    uint64   // calls with higher stream ids have not been and will not be executed
	Code    rpc.Code // 0 if nothing is wrong: the sender is shutting down
	Message string   // cut to MaxMessageText bytes
}

// AppendGoAway appends a whole GoAway frame.
func AppendGoAway(dst []byte, g GoAway) []byte {
	start := len(dst)
	dst = AppendFrameHeader(dst, FrameHeader{Kind: KindGoAway})
	dst = binary.BigEndian.AppendUint64(dst, g.Last)
	dst = append(dst, byte(g.Code))
	dst = appendText(dst, cutText(g.Message))
	patchFrame(dst[start:], 0, 0)
	return dst
}

// ParseGoAway reads the payload of a GoAway. The error is a *ConnError.
func ParseGoAway(payload []byte) (GoAway, error) {
	if len(payload) < goAwayMin {
		return GoAway{}, connErrorf(rpc.InvalidArgument, "goaway of %d bytes", len(payload))
	}
	g := GoAway{Last: binary.BigEndian.Uint64(payload), Code: rpc.Code(payload[8])}
	if g.Code != 0 && !g.Code.Valid() {
		g.Code = rpc.Unknown
	}
	text, _, ok := takeText(payload[9:], MaxMessageText) // what follows is for later versions
	if !ok {
		return GoAway{}, connErrorf(rpc.InvalidArgument, "goaway with a bad message")
	}
	g.Message = strings.ToValidUTF8(string(text), "\uFFFD")
	return g, nil
}

// patchFrame fills in the lengths of the frame that b starts with and ends with, and that has so many bytes elsewhere.
func patchFrame(b []byte, headerLen, elsewhere int) {
	binary.BigEndian.PutUint32(b, uint32(len(b)-FrameHeaderSize+elsewhere))
	binary.BigEndian.PutUint16(b[6:], uint16(headerLen))
}
