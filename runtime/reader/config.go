package reader

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/internal/stream"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Dispatcher takes calls, in order. It must not block, and must not keep the slice. The handler implements it.
type Dispatcher interface {
	Dispatch(calls []*rpc.Call)
}

// Output takes what goes back to the peer. The responder implements it.
type Output interface {
	// Reply queues the reply to c, which nobody sees before Flush or Wake.
	rpc.Replier

	// Flush has what Reply has queued written, by the caller as a rule. It may be called from any goroutine.
	Flush()

	// Send queues bytes that are no reply. b is copied.
	Send(b []byte)

	// Attach sets where what streams send comes from. fill appends buffers to bufs, whole frames if put together: at least
	// one if there is any, and about limit bytes at most. It may use scratch, up to its capacity, for some of them. They are
	// not needed any more when written is called, which is before the next fill. What would make written wait for the peer
	// has hold called first, with the buffers of the last fill: it may replace them by others with the same content. waiting
	// returns how many replies fill has yet to append. Attach is called at most once, and before Wake and ReplyVia.
	Attach(fill func(bufs [][]byte, scratch []byte, limit int) [][]byte, hold func(bufs [][]byte), written func(), waiting func() int)

	// Wake says that fill has something, or has what Reply has queued written, on the loop. It may be called from any goroutine,
	// and must not call fill itself.
	Wake()

	// ReplyVia is Reply for the call of a stream: it encodes the reply and gives the frame, fresh memory, to send, before
	// it returns. send reports whether fill will append the frame. If so, Appended or Dropped follows, if not neither needs to.
	ReplyVia(c *rpc.Call, reply rpc.Reply, send func(frame []byte) bool)

	// Appended says, inside fill and with a lock held, that fill has just appended the reply to the stream call of that id.
	Appended(id uint64)

	// Dropped says that it will not, because the stream has been reset or the connection has ended.
	Dropped(id uint64)
}

// Config is what the sessions of a server share. The zero value of each optional field means its default.
type Config struct {
	Dispatcher Dispatcher    // required
	Registry   *rpc.Registry // required; read-only
	Dialect    *wire.Dialect // required: the native protocol's limits and compression

	// ServerID names this run of the server in the preamble.
	ServerID rpc.ClientID

	// Answered, if not nil, is called when a session that has been told to drain has no call in flight any more, and when
	// it was Undecided and is so no longer.
	Answered func()

	// Banner says in one line what this port is, for peers that speak another protocol; default a text in general terms.
	Banner string

	// MaxFrame bounds the length of a frame, header excluded: from wire.MinMaxFrame to 2^31-1; default wire's, 16,384,000
	// bytes.
	MaxFrame int

	// MaxMessage bounds a Thrift message after its transforms were undone, and one that comes without frames; default 64 MiB.
	MaxMessage int

	// MaxCalls bounds the calls of one connection that have not been answered; default 4096. One more is refused with
	// ResourceExhausted. A canceled call counts until its handler has returned.
	MaxCalls int

	// MaxCallBytes bounds the bodies of those calls together; default 64 MiB. A call is always taken when there is no
	// other.
	MaxCallBytes int

	// MaxStreams bounds the streams of one connection; default 1024. One more is refused with ResourceExhausted. A canceled
	// stream counts until its handler has returned.
	MaxStreams int

	// StreamWindow is how much a client may send on a stream before any of it is received, in bytes, as far as there is
	// memory for it: at least wire.MinWindow, which is what it is in any case; default 258 KiB. It grows, up to 4 MiB, for a
	// handler that keeps up.
	StreamWindow int

	// ConnWindow is how much a client may send on all streams of a connection before the loop has looked at it: at least
	// wire.MinWindow; default 258 KiB. It is what a call may have to wait behind. A connection that has carried 64 times as
	// much without any call gets 1,032 KiB, until there is one.
	ConnWindow int

	// StreamMemory bounds what the streams of one connection may hold of what clients have sent, in bytes; default 128 MiB.
	// A stream that clients send on needs 64 KiB at least, or its call is refused with ResourceExhausted. Half of it is kept for
	// that; larger windows come out of the other half.
	StreamMemory int

	// StreamStall is how long a client may let messages of a stream wait without granting credit for them; 0, the default:
	// for ever. The stream is then reset (ResourceExhausted).
	StreamStall time.Duration

	// Memory bounds the same for all connections together; default 512 MiB.
	Memory *flow.Budget

	// MaxCancels bounds the calls of a native connection that are canceled within a millisecond of their arrival, in 10 s;
	// default 200, negative: no bound. Of those within a tenth of a second only a tenth of MaxCancels counts. The
	// connection ends with the next one, unless more calls than that were answered in the same time.
	MaxCancels int

	// FirstFrameTimeout is how long a new connection may take to its first complete frame; default 10 s.
	FirstFrameTimeout time.Duration

	// FrameTimeout is how long any later frame may take from its first byte to its last; default 30 s. After 5 s of it
	// the peer must also have kept up MinRate.
	FrameTimeout time.Duration

	// MinRate is in bytes a second; default 1024.
	MinRate int

	// IdleTimeout is how long a connection may stay without a call in flight and without a byte; default 10 min,
	// negative: for ever.
	IdleTimeout time.Duration

	// Now is the clock; default time.Now.
	Now func() time.Time

	dialects *dialectCache // made by ApplyDefaultsAndValidate
}

