package peer

import (
	"encoding/binary"
	"net"
	"slices"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/pb"
)

// The multiplexed limit with a generated codec (vtprotobuf) at both ends is what a framework without any features
// would cost.

// codecMuxInline decodes, handles and encodes on the goroutine that reads the connection.
func codecMuxInline() Peer {
	return Peer{
		Name: "codec-mux", Title: "multiplexed + vtproto, inline", Kind: Limit, Shares: true,
		Serve: func(addr string) error { return serveConns(addr, codecInline) }, Dial: dialCodec,
	}
}

// codecMuxSpawn handles each call in a goroutine of its own.
func codecMuxSpawn() Peer {
	return Peer{
		Name: "codec-mux-go", Title: "multiplexed + vtproto, goroutine per call", Kind: Limit, Shares: true,
		Serve: func(addr string) error { return serveConns(addr, codecSpawn) }, Dial: dialCodec,
	}
}

// appendFrame appends the frame of a message.
func appendFrame(dst []byte, id int64, m *pb.Msg) ([]byte, error) {
	size := m.SizeVT()
	start := len(dst)
	dst = slices.Grow(dst, frameHeader+size)[:start+frameHeader+size]
	binary.LittleEndian.PutUint32(dst[start:], uint32(8+size))
	setFrameID(dst[start:], id)
	_, err := m.MarshalToSizedBufferVT(dst[start+frameHeader:])
	return dst, err
}

func codecInline(c net.Conn) {
	var out []byte
	receive(c, func(frame []byte) {
		var m pb.Msg
		if m.UnmarshalVT(frame[frameHeader:]) != nil {
			c.Close()
			return
		}
		b, err := appendFrame(out, frameID(frame), &m)
		if err != nil {
			c.Close()
			return
		}
		out = b
	}, func() {
		if len(out) == 0 {
			return
		}
		if _, err := c.Write(out); err != nil {
			c.Close()
		}
		out = out[:0]
	})
}

func codecSpawn(c net.Conn) {
	mux := &muxConn{conn: c}
	receive(c, func(frame []byte) {
		frame = append([]byte(nil), frame...)
		go func() {
			var m pb.Msg
			// Strings stay parts of the frame, which nobody else has.
			if m.UnmarshalVTUnsafe(frame[frameHeader:]) != nil {
				c.Close()
				return
			}
			reply, err := appendFrame(nil, frameID(frame), &m)
			if err != nil {
				c.Close()
				return
			}
			mux.send(reply)
		}()
	}, func() {})
}

// dialCodec is dialMux with encoding and decoding at each call.
func dialCodec(addr string, callers, conns int, m *payload.Message) ([]Call, error) {
	muxes, slots, err := dialSlots(addr, callers, conns)
	if err != nil {
		return nil, err
	}
	calls := make([]Call, callers)
	for i, s := range slots {
		mux := muxes[i%conns]
		request := protoMessage(m)
		var buf []byte
		calls[i] = func(id int64) error {
			request.Id = id
			b, err := appendFrame(buf[:0], id, request)
			if err != nil {
				return err
			}
			buf = b
			mux.send(b)
			<-s.done
			var reply pb.Msg
			if err := reply.UnmarshalVT(s.reply[frameHeader:]); err != nil {
				return err
			}
			return checkProto(m, id, &reply)
		}
	}
	return calls, nil
}
