package rpc

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// ClientID identifies a client process across its connections; with a call id and a retry count it names one attempt.
type ClientID [16]byte

// Peer is the other end of a connection. It does not change; when the other end logs in, the calls that come after that
// have another Peer.
type Peer struct {
	Network string // "tcp", "tls", "unix" or "mem"
	Address string
	UID     int // of a Unix socket's peer, from SO_PEERCRED; -1 if unknown
	GID     int // likewise
	PID     int // likewise

	Identity Identity

	// Binding names a TLS connection's keys, the same on both ends and nowhere else: RFC 9266's tls-exporter. nil if there
	// is none.
	Binding []byte
}

// Call is one call inside a server, from the reader that framed it to the responder that answers it. The reader fills
// it; after that one stage at a time owns it. There is one for each call, so its size counts: the order of the fields keeps
// it within the allocator's 384 bytes.
type Call struct {
	ID       uint64         // the id that the reply carries: a native stream id or a Thrift sequence id
	Handler  *Handler       // what to run; nil until it is resolved, and after Dialect.Open only if there is no such method
	Name     string         // the name as received, where Handler is nil
	Retry    uint32         // 0 for the first attempt
	Encoding codec.Encoding // of the body
	Oneway   bool           // the caller expects no reply

	Compression uint8 // of Body, in the dialect's own numbering; Dialect.Open undoes it

	// Body is the argument struct as it came from the wire, possibly still compressed. The call owns it: nobody writes to
	// it again, so decoded strings may alias it.
	Body []byte

	Size    int // of Body as it was received, which is what a connection's limits count
	RawSize int // declared size of Body when decompressed

	Received time.Time // when its last byte was read
	Deadline time.Time // zero if none
	ClientID ClientID
	Number   uint64 // the client's own number for the call, the same in every attempt; 0 if it has none
	Metadata []byte // the header's metadata fields, undecoded
	Trace    []byte // the header's trace context, undecoded; nil if none
	Peer     *Peer

	// What the stages have measured, for whoever looks at the call's end; 0 for a stage that it did not reach.
	Queue      time.Duration // between Received and a worker
	Processing time.Duration // decoding the arguments and running the implementation

	Stream  Stream // of a stream call; nil for others
	Dialect Dialect
	Replier Replier
	State   any // the dialect's own, such as what the reply's header must repeat

	Deferrals *Deferrals // of the handler stage, which sets it; nil where the reply cannot be deferred

	deferral atomic.Pointer[Deferral] // &returned once the implementation has returned
	detached atomic.Bool
	ctx      callContext
}

// Detach makes the call go on when its connection ends: the caller is going to ask for the reply on another one.
func (c *Call) Detach() { c.detached.Store(true) }

// Disconnected tells the call that its connection has ended. Its context ends, unless nobody waits for the reply or the
// call has been detached.
func (c *Call) Disconnected() {
	if !c.Oneway && !c.detached.Load() {
		c.Cancel(context.Canceled)
	}
}

// WantsReply reports whether anybody waits for the reply. A method that the IDL declares oneway has none, however it was
// called: stock Thrift servers see it so too.
func (c *Call) WantsReply() bool {
	return !c.Oneway && (c.Handler == nil || !c.Handler.Method.Oneway)
}

// Reply is the end of a call: a result struct or an error, never both. Both are nil for a oneway call.
type Reply struct {
	Result codec.Encodable
	Err    *Error
}

// Replier takes the reply of a call. It is called exactly once per call, oneway ones included, from any goroutine, and
// the call must not be used afterwards. The responder implements it.
type Replier interface {
	Reply(c *Call, r Reply)
}

// Dialect is how one wire format unpacks a call's body and packs its reply. Methods are called on handler goroutines,
// for several calls at once.
type Dialect interface {
	// Open makes c.Body the plain encoded argument struct: it decompresses, within the dialect's limits, and where the
	// method's name is inside the compressed part it sets c.Name.
	Open(c *Call) error

	// AppendReply appends the whole reply to dst, frame header included. For a oneway call it appends nothing. If the result
	// cannot be encoded it appends an error reply in its place.
	AppendReply(dst []byte, c *Call, r Reply) []byte
}

// ReportingDialect is a Dialect that also says what it has made of a reply, for whoever looks at the call's end.
type ReportingDialect interface {
	Dialect

	// AppendReplyReport is AppendReply.
	AppendReplyReport(dst []byte, c *Call, r Reply) ([]byte, ReplyReport)
}

// ReplyReport is what a dialect has made of a reply.
type ReplyReport struct {
	Plain int    // bytes of the whole reply, had its body not been compressed
	Err   *Error // what was sent in place of the result, which cannot be sent; nil where the reply was sent as it was given
}
