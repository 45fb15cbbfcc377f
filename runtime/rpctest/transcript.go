package rpctest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// Transcript has the frames of the native protocol that went over the connections it wraps, a line for each:
//
//	> preamble
//	> call 1 Echo.echo, 12 bytes
//	< preamble
//	< reply 1, 9 bytes
//
// ">" is what was written to the wrapped connection, "<" what was read from it. A call's options follow its name where
// they are set: "retry 2", "number 7", "metadata tenant=blue". Timeouts are left out, since they vary. The zero value is
// empty. It may be used concurrently.
type Transcript struct {
	mu    sync.Mutex
	lines []string
}

// String returns the lines so far.
func (t *Transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return ""
	}
	return strings.Join(t.lines, "\n") + "\n"
}

// Dialer returns a dialer that wraps what dial returns. It is what client.WithDialer takes.
func (t *Transcript) Dialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return t.Wrap(nc), nil
	}
}

// Wrap returns nc, of which t takes down what is said.
func (t *Transcript) Wrap(nc net.Conn) net.Conn {
	return &recorded{Conn: nc, out: scribe{t: t, mark: ">"}, in: scribe{t: t, mark: "<"}}
}

type recorded struct {
	net.Conn
	out, in scribe
}

// Write takes b down before it goes out, so that an answer never comes first.
func (r *recorded) Write(b []byte) (int, error) {
	r.out.take(b)
	return r.Conn.Write(b)
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.in.take(b[:n])
	return n, err
}

// scribe takes down one direction.
type scribe struct {
	t       *Transcript
	mark    string
	rest    []byte // an unfinished frame
	greeted bool
	lost    bool // what comes is not the native protocol
}

func (s *scribe) take(b []byte) {
	if s.lost {
		return
	}
	s.rest = append(s.rest, b...)
	for {
		n, line := s.next()
		if n == 0 {
			return
		}
		s.rest = s.rest[n:]
		s.t.mu.Lock()
		s.t.lines = append(s.t.lines, s.mark+" "+line)
		s.t.mu.Unlock()
	}
}

// next describes what s.rest begins with and returns its length, 0 if it is not complete.
func (s *scribe) next() (n int, line string) {
	if !s.greeted {
		_, ok, err := wire.ParsePreamble(s.rest)
		switch {
		case err != nil:
			return s.giveUp(err)
		case !ok:
			return 0, ""
		}
		s.greeted = true
		return wire.PreambleSize, "preamble"
	}
	h, ok := wire.ParseFrameHeader(s.rest)
	if !ok {
		return 0, ""
	}
	if err := h.Check(0); err != nil {
		return s.giveUp(err)
	}
	n = wire.FrameHeaderSize + int(h.Length)
	if len(s.rest) < n {
		return 0, ""
	}
	return n, describe(h, s.rest[wire.FrameHeaderSize:n])
}

func (s *scribe) giveUp(err error) (int, string) {
	if s.lost || len(s.rest) == 0 {
		return 0, ""
	}
	s.lost = true
	return len(s.rest), "? " + err.Error()
}

// describe returns a frame's line.
func describe(h wire.FrameHeader, payload []byte) string {
	line := h.Kind.String()
	if h.Stream != 0 {
		line += fmt.Sprint(" ", h.Stream)
	}
	header, body := payload[:h.HeaderLen], payload[h.HeaderLen:]
	switch h.Kind {
	case wire.KindCall:
		ch, err := wire.ParseCallHeader(header)
		if err != nil {
			return line + " ? " + err.Error()
		}
		line += " " + string(ch.Method)
		if h.Flags&wire.FlagOneway != 0 {
			line += " oneway"
		}
		if ch.Retry > 0 {
			line += fmt.Sprint(" retry ", ch.Retry)
		}
		if ch.Number > 0 {
			line += fmt.Sprint(" number ", ch.Number)
		}
		line += pairs(ch.Metadata)
	case wire.KindReply:
		line += pairs(wire.ReplyMetadata(h, payload))
	case wire.KindError:
		e := wire.ParseError(header)
		line += fmt.Sprintf(" %v, %v: %s", e.Code, e.Execution, e.Message)
		if e.Advice != rpc.AdviceNone {
			line += fmt.Sprint(" (", e.Advice, ")")
		}
		return line + pairs(wire.ReplyMetadata(h, payload))
	case wire.KindGoAway:
		if g, err := wire.ParseGoAway(payload); err == nil {
			line += fmt.Sprintf(" after %d %s", g.Last, g.Message)
		}
		return strings.TrimRight(line, " ")
	case wire.KindData:
	default:
		return line
	}
	return line + fmt.Sprintf(", %d bytes", len(body))
}

func pairs(encoded []byte) (s string) {
	m := rpc.DecodeMetadata(encoded)
	if m.Len() == 0 {
		return ""
	}
	s = " metadata"
	for k, v := range m.All() {
		s += " " + k + "=" + v
	}
	return s
}
