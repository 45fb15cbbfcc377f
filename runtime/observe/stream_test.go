package observe_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// stream is a rpc.ClientStream whose Finish takes what it is given.
type stream struct {
	rpc.ClientStream
	finish func(ctx context.Context) error
}

func (s stream) Finish(ctx context.Context, _ codec.Decodable) error { return s.finish(ctx) }
func (s stream) Cancel()                                             {}

func TestWatchStream(t *testing.T) {
	lost := rpc.NewError(rpc.Unavailable, "lost")
	fails := func(context.Context) error { return lost }
	works := func(context.Context) error { return nil }
	waits := func(ctx context.Context) error { <-ctx.Done(); return lost }
	for _, tt := range []struct {
		name   string
		finish func(context.Context) error
		do     func(s rpc.ClientStream, cancel context.CancelFunc)
		code   rpc.Code // of what end is told; 0 for success
		told   int
	}{
		{"finished", works, func(s rpc.ClientStream, cancel context.CancelFunc) {
			s.Finish(context.Background(), nil)
			s.Finish(context.Background(), nil)
			s.Cancel()
			cancel()
		}, 0, 1},
		{"failed", fails, func(s rpc.ClientStream, _ context.CancelFunc) { s.Finish(context.Background(), nil) }, rpc.Unavailable, 1},
		{"canceled", works, func(s rpc.ClientStream, cancel context.CancelFunc) {
			s.Cancel()
			cancel()
			s.Finish(context.Background(), nil)
		}, rpc.Canceled, 1},
		{"context", works, func(_ rpc.ClientStream, cancel context.CancelFunc) { cancel() }, rpc.Canceled, 1},
		{"context while finishing", waits, func(s rpc.ClientStream, cancel context.CancelFunc) {
			ctx, stop := context.WithCancel(context.Background())
			go s.Finish(ctx, nil)
			synctest.Wait()
			cancel()
			s.Cancel()
			synctest.Wait()
			stop()
		}, rpc.Unavailable, 1},
		{"nothing yet", works, func(rpc.ClientStream, context.CancelFunc) {}, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			told, last := 0, error(nil)
			s := observe.WatchStream(ctx, stream{finish: tt.finish}, func(err error) { told++; last = err })
			tt.do(s, cancel)
			synctest.Wait()
			var code rpc.Code
			if last != nil {
				code = rpc.CodeOf(last)
			}
			if told != tt.told || code != tt.code {
				t.Errorf("%s: told %d times, at last %v", tt.name, told, last)
			}
		})
	}
}
