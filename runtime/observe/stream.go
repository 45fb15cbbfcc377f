package observe

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// WatchStream returns s with a watch on its end: end is called once, with what Finish returns, or, if nobody has called
// it by then, with a Canceled error after Cancel, or with ctx's error when ctx ends. ctx is what s was opened with. It is
// for interceptors that have something to close when a stream is over.
func WatchStream(ctx context.Context, s rpc.ClientStream, end func(err error)) rpc.ClientStream {
	w := &watchedStream{ClientStream: s, end: end}
	w.stop = context.AfterFunc(ctx, func() {
		if !w.finishing.Load() {
			w.once.Do(func() { end(ctx.Err()) })
		}
	})
	return w
}

type watchedStream struct {
	rpc.ClientStream
	end       func(err error)
	stop      func() bool // ends the watch on the context
	once      sync.Once
	finishing atomic.Bool // Finish has been called, so its error is the one that counts
}

// Finish implements rpc.ClientStream.
func (w *watchedStream) Finish(ctx context.Context, result codec.Decodable) error {
	w.finishing.Store(true)
	err := w.ClientStream.Finish(ctx, result)
	w.stop()
	w.once.Do(func() { w.end(err) })
	return err
}

// Cancel implements rpc.ClientStream.
func (w *watchedStream) Cancel() {
	w.ClientStream.Cancel()
	if !w.finishing.Load() {
		w.stop()
		w.once.Do(func() { w.end(&rpc.Error{Code: rpc.Canceled, Message: "the stream was canceled"}) })
	}
}
