package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/internal/buffer"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

const (
	firstBuffer = 16 << 10  // of the reader; grows while reads fill it
	lastBuffer  = 256 << 10 // and no further: larger frames are read into place
	maxPongs    = 1 << 10   // pings that may go unanswered before the server is taken for mad
)

// native is the protocol of our own wire format.
type native struct {
	config  *config
	dialect atomic.Pointer[wire.Dialect] // replaced when the server has said what it accepts

	greeted chan struct{} // closed when the server's preamble has come
	streams bool          // then: the server knows streams
	window  uint32        // and the connection's first limit for Data

	// Whoever reads the connection owns these.
	inbox   inbox
	pinged  time.Time // when the ping was sent that is to be answered; zero if none
	arrived []arrival // replies and frames of streams of the chunk in hand, to be looked at together
	alone   int       // so many chunks in a row brought one reply each, soon after the last, and nobody waited for another
	last    time.Time // when the last of them came
	bulky   bool      // a large Data frame came just now
}

// arrival is a reply, or a frame of a stream, that is complete in the reader's buffer.
type arrival struct {
	header  wire.FrameHeader
	payload []byte        // in the buffer, except that of Data
	call    *call         // of a reply; nil if nobody waits for it
	ended   *clientStream // that has just ended with the frame
}

func newNative(c *config) *native {
	n := &native{config: c, greeted: make(chan struct{})}
	n.dialect.Store(&wire.Dialect{Encoding: c.encoding, Threshold: c.threshold, MaxMessage: c.maxMessage, AllocFactor: c.allocFactor})
	return n
}

// open queues what the connection starts with. The client does not wait for the server's.
func (n *native) open(cn *conn) {
	cn.mu.Lock()
	cn.controlLocked(wire.AppendPreamble(nil, wire.Preamble{
		Features: wire.FeatureStreams,
		MaxFrame: uint32(n.config.maxFrame),
		Window:   connWindow,
		ID:       n.config.clientID,
	}))
	cn.unlockAndFlush()
}

func (n *native) send(cn *conn, c *call, args codec.Encodable) *rpc.Error {
	left, ok := c.bounds.left()
	if !ok {
		return c.bounds.over(c.method, rpc.NotExecuted, "a connection")
	}
	if c.stream != nil {
		return n.openStream(cn, c, args)
	}
	return n.sendCall(cn, c, args, left)
}

// sendCall encodes and enqueues a call that has so much time left.
func (n *native) sendCall(cn *conn, c *call, args codec.Encodable, left time.Duration) *rpc.Error {
	c.native.Timeout = left
	var err error
	c.splices = c.splices[:0] // an attempt that did not get into the queue has left them
	if cn.try != nil {
		if c.frame == nil {
			c.frame = newHead()
		}
		c.frame, c.splices, err = n.dialect.Load().AppendCallSplices(c.frame[:0], c.splices, 0, c.method, args, &c.native)
	} else { // pieces would be so many writes
		if c.frame == nil {
			c.frame = newFrame()
		}
		c.frame, err = n.dialect.Load().AppendCall(c.frame[:0], 0, c.method, args, &c.native)
	}
	if err != nil {
		return callError(err, c.method)
	}
	return cn.enqueue(c, 0, stampStream)
}

// stampStream writes the stream id into a frame: the last 8 bytes of its header.
func stampStream(frame []byte, id uint64) {
	binary.BigEndian.PutUint64(frame[wire.FrameHeaderSize-8:], id)
}

func (n *native) cancelLocked(cn *conn, e *entry) {
	var frame [wire.FrameHeaderSize]byte
	cn.controlLocked(wire.AppendCancel(frame[:0], e.id))
	cn.table.remove(e)
}

func (n *native) decode(m *rpc.Method, r *reply, result codec.Decodable) error {
	return n.dialect.Load().DecodeReply(m, r.header, r.payload, result)
}

func (n *native) metadata(r *reply) []byte { return wire.ReplyMetadata(r.header, r.payload) }

// meet takes note of the server's preamble.
func (n *native) meet(p wire.Preamble) {
	d := *n.dialect.Load()
	d.MaxFrame = p.FrameLimit()
	n.dialect.Store(&d)
	n.streams, n.window = p.Features&wire.FeatureStreams != 0, p.Window
	close(n.greeted)
}

