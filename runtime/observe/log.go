package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Log returns Events that log what an operator may have to look at:
//
//   - Warn: slow calls; calls that failed with Unknown, Internal or DataLoss, which are the server's own faults.
//   - Debug: connections that begin.
//
// The server itself logs why connections and handshakes end, calls that were denied, and the stacks of panics; Log does
// not say it again. There are at most 20 lines a second of each kind of Warn; the next one then says how many were left
// out. l's handler is called on event loops: one that writes to a slow place should have a buffer. nil stands for
// slog.Default.
func Log(l *slog.Logger) Events {
	if l == nil {
		l = slog.Default()
	}
	var slow, failed limiter
	ctx := context.Background()
	return Events{
		ConnOpened: func(c ConnOpened) {
			if l.Enabled(ctx, slog.LevelDebug) {
				l.LogAttrs(ctx, slog.LevelDebug, "rpc: connection opened", peerAttr(c.Peer))
			}
		},
		CallDone: func(c CallDone) {
			switch c.Code() {
			case rpc.Unknown, rpc.Internal, rpc.DataLoss:
				if l.Enabled(ctx, slog.LevelWarn) {
					failed.log(l, c.Done, slog.LevelWarn, "rpc: call failed", callAttrs(&c)...)
				}
			}
		},
		SlowCall: func(s SlowCall) {
			if l.Enabled(ctx, slog.LevelWarn) {
				attrs := append(callAttrs(&s.CallDone), slog.Duration("limit", s.Limit), slog.Duration("mean", s.Mean))
				slow.log(l, s.Done, slog.LevelWarn, "rpc: slow call", attrs...)
			}
		},
	}
}

// AccessLog returns Events that log every call of a server, and every call of a client, at level Info. l's handler is
// called on event loops: give it a buffer. nil stands for slog.Default.
func AccessLog(l *slog.Logger) Events {
	if l == nil {
		l = slog.Default()
	}
	ctx := context.Background()
	return Events{
		CallDone: func(c CallDone) {
			if l.Enabled(ctx, slog.LevelInfo) {
				l.LogAttrs(ctx, slog.LevelInfo, "rpc: call", append(callAttrs(&c),
					slog.Int("request_bytes", c.RequestBytes), slog.Int("reply_bytes", c.ReplyBytes), slog.Int("reply_raw_bytes", c.ReplyRawBytes))...)
			}
		},
		ClientCallDone: func(c ClientCallDone) {
			if !l.Enabled(ctx, slog.LevelInfo) {
				return
			}
			attrs := []slog.Attr{slog.String("method", methodName(c.Method)), slog.String("code", CodeName(c.Code())), slog.Duration("took", c.Took)}
			if c.Attempts > 0 {
				attrs = append(attrs, slog.Int("attempts", c.Attempts), slog.Int("request_bytes", c.RequestBytes), slog.Int("reply_bytes", c.ReplyBytes))
			}
			if c.Err != nil {
				attrs = append(attrs, slog.String("error", c.Err.Error()))
			}
			l.LogAttrs(ctx, slog.LevelInfo, "rpc: client call", attrs...)
		},
	}
}

// maxName is how much of a name that a peer has made up goes into a log.
const maxName = 128

func callAttrs(c *CallDone) []slog.Attr {
	name := methodName(c.Method)
	if c.Method == nil && c.Name != "" {
		name = c.Name[:min(len(c.Name), maxName)]
	}
	attrs := append(make([]slog.Attr, 0, 12), slog.String("method", name), slog.String("code", CodeName(c.Code())), peerAttr(c.Peer),
		slog.Duration("queue", c.Queue), slog.Duration("processing", c.Processing), slog.Duration("response", c.Response))
	if c.Err != nil {
		attrs = append(attrs, slog.String("error", c.Err.Message))
	}
	if c.Retry > 0 {
		attrs = append(attrs, slog.Uint64("retry", uint64(c.Retry)))
	}
	if c.Unsent {
		attrs = append(attrs, slog.Bool("unsent", true))
	}
	if c.Trace.Valid() {
		attrs = append(attrs, slog.String("trace", c.Trace.String()))
	}
	return attrs
}

// peerAttr returns a group: the network, the address and the identity, as far as they are known.
func peerAttr(p *rpc.Peer) slog.Attr {
	if p == nil {
		return slog.Attr{} // which handlers leave out
	}
	attrs := []any{slog.String("network", p.Network)}
	if p.Address != "" {
		attrs = append(attrs, slog.String("address", p.Address))
	}
	return slog.Group("peer", append(attrs, slog.String("identity", p.Identity.String()))...)
}

// limiter lets some lines a second through, and counts the others.
type limiter struct {
	mu         sync.Mutex
	second     time.Time // when the current one began
	count      int       // lines in it
	suppressed int       // since the last line
}

const linesPerSecond = 20

// admit reports whether there may be a line now, and how many there might not since the last one.
func (l *limiter) admit(now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := now.Sub(l.second); d >= time.Second || d <= -time.Second {
		l.second, l.count = now, 0
	}
	if l.count == linesPerSecond {
		l.suppressed++
		return 0, false
	}
	l.count++
	suppressed, l.suppressed = l.suppressed, 0
	return suppressed, true
}

// log writes a line, if there is room for it in the second of now.
func (l *limiter) log(to *slog.Logger, now time.Time, level slog.Level, text string, attrs ...slog.Attr) {
	if suppressed, ok := l.admit(now); ok {
		if suppressed > 0 {
			attrs = append(attrs, slog.Int("suppressed", suppressed))
		}
		to.LogAttrs(context.Background(), level, text, attrs...)
	}
}
