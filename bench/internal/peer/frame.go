package peer

import (
	"encoding/binary"
	"io"
	"net"

	"google.golang.org/protobuf/proto"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
)

// The limits exchange frames: length of the rest (4 bytes, little endian), id (8 bytes), the message as protobuf.
const frameHeader = 12

// readBuffer is how much the limits read at once: more than a dozen frames of 1 KiB for each wake-up.
const readBuffer = 256 << 10

// newFrame returns the frame of a message. Its callers set the id.
func newFrame(m *payload.Message) ([]byte, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(protoMessage(m))
	if err != nil {
		return nil, err
	}
	f := make([]byte, frameHeader, frameHeader+len(body))
	binary.LittleEndian.PutUint32(f, uint32(8+len(body)))
	return append(f, body...), nil
}

func setFrameID(f []byte, id int64) { binary.LittleEndian.PutUint64(f[4:], uint64(id)) }

func frameID(f []byte) int64 { return int64(binary.LittleEndian.Uint64(f[4:])) }

// frameLen returns the length of the frame that b starts with; ok is false when b does not have all of it.
func frameLen(b []byte) (n int, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	n = 4 + int(binary.LittleEndian.Uint32(b))
	return n, n <= len(b)
}

// wholeFrames returns how many bytes at the start of b are complete frames.
func wholeFrames(b []byte) int {
	whole := 0
	for {
		n, ok := frameLen(b[whole:])
		if !ok {
			return whole
		}
		whole += n
	}
}

// checkFrame compares a reply to the request as far as the limits look at it: id, length and last byte.
func checkFrame(request, reply []byte) error {
	if len(reply) != len(request) || frameID(reply) != frameID(request) ||
		reply[len(reply)-1] != request[len(request)-1] {
		return payload.ErrMismatch
	}
	return nil
}

// dialDirect gives each caller a connection with one frame under way.
func dialDirect(addr string, callers, _ int, m *payload.Message) ([]Call, error) {
	frame, err := newFrame(m)
	if err != nil {
		return nil, err
	}
	conns, err := dialEach(callers, func() (net.Conn, error) { return net.Dial("tcp", addr) })
	if err != nil {
		return nil, err
	}
	return spread(conns, callers, func(c net.Conn) Call {
		request := append([]byte(nil), frame...)
		reply := make([]byte, len(frame))
		return func(id int64) error {
			setFrameID(request, id)
			if _, err := c.Write(request); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, reply); err != nil {
				return err
			}
			return checkFrame(request, reply)
		}
	}), nil
}
