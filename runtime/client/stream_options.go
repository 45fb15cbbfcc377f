package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// WithMaxStreams sets how many streams may be open at once on one connection; opening another one fails
// (ResourceExhausted, NotExecuted). Default 1024.
func WithMaxStreams(n int) Option { return option(func(c *config) { c.streams.max = n }) }

// WithStreamMemory bounds, for each connection, the bytes of messages that servers may send ahead of those who receive
// them: all streams' windows together. A stream begins with its share of half of that, 64 to 256 KiB, and gets more, up to
// 4 MiB, where it is fast, or has a message that is larger, and there is some left. One for which not even 64 KiB are left
// cannot be opened. Default 256 MiB.
func WithStreamMemory(bytes int) Option { return option(func(c *config) { c.streams.memory = bytes }) }

// WithStreamStall ends a stream whose server lets a message wait for so long without receiving anything: Send returns an
// error (ResourceExhausted), and the server is told. 0, the default, stands for no such bound but that of Send's context.
func WithStreamStall(d time.Duration) Option {
	return option(func(c *config) { c.streams.stall = d })
}

// WithStreamInterceptors puts interceptors around the opening of streams, the first outermost. The option may be given
// several times.
func WithStreamInterceptors(i ...rpc.StreamClientInterceptor) Option {
	return option(func(c *config) { c.streams.interceptors = append(c.streams.interceptors, i...) })
}

// streamConfig is the part of config that is about streams.
type streamConfig struct {
	max          int
	memory       int // bytes
	stall        time.Duration
	interceptors []rpc.StreamClientInterceptor
}

// connWindow is how many bytes of streams may be on their way from a server on one connection, and so how many a reply may
// have to wait behind. Less than wire.DefaultWindow: that halves the wait. What it costs streams in speed they get back
// where there are no calls: the window is stream.WideWindow then.
const connWindow = stream.DefaultWindow

var defaultStreams = streamConfig{max: stream.DefaultMaxStreams, memory: 256 << 20}

func (c streamConfig) validate() error {
	switch {
	case c.max < 1:
		return fmt.Errorf("client: at most %d streams on a connection", c.max)
	case c.memory < wire.MinWindow:
		return fmt.Errorf("client: %d bytes for streams: at least %d are needed", c.memory, wire.MinWindow)
	case c.stall < 0:
		return fmt.Errorf("client: streams stalled for %v", c.stall)
	case slices.ContainsFunc(c.interceptors, func(i rpc.StreamClientInterceptor) bool { return i == nil }):
		return errors.New("client: a nil interceptor of streams")
	}
	return nil
}

// mux returns the Mux of a new connection to a server that announced window and accepts frames of maxFrame bytes.
func (c *config) mux(window uint32, maxFrame int) *stream.Mux {
	share := uint64(c.streams.memory / c.streams.max / 2) // the rest is for larger windows, and messages larger than these
	share += share / 128                                  // so that two messages of 64 KiB fit into 128 KiB
	return stream.NewMux(stream.Config{
		Window:     min(max(share, wire.MinWindow), stream.DefaultWindow),
		ConnWindow: connWindow,
		WideWindow: stream.WideWindow,
		MaxPiece:   maxFrame,
		MaxMessage: c.maxMessage,
		MaxStreams: c.streams.max,
		Memory:     flow.NewBudget(nil, uint64(c.streams.memory)),
	}, window)
}
