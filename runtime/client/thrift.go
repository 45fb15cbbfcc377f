package client

import (
	"fmt"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// Thrift describes a stock Apache Thrift server. The zero value is what most speak: TBinaryProtocol over a framed
// transport.
//
// Such a server knows neither deadlines nor cancelation: these end the wait, and the server goes on. Its reply is then
// read and dropped, so that the connection stays in step; calls behind it on the connection wait for that. A
// connection on which no such reply comes within 5 s is replaced by a new one. WithEncoding, WithCompression and
// WithKeepalive have no effect.
type Thrift struct {
	Transport Transport
	Encoding  codec.Encoding // Binary or Compact
	NonStrict bool           // Binary: leave out the version, as servers from before 2008 want
	Service   string         // the name of the service on a multiplexing server (TMultiplexedProcessor); "" if it has only one

	// Pipeline is how many calls may be under way on one connection, at least 1; 0 stands for 1. Most servers read the
	// next call only after they have answered the last, so more gains little with them; those that answer out of order
	// (nonblocking and THeader servers) take any number.
	Pipeline int
}

// Transport is how Thrift messages are delimited.
type Transport uint8

const (
	Framed   Transport = iota // TFramedTransport: each message after its length
	Unframed                  // TBufferedTransport, or a plain socket
	Header                    // THeaderTransport
)

// String returns "framed", "unframed" or "header".
func (t Transport) String() string {
	switch t {
	case Framed:
		return "framed"
	case Unframed:
		return "unframed"
	case Header:
		return "header"
	}
	return fmt.Sprintf("transport(%d)", uint8(t))
}

func (t *Thrift) validate() error {
	switch {
	case t.Transport > Header:
		return fmt.Errorf("client: unknown Thrift transport %d", t.Transport)
	case t.Encoding != codec.Binary && t.Encoding != codec.Compact:
		return fmt.Errorf("client: unknown Thrift encoding %d", t.Encoding)
	case t.NonStrict && t.Encoding == codec.Compact:
		return fmt.Errorf("client: only Thrift's binary encoding has a non-strict form")
	case t.Pipeline < 0 || t.Pipeline > 1<<20:
		return fmt.Errorf("client: a Thrift pipeline of %d calls", t.Pipeline)
	}
	return nil
}

// lateLimit is how long a reply that nobody waits for may keep a connection.
const lateLimit = 5 * time.Second

// thriftProto is the protocol of Apache Thrift. Sequence ids are the low 31 bits of the table's ids.
type thriftProto struct {
	dialect thrift.Dialect
	service string        // "" or "Service:"
	turns   chan struct{} // holds a token for each call under way
	sending chan struct{} // holds a token while a call is encoded and queued: its id goes into the encoding

	proven bool // the reader goroutine's: the server has sent a reply

	// Guarded by the connection's mu.
	late   int       // replies that nobody waits for
	lateBy time.Time // when the connection is given up, if late > 0
}

func newThrift(c *config) *thriftProto {
	t := c.thrift
	p := &thriftProto{
		dialect: thrift.Dialect{
			Framed:      t.Transport == Framed,
			Header:      t.Transport == Header,
			Encoding:    t.Encoding,
			Strict:      !t.NonStrict,
			MaxFrame:    c.maxFrame,
			MaxMessage:  c.maxMessage,
			AllocFactor: c.allocFactor,
		},
		turns:   make(chan struct{}, max(t.Pipeline, 1)),
		sending: make(chan struct{}, 1),
	}
	if t.Service != "" {
		p.service = t.Service + ":"
	}
	return p
}

func (t *thriftProto) send(cn *conn, c *call, args codec.Encodable) *rpc.Error {
	if c.stream != nil {
		return noStreams(c.method, "Thrift's protocols have none")
	}
	if err := acquire(cn, c, t.turns); err != nil {
		return err
	}
	waiting := false // for a reply, which will give the turn back
	defer func() {
		if !waiting {
			<-t.turns
		}
	}()
	err := t.sendInTurn(cn, c, args)
	waiting = err == nil && !c.method.Oneway
	return err
}

func (t *thriftProto) sendInTurn(cn *conn, c *call, args codec.Encodable) *rpc.Error {
	if err := acquire(cn, c, t.sending); err != nil {
		return err
	}
	defer func() { <-t.sending }()
	if _, ok := c.bounds.left(); !ok {
		return c.bounds.over(c.method, rpc.NotExecuted, "a connection")
	}
	cn.mu.Lock()
	id := cn.table.next()
	cn.mu.Unlock()
	if c.frame == nil {
		c.frame = newFrame()
	}
	name := c.method.Name
	if t.service != "" {
		name = t.service + name
	}
	frame, err := t.dialect.AppendCall(c.frame[:0], sequence(id), name, c.method, args)
	c.frame = frame
	if err != nil {
		return callError(err, c.method)
	}
	return cn.enqueue(c, id, nil)
}

// acquire puts a token into sem when there is room.
func acquire(cn *conn, c *call, sem chan struct{}) *rpc.Error {
	select {
	case sem <- struct{}{}:
		return nil
	default:
	}
	c.bounds.block(&c.bounds.queued)
	defer c.bounds.unblock()
	select {
	case sem <- struct{}{}:
		return nil
	case <-cn.left:
		return notSent(cn.err, c.method)
	case <-c.bounds.ctx.Done():
	case <-c.bounds.expired:
	}
	return c.bounds.over(c.method, rpc.NotExecuted, "earlier calls on the connection")
}

// sequence returns an id as it goes over the wire.
func sequence(id uint64) int32 { return int32(id & 0x7fffffff) }

// idOf returns the highest id up to last that sequence makes seq of.
func idOf(seq int32, last uint64) uint64 {
	return last - (last-uint64(uint32(seq)))&0x7fffffff
}

func (t *thriftProto) cancelLocked(cn *conn, e *entry) {
	e.call = nil
	t.late++
	if t.late == 1 {
		t.lateBy = time.Now().Add(lateLimit)
		cn.nc.SetReadDeadline(t.lateBy) // if it fails, so does the reader
	}
}

func (t *thriftProto) quiet(cn *conn, now time.Time) (time.Time, error) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	switch {
	case t.late == 0:
		return time.Time{}, nil
	case now.Before(t.lateBy):
		return t.lateBy, nil
	}
	return time.Time{}, fmt.Errorf("the server has not answered a call that ended %v ago", lateLimit)
}

