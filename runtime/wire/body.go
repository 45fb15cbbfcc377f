package wire

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/compress"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

var (
	encoders  = sync.Pool{New: func() any { return new(codec.Encoder) }}
	decoders  = sync.Pool{New: func() any { return new(codec.Decoder) }}
	scratches = sync.Pool{New: func() any { return new(scratch) }}
)

// encodeBody appends v to dst, except for the strings that it appends to splices, unless that is nil. On an error it
// returns dst as it was.
func encodeBody(dst []byte, splices *codec.Splices, enc codec.Encoding, v codec.Encodable) ([]byte, error) {
	e := encoders.Get().(*codec.Encoder)
	e.Reset(enc, dst)
	if splices != nil {
		e.SpliceFrom(SpliceSize, *splices)
	}
	v.EncodeThrift(e)
	out, err := e.Bytes(), e.Err()
	if splices != nil {
		*splices = e.Splices()
	}
	e.Reset(enc, nil) // the pool must not keep the caller's buffer or error
	encoders.Put(e)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// decodeBody fills v from body, which it has to use up. Strings and binaries of v alias body; only binaries if
// it is lent.
func (d *Dialect) decodeBody(enc codec.Encoding, body []byte, lent bool, v codec.Decodable) error {
	r := decoders.Get().(*codec.Decoder)
	if lent {
		r.ResetLent(enc, body)
	} else {
		r.ResetShared(enc, body)
	}
	r.SetAllocFactor(d.AllocFactor)
	v.DecodeThrift(r)
	err, rest := r.Err(), r.Remaining()
	r.Reset(enc, nil) // the pool must not keep the message
	decoders.Put(r)
	if err == nil && rest > 0 {
		err = fmt.Errorf("%d bytes after the struct", rest)
	}
	return err
}

// scratch holds a compressed body until it is clear whether it is any shorter.
type scratch struct {
	packed []byte
	joined []byte // what is to be compressed, if it comes in pieces
}

// join returns b with the splices in it; b itself if there are none.
func (s *scratch) join(b []byte, splices codec.Splices) []byte {
	if len(splices) == 0 {
		return b
	}
	s.joined = splices.AppendTo(s.joined[:0], b)
	return s.joined
}

// maxScratch is the capacity up to which a scratch is worth keeping.
const maxScratch = 1 << 20

// compress packs body and reports whether that made it shorter; by an eighth at least, if nobody asked for compression.
func (s *scratch) compress(body []byte, wish rpc.Compress) bool {
	s.packed = compress.AppendSnappy(s.packed[:0], body)
	if wish == rpc.CompressDefault {
		return compress.Pays(len(s.packed), len(body))
	}
	return len(s.packed) < len(body)
}

func (s *scratch) release() {
	if max(cap(s.packed), cap(s.joined)) <= maxScratch {
		scratches.Put(s)
	}
}

// wantsCompression reports whether it is to be tried to compress a body of size bytes, which is rest and the splices. By
// default that is where it may pay; a body that fits into no frame as it is has nothing to lose.
func (d *Dialect) wantsCompression(wish rpc.Compress, size int, rest []byte, splices codec.Splices) bool {
	switch wish {
	case rpc.CompressSnappy:
		return true
	case rpc.CompressNone:
		return false
	}
	threshold := d.Threshold
	if threshold == 0 {
		threshold = DefaultThreshold
	}
	switch {
	case threshold < 0 || size < threshold:
		return false
	case size > d.maxFrame():
		return true
	case len(splices) == 0:
		return compress.Promising(rest)
	}
	return promising(rest, splices)
}

// probes is how many splices of a body are looked at, at most.
const probes = 4

// promising is compress.Promising for a body with splices.
func promising(rest []byte, splices codec.Splices) bool {
	n := min(len(splices), probes)
	for i := range n {
		text := splices[i*len(splices)/n].Text
		if compress.Promising(unsafe.Slice(unsafe.StringData(text), len(text))) {
			return true
		}
	}
	return len(rest) >= SpliceSize && compress.Promising(rest)
}
