// Package wire is the native wire format: frames, call and reply headers, their limits, and the Dialect that puts calls
// and replies into them.
//
// Append functions append to the slice they are given and return it. Parse functions take bytes from outside, allocate
// nothing unless they fail, and return slices of their input. All are free of state and may be called concurrently.
// spec.md has the byte tables.
//
// What a broken input ends follows from what it breaks. Damage to the framing (preamble, frame header, control frames)
// ends the connection: those functions return a *ConnError. Inside a sound frame only its own call is lost: those
// functions return an *rpc.Error, ready to be sent or returned.
package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// FrameHeaderSize is the size of every frame's header in bytes.
const FrameHeaderSize = 16

// Kind says what a frame is.
type Kind uint8

// Numbers from 11 to 15 are kept for streams.
const (
	KindCall   Kind = 1 // client to server
	KindReply  Kind = 2 // server to client: the method's result struct, declared exceptions included
	KindError  Kind = 3 // server to client: the call failed
	KindCancel Kind = 4 // client to server: nobody waits for this call's reply any more
	KindPing   Kind = 5
	KindPong   Kind = 6
	KindGoAway Kind = 7 // the sender takes no further calls on this connection

	// Where FeatureStreams is in force, in both directions:
	KindData   Kind = 8  // a piece of a stream's message, or the end of its messages
	KindCredit Kind = 9  // how far the other side may send
	KindReset  Kind = 10 // the stream is given up

	kindIgnorable Kind = 0x80
)

var kindNames = [...]string{
	KindCall: "call", KindReply: "reply", KindError: "error", KindCancel: "cancel", KindPing: "ping", KindPong: "pong",
	KindGoAway: "goaway", KindData: "data", KindCredit: "credit", KindReset: "reset",
}

// String returns the lower-case name, "kind(n)" for a number that has none.
func (k Kind) String() string {
	if k.Known() {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Known reports whether k is one of the kinds above.
func (k Kind) Known() bool { return k >= KindCall && int(k) < len(kindNames) }

// Ignorable reports whether a receiver that does not know k must skip the frame.
func (k Kind) Ignorable() bool { return k&kindIgnorable != 0 }

// Flags are a frame's flags. A receiver ignores those it does not know.
type Flags uint8

const (
	FlagOneway Flags = 0x01 // on a Call: no reply of any kind is to be sent

	FlagMore    Flags = 0x01 // on Data: the message goes on in the next Data frame of the stream
	FlagEnd     Flags = 0x02 // on Data, which is then empty: no more messages follow. It is not a message
	FlagBlocked Flags = 0x04 // on Data: it used up the stream's limit, so that a larger window may be faster
)

// FrameHeader is what every frame starts with.
type FrameHeader struct {
	Length    uint32 // bytes that follow the frame header: the kind's own header, then the body
	Kind      Kind
	Flags     Flags
	HeaderLen uint16 // bytes of the kind's own header; the rest is the body
	Stream    uint64 // the call that the frame is about; 0 in frames about the connection
}

// AppendFrameHeader appends h: FrameHeaderSize bytes.
func AppendFrameHeader(dst []byte, h FrameHeader) []byte {
	dst = binary.BigEndian.AppendUint32(dst, h.Length)
	dst = append(dst, byte(h.Kind), byte(h.Flags))
	dst = binary.BigEndian.AppendUint16(dst, h.HeaderLen)
	return binary.BigEndian.AppendUint64(dst, h.Stream)
}

// SetStream changes the stream id of the frame that b starts with, so that a frame can be made before its place in the
// connection's order is known.
func SetStream(b []byte, stream uint64) { binary.BigEndian.PutUint64(b[FrameHeaderSize-8:], stream) }

// ParseFrameHeader reads the header at the start of b. ok is false if b is too short to hold one. Call Check before
// believing it.
func ParseFrameHeader(b []byte) (h FrameHeader, ok bool) {
	if len(b) < FrameHeaderSize {
		return FrameHeader{}, false
	}
	return FrameHeader{
		Length:    binary.BigEndian.Uint32(b),
		Kind:      Kind(b[4]),
		Flags:     Flags(b[5]),
		HeaderLen: binary.BigEndian.Uint16(b[6:]),
		Stream:    binary.BigEndian.Uint64(b[8:]),
	}, true
}

// Check says whether the frame may be received: its kind is known or ignorable, its lengths agree with the kind and
// with each other, and Length is at most limit, the frame limit that this side announced in its preamble (0 means
// DefaultMaxFrame). The error is a *ConnError. An ignorable frame that passes is to be skipped, all Length bytes of it.
func (h FrameHeader) Check(limit int) error {
	if limit <= 0 {
		limit = DefaultMaxFrame
	}
	if int64(h.Length) > int64(limit) {
		return connErrorf(rpc.ResourceExhausted, "%v frame of %d bytes, at most %d allowed", h.Kind, h.Length, limit)
	}
	switch h.Kind {
	case KindCall, KindReply, KindError:
		if uint32(h.HeaderLen) > h.Length {
			return connErrorf(rpc.InvalidArgument, "%v frame: header of %d bytes in a frame of %d", h.Kind, h.HeaderLen, h.Length)
		}
		if h.HeaderLen > MaxHeader {
			return connErrorf(rpc.ResourceExhausted, "%v frame: header of %d bytes, at most %d allowed", h.Kind, h.HeaderLen, MaxHeader)
		}
		return h.checkStream(true)
	case KindCancel:
		return h.checkControl(0, 0, true)
	case KindPing, KindPong:
		return h.checkControl(pingSize, pingSize, false)
	case KindGoAway:
		return h.checkControl(goAwayMin, MaxHeader, false)
	case KindData:
		return h.checkData()
	case KindCredit: // of a stream or of the connection
		return h.checkControl(creditSize, creditSize, h.Stream != 0)
	case KindReset:
		return h.checkControl(resetMin, MaxHeader, true)
	}
	if !h.Kind.Ignorable() {
		return connErrorf(rpc.Unimplemented, "unknown frame kind %d", uint8(h.Kind))
	}
	return nil
}

// checkControl checks a frame that has a payload of between least and most bytes and no header of its own.
func (h FrameHeader) checkControl(least, most uint32, call bool) error {
	if h.Length < least || h.Length > most || h.HeaderLen != 0 {
		return connErrorf(rpc.InvalidArgument, "%v frame: length %d, header length %d", h.Kind, h.Length, h.HeaderLen)
	}
	return h.checkStream(call)
}

func (h FrameHeader) checkData() error {
	switch empty := h.Length == 0; {
	case h.Flags&FlagEnd != 0 && (!empty || h.Flags&FlagMore != 0):
		return connErrorf(rpc.InvalidArgument, "data frame with an end, flags %02x and %d bytes", uint8(h.Flags), h.Length)
	case h.Flags&FlagMore != 0 && empty:
		return connErrorf(rpc.InvalidArgument, "empty data frame within a message")
	case h.Length > MaxData:
		return connErrorf(rpc.ResourceExhausted, "data frame of %d bytes, at most %d allowed", h.Length, MaxData)
	}
	return h.checkControl(0, MaxData, true)
}

func (h FrameHeader) checkStream(call bool) error {
	if call != (h.Stream != 0) {
		return connErrorf(rpc.InvalidArgument, "%v frame on stream %d", h.Kind, h.Stream)
	}
	return nil
}
