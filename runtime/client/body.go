package client

import (
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// body is the arguments of an asynchronous call, as they were when it began: for all its attempts, while the arguments
// themselves are the caller's again.
type body struct{ e codec.Encoder }

var bodies = sync.Pool{New: func() any { return new(body) }}

// newBody returns args encoded, nil if they cannot be. release ends its life.
func newBody(enc codec.Encoding, args codec.Encodable) *body {
	b := bodies.Get().(*body)
	b.e.Reset(enc, b.e.Bytes()[:0])
	args.EncodeThrift(&b.e)
	if b.e.Err() != nil {
		b.release()
		return nil
	}
	return b
}

// EncodeThrift implements codec.Encodable. It may be called concurrently.
func (b *body) EncodeThrift(e *codec.Encoder) { e.Raw(b.e.Bytes()) }

func (b *body) release() {
	if cap(b.e.Bytes()) <= 2*linkSize { // larger ones are rare, and not worth keeping
		bodies.Put(b)
	}
}