// frames deals with the complete frames at the start of b and returns how many bytes they are.
func (n *native) frames(cn *conn, b []byte) (used int, err error) {
	for {
		h, ok := wire.ParseFrameHeader(b[used:])
		if !ok {
			break
		}
		if err := h.Check(n.config.maxFrame); err != nil {
			n.deliver(cn)
			return used, err
		}
		size := wire.FrameHeaderSize + int(h.Length)
		if len(b)-used < size {
			break
		}
		payload := b[used+wire.FrameHeaderSize : used+size]
		used += size
		switch {
		case h.Kind == wire.KindReply || h.Kind == wire.KindError:
			n.arrived = append(n.arrived, arrival{header: h, payload: payload})
			continue
		case n.streams && h.Kind == wire.KindData:
			payload = append(buffer.Get(len(payload))[:0], payload...)
			fallthrough
		case n.streams && (h.Kind == wire.KindCredit || h.Kind == wire.KindReset):
			n.arrived = append(n.arrived, arrival{header: h, payload: payload})
			continue
		}
		if err := n.control(cn, h, payload); err != nil {
			n.deliver(cn)
			return used, err
		}
	}
	return used, n.deliver(cn)
}

// placeSize is from which length on a Data frame that has not come completely is read into place.
const placeSize = 16 << 10

// inPlace reports whether the rest of a frame is to be read into place, not into the reader's buffer.
func inPlace(h wire.FrameHeader) bool {
	return wire.FrameHeaderSize+int(h.Length) > lastBuffer || h.Kind == wire.KindData && h.Length >= placeSize
}

// space returns the part of b that the next read may fill. Behind a large Data frame it is small: another one is likely
// to follow, and what comes into the buffer of that has to be copied.
func (n *native) space(b []byte) []byte {
	if n.bulky {
		n.bulky = false
		return b[:min(len(b), 1<<10)]
	}
	return b
}

// deliver ends the calls that the replies in hand answer. Each gets a copy of its own, of just the size: the result that
// is decoded from it may point into it for as long as the user likes. Frames of streams go to the Mux. The error is that
// of one that breaks the connection.
func (n *native) deliver(cn *conn) (err error) {
	if len(n.arrived) == 0 {
		return nil
	}
	cn.mu.Lock()
	replies, awaited := 0, false
	for i := range n.arrived {
		a := &n.arrived[i]
		if a.header.Kind != wire.KindReply && a.header.Kind != wire.KindError {
			if err == nil {
				woken := false
				a.ended, woken, err = cn.streamLocked(a.header, a.payload, n)
				awaited = awaited || woken
			}
			continue
		}
		replies++
		if e := cn.table.find(a.header.Stream); e != nil {
			a.call = e.call
			cn.table.remove(e)
		}
	}
	n.countAloneLocked(cn, replies, awaited)
	n.last = cn.heard
	cn.removedLocked()
	cn.refillLocked()
	cn.unlockAndFlush()
	for i := range n.arrived {
		a := &n.arrived[i]
		if a.ended != nil {
			a.ended.cancel()
		}
		if c := a.call; c != nil { // else it was canceled
			c.reply.header, c.reply.size = a.header, wire.FrameHeaderSize+len(a.payload)
			c.reply.payload = append([]byte(nil), a.payload...)
			c.end()
		}
		*a = arrival{}
	}
	n.arrived = n.arrived[:0]
	return err
}

// countAloneLocked takes note of whether somebody alone has waited for what has just come: one reply, or what a stream's
// receiver has awaited. The other pieces of a long message are none, but come to its receiver if that reads itself.
func (n *native) countAloneLocked(cn *conn, replies int, awaited bool) {
	led := cn.helm.stream != nil
	if led {
		cn.helm.used = true
	}
	switch {
	case replies > 1 || cn.othersLocked() > 0 || cn.heard.Sub(n.last) > helmGap:
		n.alone = 0
	case replies == 1 || awaited:
		n.alone++
	case !led:
		n.alone = 0
	}
}

// large begins a frame that is larger than the buffer, whose rest comes by way of more. begun is the part of its payload
// that is there. The call stays in the table meanwhile, so that it can be canceled.
func (n *native) large(cn *conn, h wire.FrameHeader, begun []byte) error {
	var payload []byte
	switch {
	case h.Kind == wire.KindReply || h.Kind == wire.KindError:
		cn.mu.Lock()
		wanted := cn.table.find(h.Stream) != nil
		cn.mu.Unlock()
		if wanted {
			payload = make([]byte, h.Length)
			copy(payload, begun)
		}
	case n.streams && h.Kind == wire.KindData:
		payload = buffer.Get(int(h.Length)) // also where nobody wants it: that is rare, and it has to be counted
		copy(payload, begun)
	case !h.Kind.Ignorable():
		return unexpected(h.Kind)
	}
	n.inbox.part = part{header: h, payload: payload, have: len(begun)}
	return nil
}