func (t *thriftProto) receive(cn *conn) error {
	buf := make([]byte, 64<<10)
	s := thrift.NewSplitter(&t.dialect)
	for {
		k, err := cn.read(buf, nil)
		if err != nil {
			return err
		}
		for b := buf[:k]; len(b) > 0; {
			n, msg, err := s.Next(b)
			if err != nil {
				return t.garbage(b, err)
			}
			b = b[n:]
			if msg == nil {
				break
			}
			if err := t.deliver(cn, msg); err != nil {
				return err
			}
		}
	}
}

// garbage explains why what came is no Thrift.
func (t *thriftProto) garbage(b []byte, err error) error {
	if t.proven {
		return err
	}
	if s := speaker(b); s != "" {
		return fmt.Errorf("wanted %v Thrift, but this seems to be %s: %w", &t.dialect, s, err)
	}
	return fmt.Errorf("wanted %v Thrift: %w", &t.dialect, err)
}

func (t *thriftProto) deliver(cn *conn, msg []byte) error {
	r, err := t.dialect.ReadReply(msg)
	if err != nil {
		return t.garbage(msg, err)
	}
	cn.mu.Lock()
	e := cn.table.find(idOf(r.Seq, cn.table.last))
	if r.Seq < 0 || e == nil {
		cn.mu.Unlock()
		return fmt.Errorf("a reply with sequence id %d, which no call has", r.Seq)
	}
	c := e.call
	if c == nil {
		t.late--
		if t.late == 0 {
			cn.nc.SetReadDeadline(time.Time{}) // if it fails, so does the reader
		}
	}
	cn.table.remove(e)
	cn.removedLocked()
	cn.mu.Unlock()
	t.proven = true
	<-t.turns
	if c != nil {
		c.reply.thrift, c.reply.size = r, len(msg)
		c.end()
	}
	return nil
}

func (t *thriftProto) decode(m *rpc.Method, r *reply, result codec.Decodable) error {
	if err := r.thrift.Decode(result); err != nil {
		return callError(err, m)
	}
	return nil
}

// metadata implements protocol: Thrift replies have none.
func (t *thriftProto) metadata(*reply) []byte { return nil }
