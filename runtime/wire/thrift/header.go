package thrift

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const (
	headerMagic = 0x0fff
	headerFixed = 10 // magic u16, flags u16, sequence number u32, header size u16 in words of 4 bytes
	infoKV      = 1
)

// Bounds of a THeader header.
const (
	MaxTransforms = 4
	MaxInfoBytes  = 8 << 10
	MaxInfoPairs  = 64
)

var errHeader = errors.New("thrift: a malformed THeader header")

// header is a THeader header, without the frame's length. For a call it is what the reply has to repeat.
type header struct {
	flags      uint16
	seq        uint32
	encoding   codec.Encoding
	strict     bool // of the binary message inside; true until it is known
	transforms [MaxTransforms]Transform
	n          int    // how many of them there are
	info       []byte // key-value pairs: per string a varint length and its bytes; aliases the frame

	snappyStream bool // the Snappy payload was in the framing format

	// refusal says why a call with this header cannot be read, though its frame is sound: the connection goes on.
	refusal      *rpc.Error
	badTransform bool // the refusal is about the transforms
}

func (h *header) used() []Transform { return h.transforms[:h.n] }

// parseHeader reads the header at the start of a THeader frame and returns what follows it. Errors end the connection.
func parseHeader(frame []byte) (h header, payload []byte, err error) {
	if len(frame) < headerFixed || binary.BigEndian.Uint16(frame) != headerMagic {
		return h, nil, errors.New("thrift: a frame without THeader's magic number on a THeader connection")
	}
	h.strict = true
	h.flags = binary.BigEndian.Uint16(frame[2:])
	h.seq = binary.BigEndian.Uint32(frame[4:])
	end := headerFixed + 4*int(binary.BigEndian.Uint16(frame[8:]))
	if end > len(frame) {
		return h, nil, fmt.Errorf("thrift: a THeader header of %d bytes in a frame of %d", end, len(frame))
	}
	b, payload := frame[headerFixed:end], frame[end:]

	proto, b, err := cutVarint(b)
	if err != nil {
		return h, nil, err
	}
	switch proto {
	case uint32(codec.Binary), uint32(codec.Compact):
		h.encoding = codec.Encoding(proto)
	default: // not even an error reply could be read by this peer
		return h, nil, fmt.Errorf("thrift: THeader protocol id %d", proto)
	}
	count, b, err := cutVarint(b)
	if err != nil {
		return h, nil, err
	}
	if count > MaxTransforms {
		h.badTransform = true
		h.refuse(rpc.ResourceExhausted, "%d THeader transforms, at most %d allowed", count, MaxTransforms)
		return h, payload, nil
	}
	for range count {
		var id uint32
		if id, b, err = cutVarint(b); err != nil {
			return h, nil, err
		}
		switch {
		case id == 0: // "none"
		case id == uint32(Zlib), id == uint32(Snappy):
			h.transforms[h.n] = Transform(id)
			h.n++
		default: // data of unknown size may follow the id, so nothing after it can be read
			h.n, h.badTransform = 0, true
			h.refuse(rpc.Unimplemented, "THeader transform %d is not supported", id)
			return h, payload, nil
		}
	}
	err = h.parseInfo(b)
	return h, payload, err
}

// parseInfo reads the info blocks. What it does not know, padding included, ends them.
func (h *header) parseInfo(b []byte) error {
	for pairs := 0; len(b) > 0; {
		id, rest, err := cutVarint(b)
		if err != nil || id != infoKV {
			return err
		}
		count, rest, err := cutVarint(rest)
		if err != nil {
			return err
		}
		if pairs += int(min(count, MaxInfoPairs+1)); pairs > MaxInfoPairs {
			h.refuse(rpc.ResourceExhausted, "more than %d THeader info headers", MaxInfoPairs)
			return nil
		}
		block := rest
		for range 2 * count {
			var text []byte
			var ok bool
			if text, rest, ok = cutString(rest); !ok {
				return errHeader
			}
			if bytes.ContainsAny(text, "\r\n\x00") { // as in native metadata: some log or HTTP header may repeat it
				h.refuse(rpc.InvalidArgument, "a THeader info header with a line break or NUL")
				return nil
			}
		}
		block = block[: len(block)-len(rest) : len(block)-len(rest)]
		if len(h.info)+len(block) > MaxInfoBytes {
			h.refuse(rpc.ResourceExhausted, "more than %d bytes of THeader info headers", MaxInfoBytes)
			return nil
		}
		if h.info == nil {
			h.info = block
		} else {
			h.info = append(h.info, block...) // block's capacity is its length, so this copies
		}
		b = rest
	}
	return nil
}

func (h *header) refuse(code rpc.Code, format string, args ...any) {
	h.info = nil
	h.refusal = rpc.Errorf(code, format, args...)
	h.refusal.Execution = rpc.NotExecuted
}

func cutVarint(b []byte) (v uint32, rest []byte, err error) {
	v, n, err := varint32(b)
	if n == 0 {
		return 0, nil, errors.Join(errHeader, err)
	}
	return v, b[n:], nil
}

// appendHeader appends the header without the frame's length. Its info must be within the bounds.
func appendHeader(dst []byte, h *header) []byte {
	dst = binary.BigEndian.AppendUint16(dst, headerMagic)
	dst = binary.BigEndian.AppendUint16(dst, h.flags)
	dst = binary.BigEndian.AppendUint32(dst, h.seq)
	dst = append(dst, 0, 0)
	start := len(dst)
	dst = append(dst, byte(h.encoding), byte(h.n))
	for _, t := range h.used() {
		dst = append(dst, byte(t))
	}
	if len(h.info) > 0 {
		dst = append(dst, infoKV)
		dst = binary.AppendUvarint(dst, uint64(countInfo(h.info)))
		dst = append(dst, h.info...)
	}
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	binary.BigEndian.PutUint16(dst[start-2:], uint16((len(dst)-start)/4))
	return dst
}

// AppendInfo appends one THeader info header to info, which may be nil.
func AppendInfo(info []byte, key, value string) []byte {
	info = binary.AppendUvarint(info, uint64(len(key)))
	info = append(info, key...)
	info = binary.AppendUvarint(info, uint64(len(value)))
	return append(info, value...)
}

// InfoHeaders goes through the Metadata of a THeader call, or what AppendInfo made, pair by pair; the slices alias it. It
// is in the form of native metadata. It stops at the first pair that is broken; ReadCall lets none through.
func InfoHeaders(info []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for len(info) > 0 {
			key, rest, ok := cutString(info)
			if !ok {
				return
			}
			value, rest, ok := cutString(rest)
			if !ok || !yield(key, value) {
				return
			}
			info = rest
		}
	}
}

func countInfo(info []byte) (n int) {
	for range InfoHeaders(info) {
		n++
	}
	return n
}

func cutString(b []byte) (s, rest []byte, ok bool) {
	size, b, err := cutVarint(b)
	if err != nil || uint64(size) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:size:size], b[size:], true
}