// more reads on in the frame that large has begun, once.
func (n *native) more(cn *conn, p *patience) error {
	part := &n.inbox.part
	h, payload := part.header, part.payload
	into := payload
	if into != nil {
		into = into[part.have:]
	} else {
		into = make([]byte, min(int(h.Length)-part.have, firstBuffer)) // rare: the call was canceled
	}
	k, err := cn.read(into, p)
	if err != nil {
		return err
	}
	part.have += k
	if part.have < int(h.Length) {
		return nil
	}
	n.inbox.part.header.Length, n.inbox.part.payload = 0, nil
	if payload == nil {
		n.alone = 0
		return nil
	}
	if h.Kind == wire.KindData {
		n.bulky = true
		n.arrived = append(n.arrived, arrival{header: h, payload: payload})
		return n.deliver(cn)
	}
	n.alone = 0
	cn.mu.Lock()
	e := cn.table.find(h.Stream)
	if e == nil {
		cn.mu.Unlock()
		return nil
	}
	c := e.call
	cn.table.remove(e)
	cn.removedLocked()
	cn.mu.Unlock()
	c.reply.header, c.reply.payload, c.reply.size = h, payload, wire.FrameHeaderSize+len(payload)
	c.end()
	return nil
}

// control deals with a frame that is not a reply.
func (n *native) control(cn *conn, h wire.FrameHeader, payload []byte) error {
	switch h.Kind {
	case wire.KindPing:
		token, err := wire.ParsePing(payload)
		if err != nil {
			return err
		}
		return n.pong(cn, token)
	case wire.KindPong:
		return nil // that bytes came is all that counts
	case wire.KindGoAway:
		if err := n.deliver(cn); err != nil { // what came before it counts
			return err
		}
		g, err := wire.ParseGoAway(payload)
		if err != nil {
			return err
		}
		cn.leave(&rpc.Error{Code: rpc.Unavailable, Message: "connection to " + cn.server.address + ": " + goAwayText(g)}, g.Last)
		return nil
	}
	if h.Kind.Ignorable() {
		return nil
	}
	return unexpected(h.Kind)
}

func unexpected(k wire.Kind) error {
	return &wire.ConnError{Code: rpc.InvalidArgument, Reason: fmt.Sprintf("a %v frame from a server", k)}
}

func goAwayText(g wire.GoAway) string {
	s := "the server is going away"
	if g.Code != 0 {
		s = "the server ends the connection: " + g.Code.String()
	}
	if g.Message != "" {
		s += ": " + g.Message
	}
	return s
}

func (n *native) pong(cn *conn, token uint64) error {
	var frame [wire.FrameHeaderSize + 8]byte
	cn.mu.Lock()
	if cn.pongs >= maxPongs {
		cn.mu.Unlock()
		return &wire.ConnError{Code: rpc.ResourceExhausted, Reason: "too many pings"}
	}
	cn.pongs++
	cn.controlLocked(wire.AppendPong(frame[:0], token))
	cn.unlockAndFlush()
	return nil
}

func (n *native) quiet(cn *conn, now time.Time) (time.Time, error) {
	c := n.config
	switch {
	case c.pingIdle == 0: // it was the deadline of a call
		return time.Time{}, nil
	case n.pinged.IsZero() || !cn.heard.Before(n.pinged):
		n.pinged = time.Time{}
		if due := cn.heard.Add(c.pingIdle); now.Before(due) {
			return due, nil
		}
		var frame [wire.FrameHeaderSize + 8]byte
		cn.mu.Lock()
		cn.controlLocked(wire.AppendPing(frame[:0], 1))
		cn.unlockAndFlush()
		n.pinged = now
		return now.Add(c.pingTimeout), nil
	case now.Before(n.pinged.Add(c.pingTimeout)):
		return n.pinged.Add(c.pingTimeout), nil
	}
	return time.Time{}, fmt.Errorf("keepalive: nothing came for %v, not even the answer to a ping for %v", now.Sub(cn.heard).Round(time.Millisecond), c.pingTimeout)
}

// greetingError is why what answered cannot be a Kuafu server.
type greetingError struct {
	prefix []byte
	cause  error
}

func (e *greetingError) Unwrap() error { return e.cause }

func (e *greetingError) Error() string {
	who := "what answered is no Kuafu server"
	if s := speaker(e.prefix); s != "" {
		who += " but " + s
	}
	return fmt.Sprintf("%s: it began with %q", who, e.prefix[:min(len(e.prefix), 24)])
}

// speaker guesses from a server's first bytes what it is; "" if they say nothing.
func speaker(b []byte) string {
	has := func(s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }
	switch {
	case has("HTTP/"):
		return "an HTTP server"
	case has("SSH-"):
		return "an SSH server"
	case has("\x15\x03"), has("\x16\x03"):
		return "a TLS server"
	case len(b) >= 9 && has("\x00\x00") && b[3] == 4 && b[4] <= 1 && b[5] == 0: // its SETTINGS frame
		return "an HTTP/2 server"
	case has("\x80\x01"), has("\x82"), len(b) >= 6 && (b[4] == 0x80 && b[5] == 1 || b[4] == 0x82):
		return "a Thrift server (see client.WithThrift)"
	}
	return ""
}

func readError(err error) error {
	if err == io.EOF {
		return errClosedByServer
	}
	return err
}

var errClosedByServer = errors.New("closed by the server")