const (
	defaultMaxMessage        = 64 << 20
	defaultMaxCalls          = 4096
	defaultMaxCancels        = 200
	defaultMaxCallBytes      = 64 << 20
	defaultStreamMemory      = 128 << 20
	defaultMemory            = 512 << 20
	defaultFirstFrameTimeout = 10 * time.Second
	defaultFrameTimeout      = 30 * time.Second
	defaultMinRate           = 1024
	defaultIdleTimeout       = 10 * time.Minute

	// rateGrace is how long a frame may take before MinRate is asked for.
	rateGrace = 5 * time.Second
)

// ApplyDefaultsAndValidate fills in the defaults. NewSession expects that it has been called.
func (c *Config) ApplyDefaultsAndValidate() error {
	if c.Dispatcher == nil || c.Registry == nil || c.Dialect == nil {
		return errors.New("reader: a Config needs a Dispatcher, a Registry and a Dialect")
	}
	setInt := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	setDuration := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	setInt(&c.MaxFrame, wire.DefaultMaxFrame)
	setInt(&c.MaxMessage, defaultMaxMessage)
	setInt(&c.MaxCalls, defaultMaxCalls)
	setInt(&c.MaxCallBytes, defaultMaxCallBytes)
	setInt(&c.MaxCancels, defaultMaxCancels)
	setInt(&c.MaxStreams, stream.DefaultMaxStreams)
	setInt(&c.StreamWindow, stream.DefaultWindow)
	setInt(&c.ConnWindow, stream.DefaultWindow)
	setInt(&c.StreamMemory, defaultStreamMemory)
	setInt(&c.MinRate, defaultMinRate)
	setDuration(&c.FirstFrameTimeout, defaultFirstFrameTimeout)
	setDuration(&c.FrameTimeout, defaultFrameTimeout)
	setDuration(&c.IdleTimeout, defaultIdleTimeout)
	if c.Memory == nil {
		c.Memory = flow.NewBudget(nil, defaultMemory)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxFrame < wire.MinMaxFrame || int64(c.MaxFrame) > math.MaxInt32 {
		return fmt.Errorf("reader: frames of at most %d bytes: %d to %d are allowed", c.MaxFrame, wire.MinMaxFrame, math.MaxInt32)
	}
	c.dialects = newDialectCache(c)
	for _, n := range []int{c.StreamWindow, c.ConnWindow} {
		if n < wire.MinWindow || int64(n) > math.MaxInt32 {
			return fmt.Errorf("reader: a window of %d bytes: %d to %d are allowed", n, wire.MinWindow, math.MaxInt32)
		}
	}
	for _, limit := range []struct {
		name string
		n    int64
	}{
		{"MaxMessage", int64(c.MaxMessage)}, {"MaxCalls", int64(c.MaxCalls)}, {"MaxCallBytes", int64(c.MaxCallBytes)},
		{"MaxStreams", int64(c.MaxStreams)}, {"StreamMemory", int64(c.StreamMemory)}, {"MinRate", int64(c.MinRate)}, {"FirstFrameTimeout", int64(c.FirstFrameTimeout)}, {"FrameTimeout", int64(c.FrameTimeout)},
		{"StreamStall", int64(c.StreamStall)},
	} {
		if limit.n < 0 {
			return fmt.Errorf("reader: %s is negative", limit.name)
		}
	}
	return nil
}
