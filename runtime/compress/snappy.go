// Package compress packs and unpacks message bodies in the Snappy framing format, with every size bounded before it is
// believed.
//
// The format is the public one (framing_format.txt of google/snappy): a stream identifier, then chunks of at most 64 KiB
// of data, each with a masked CRC-32C of that data. So a body's chunks can be read by any Snappy reader, and damage is
// noticed. The block compression inside a chunk is golang/snappy's.
package compress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/golang/snappy"
)

const (
	maxChunkData = 64 << 10 // bytes of data that a chunk may hold, by the format
	chunkHeader  = 4        // type u8, length u24 little endian
	checksumSize = 4        // first in the content of every chunk that holds data

	chunkCompressed   = 0x00
	chunkUncompressed = 0x01
	chunkSkippable    = 0x80 // and up, except the identifier; 0x02 up to here must be understood
	chunkIdentifier   = 0xff

	identifierBody = "sNaPpY"
	identifier     = "\xff\x06\x00\x00" + identifierBody
)

// Snappy's densest element is a copy of 64 bytes told in 3, so no block holds more than 22 bytes for each of its own,
// but for its first few. A size that exceeds this is a lie, and is refused before memory is set aside for it.
const (
	maxRatio = 22
	ratioPad = 64
)

// The errors of DecodeSnappy; others wrap them with a reason. Use errors.Is.
var (
	ErrCorrupt  = errors.New("compress: corrupt snappy data")
	ErrTooLarge = errors.New("compress: decompressed size over the limit")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is the checksum of a chunk's data, rotated and offset as the format asks.
func maskedCRC(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// AppendSnappy appends src to dst as a whole stream: the identifier, then a chunk for each 64 KiB. A chunk that would
// not shrink is appended uncompressed, so the result is never more than MaxSnappyLen(len(src)) bytes. dst grows at most
// once, and by a little more than that; where it has MaxSnappyLen(len(src)) + 11 KiB to spare, nothing is allocated. The
// two must not overlap.
func AppendSnappy(dst, src []byte) []byte {
	// Compression goes straight to where the chunk belongs. All chunks before it took their uncompressed size at most,
	// so the worst case of the block encoder has to be provided for just once.
	largest := min(len(src), maxChunkData)
	dst = slices.Grow(dst, MaxSnappyLen(len(src))+snappy.MaxEncodedLen(largest)-largest)
	dst = append(dst, identifier...)
	for len(src) > 0 {
		data := src[:min(len(src), maxChunkData)]
		src = src[len(data):]

		start := len(dst)
		content := start + chunkHeader + checksumSize
		kind := byte(chunkCompressed)
		block := snappy.Encode(dst[content:cap(dst)], data)
		if len(block) >= len(data) {
			kind = chunkUncompressed
			block = dst[content : content+copy(dst[content:cap(dst)], data)]
		}
		dst = dst[:content+len(block)]
		putChunkHeader(dst[start:], kind, checksumSize+len(block))
		binary.LittleEndian.PutUint32(dst[start+chunkHeader:], maskedCRC(data))
	}
	return dst
}

// MaxSnappyLen returns the most bytes that AppendSnappy appends for n bytes.
func MaxSnappyLen(n int) int {
	chunks := (n + maxChunkData - 1) / maxChunkData
	return len(identifier) + n + chunks*(chunkHeader+checksumSize)
}

func putChunkHeader(b []byte, kind byte, n int) {
	binary.LittleEndian.PutUint32(b, uint32(n)<<8|uint32(kind))
}

// DecodeSnappy appends the data of the stream src to dst. rawSize is the size that the sender declared; the stream must
// hold exactly that. A rawSize over limit, or over what len(src) bytes can possibly hold, is refused before anything is
// allocated, and dst grows once, by rawSize. On an error it returns dst as it was, though bytes between its length and
// its capacity may have changed. The two must not overlap.
func DecodeSnappy(dst, src []byte, rawSize, limit int) ([]byte, error) {
	switch {
	case rawSize < 0:
		return dst, fmt.Errorf("%w: negative size", ErrCorrupt)
	case rawSize > limit:
		return dst, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, rawSize, limit)
	case !possible(rawSize, len(src)):
		return dst, fmt.Errorf("%w: %d bytes cannot hold %d", ErrCorrupt, len(src), rawSize)
	case len(src) < len(identifier) || string(src[:len(identifier)]) != identifier:
		return dst, fmt.Errorf("%w: no stream identifier", ErrCorrupt)
	}
	out := slices.Grow(dst, rawSize)
	room := out[len(dst) : len(dst)+rawSize] // what is still to be filled
	for len(src) > 0 {                       // every turn takes a chunk header off src
		if len(src) < chunkHeader {
			return dst, fmt.Errorf("%w: truncated chunk header", ErrCorrupt)
		}
		header := binary.LittleEndian.Uint32(src)
		kind, n := byte(header), int(header>>8)
		src = src[chunkHeader:]
		if n > len(src) {
			return dst, fmt.Errorf("%w: a chunk of %d bytes, %d left", ErrCorrupt, n, len(src))
		}
		filled, err := decodeChunk(room, kind, src[:n])
		if err != nil {
			return dst, err
		}
		room, src = room[filled:], src[n:]
	}
	if len(room) > 0 {
		return dst, fmt.Errorf("%w: %d bytes less than declared", ErrCorrupt, len(room))
	}
	return out[:len(dst)+rawSize], nil
}

// decodeChunk puts the data of one chunk at the start of room and returns its size.
func decodeChunk(room []byte, kind byte, content []byte) (int, error) {
	switch {
	case kind == chunkCompressed, kind == chunkUncompressed:
	case kind == chunkIdentifier:
		if string(content) != identifierBody {
			return 0, fmt.Errorf("%w: bad stream identifier", ErrCorrupt)
		}
		return 0, nil
	case kind >= chunkSkippable:
		return 0, nil
	default:
		return 0, fmt.Errorf("%w: chunk type %#02x", ErrCorrupt, kind)
	}

	if len(content) < checksumSize {
		return 0, fmt.Errorf("%w: a data chunk of %d bytes", ErrCorrupt, len(content))
	}
	sum, block := binary.LittleEndian.Uint32(content), content[checksumSize:]
	size := len(block)
	if kind == chunkCompressed {
		var err error
		if size, err = snappy.DecodedLen(block); err != nil || !possible(size, len(block)) {
			return 0, fmt.Errorf("%w: block size", ErrCorrupt)
		}
	}
	if size > maxChunkData {
		return 0, fmt.Errorf("%w: a chunk holds %d bytes, at most %d allowed", ErrCorrupt, size, maxChunkData)
	}
	if size > len(room) {
		return 0, fmt.Errorf("%w: more bytes than declared", ErrCorrupt)
	}
	data := room[:size]
	if kind == chunkUncompressed {
		copy(data, block)
	} else if _, err := snappy.Decode(data, block); err != nil {
		return 0, fmt.Errorf("%w: block", ErrCorrupt)
	}
	if maskedCRC(data) != sum {
		return 0, fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	return size, nil
}

// possible reports whether encoded bytes of Snappy can hold size bytes of data.
func possible(size, encoded int) bool {
	return int64(size) <= maxRatio*int64(encoded)+ratioPad
}
