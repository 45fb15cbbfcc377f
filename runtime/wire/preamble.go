package wire

import (
	"encoding/binary"
	"math"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const (
	// PreambleSize is the size of the preamble in bytes.
	PreambleSize = 32
	// Magic is what every native connection starts with, in both directions.
	Magic = "KUAF"
	// Version is the version of the format that this package speaks.
	Version = 1
)

// FeatureStreams is the bit in Preamble.Features of a sender that speaks streams.
const FeatureStreams uint16 = 0x0001

// Preamble opens each direction of a connection.
type Preamble struct {
	Version  uint8        // the highest that the sender speaks; what both speak is in force
	Flags    uint8        // none defined
	Features uint16       // what the sender can do; what both can do is in force
	MaxFrame uint32       // the longest frame that the sender accepts, at least MinMaxFrame
	Window   uint32       // with FeatureStreams: the cost of the Data that may be on its way to the sender, at least MinWindow
	ID       rpc.ClientID // the sender's process. In a client's preamble: the client id of its calls
}

// AppendPreamble appends p: PreambleSize bytes. A Version of 0 stands for Version, a MaxFrame of 0 for DefaultMaxFrame,
// a Window of 0 for DefaultWindow. Without FeatureStreams the Window is not sent.
func AppendPreamble(dst []byte, p Preamble) []byte {
	if p.Version == 0 {
		p.Version = Version
	}
	if p.MaxFrame == 0 {
		p.MaxFrame = DefaultMaxFrame
	}
	switch {
	case p.Features&FeatureStreams == 0:
		p.Window = 0
	case p.Window == 0:
		p.Window = DefaultWindow
	}
	dst = append(dst, Magic...)
	dst = append(dst, p.Version, p.Flags)
	dst = binary.BigEndian.AppendUint16(dst, p.Features)
	dst = binary.BigEndian.AppendUint32(dst, p.MaxFrame)
	dst = binary.BigEndian.AppendUint32(dst, p.Window)
	return append(dst, p.ID[:]...)
}

// ParsePreamble reads the preamble at the start of b. ok is false if b is too short to hold one and right so far. A
// higher version than ours, and features and flags that we do not know, are not errors. The error is a *ConnError.
func ParsePreamble(b []byte) (p Preamble, ok bool, err error) {
	if n := min(len(b), len(Magic)); string(b[:n]) != Magic[:n] {
		return Preamble{}, false, connErrorf(rpc.InvalidArgument, "preamble starts with %q instead of %q", b[:n], Magic)
	}
	if len(b) < PreambleSize {
		return Preamble{}, false, nil
	}
	p = Preamble{
		Version:  b[4],
		Flags:    b[5],
		Features: binary.BigEndian.Uint16(b[6:]),
		MaxFrame: binary.BigEndian.Uint32(b[8:]),
		ID:       rpc.ClientID(b[16:PreambleSize]),
	}
	if p.Version == 0 {
		return Preamble{}, false, connErrorf(rpc.InvalidArgument, "preamble of version 0")
	}
	if p.MaxFrame < MinMaxFrame {
		return Preamble{}, false, connErrorf(rpc.InvalidArgument, "preamble with a frame limit of %d bytes, at least %d required", p.MaxFrame, MinMaxFrame)
	}
	if p.Features&FeatureStreams != 0 {
		if p.Window = binary.BigEndian.Uint32(b[12:]); p.Window < MinWindow {
			return Preamble{}, false, connErrorf(rpc.InvalidArgument, "preamble with a window of %d bytes, at least %d required", p.Window, MinWindow)
		}
	}
	return p, true, nil
}

// FrameLimit returns MaxFrame as an int, for Dialect.MaxFrame.
func (p Preamble) FrameLimit() int { return int(min(p.MaxFrame, math.MaxInt32)) }
