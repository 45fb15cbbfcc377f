package thrift

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/golang/snappy"

	"github.com/kuafu-rpc/kuafu/runtime/compress"
)

// Transform is a compression of THeader payloads, numbered as on the wire.
type Transform uint8

const (
	Zlib   Transform = 1
	Snappy Transform = 3
)

// snappyIdentifier opens a stream in the Snappy framing format. No raw block starts with it: taken as one, its fifth byte
// would copy from 1.8 GB back.
const snappyIdentifier = "\xff\x06\x00\x00sNaPpY"

var errTooLarge = errors.New("thrift: the decompressed message exceeds the size limit")

// undo returns the payload with the transforms undone, last listed first: Apache's Go and Python libraries list them in
// the order in which they were applied. No step gives more than limit bytes. The result never shares memory with b.
func (h *header) undo(b []byte, limit int) ([]byte, error) {
	var err error
	for _, t := range slices.Backward(h.used()) {
		if t == Zlib {
			b, err = inflate(b, limit)
		} else {
			h.snappyStream = bytes.HasPrefix(b, []byte(snappyIdentifier))
			b, err = unsnappy(b, limit, h.snappyStream)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// apply returns b with the transforms applied, so that undo finds b again.
func (h *header) apply(b []byte) []byte {
	for _, t := range h.used() {
		switch {
		case t == Zlib:
			b = deflate(b)
		case h.snappyStream:
			b = compress.AppendSnappy(nil, b)
		default:
			b = snappy.Encode(nil, b)
		}
	}
	return b
}

var (
	zlibReaders sync.Pool // of io.ReadCloser that are zlib.Resetter
	zlibWriters = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}
)

// inflate grows its result with the data that really comes out, however much a short input promises.
func inflate(b []byte, limit int) ([]byte, error) {
	src := bytes.NewReader(b)
	r, _ := zlibReaders.Get().(io.ReadCloser)
	var err error
	if r == nil {
		r, err = zlib.NewReader(src)
	} else {
		err = r.(zlib.Resetter).Reset(src, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("thrift: zlib transform: %w", err)
	}
	defer func() {
		src.Reset(nil) // the pool must not keep the message alive
		zlibReaders.Put(r)
	}()
	out := make([]byte, 0, min(limit+1, 4*len(b)+512))
	for err == nil && len(out) <= limit {
		if len(out) == cap(out) {
			grown := make([]byte, len(out), min(limit+1, 2*cap(out)))
			copy(grown, out)
			out = grown
		}
		var n int
		n, err = r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
	}
	switch {
	case len(out) > limit:
		return nil, errTooLarge
	case err != io.EOF:
		return nil, fmt.Errorf("thrift: zlib transform: %w", err)
	case src.Len() > 0:
		return nil, errors.New("thrift: zlib transform: bytes after its end")
	}
	return out, nil
}

func deflate(b []byte) []byte {
	w := zlibWriters.Get().(*zlib.Writer)
	defer zlibWriters.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	w.Write(b) // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}

// unsnappy decodes a raw block, which is what Apache's relatives write, or a stream of the framing format. Either tells
// its size; a size over limit, or over what Snappy can pack in so many bytes, is refused before memory is set aside.
func unsnappy(b []byte, limit int, stream bool) ([]byte, error) {
	if stream {
		size := streamSize(b)
		out, err := compress.DecodeSnappy(nil, b, size, limit)
		if err != nil {
			return nil, fmt.Errorf("thrift: snappy transform: %w", err)
		}
		return out, nil
	}
	size, err := snappy.DecodedLen(b)
	if err != nil {
		return nil, fmt.Errorf("thrift: snappy transform: %w", err)
	}
	if size > limit {
		return nil, errTooLarge
	}
	if size > 22*len(b)+64 {
		return nil, fmt.Errorf("thrift: snappy transform: %d bytes cannot hold %d", len(b), size)
	}
	out, err := snappy.Decode(nil, b)
	if err != nil {
		return nil, fmt.Errorf("thrift: snappy transform: %w", err)
	}
	return out, nil
}

// streamSize adds up what the chunks of a framing-format stream say of themselves. It may be wrong for a damaged stream;
// decoding then fails.
func streamSize(b []byte) int {
	total := 0
	for len(b) >= 4 {
		word := binary.LittleEndian.Uint32(b)
		kind, n := byte(word), int(word>>8)
		b = b[4:]
		if n > len(b) {
			break
		}
		switch {
		case kind == 0 && n > 4:
			size, err := snappy.DecodedLen(b[4:n])
			if err != nil {
				return total
			}
			total += size
		case kind == 1 && n > 4:
			total += n - 4
		}
		b = b[n:]
	}
	return total
}
