package observe

import (
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Events are functions that are called as things happen. Any of them may be nil. They are called concurrently, on event
// loops and on the goroutines that run calls, so they must be quick and must not block: whoever waits here, makes calls
// wait. CallDone may be called inside a stream's Send or Recv, about another call of the connection, as whoever sends writes
// what there is: so it must not take a lock that a handler holds there. What they are given is theirs to keep, save that nothing
// in it may be changed.
//
// A server calls CallDone exactly once for every call it has read, whatever became of it. A call that was refused is one
// of them: its Err says NotExecuted.
type Events struct {
	ConnOpened      func(ConnOpened)      // a server has accepted a connection, with its TLS handshake behind it
	ConnClosed      func(ConnClosed)      // such a connection has ended
	ConnRefused     func(ConnRefused)     // a connection was closed at once, because of a limit
	HandshakeFailed func(HandshakeFailed) // a connection never got so far
	CallDone        func(CallDone)        // a server has answered a call
	SlowCall        func(SlowCall)        // and it took unusually long; see WatchSlow
	ClientCallDone  func(ClientCallDone)  // a client has the outcome of a call
}

// ConnOpened is the beginning of a server's connection.
type ConnOpened struct {
	Peer *rpc.Peer
	Time time.Time
}

// ConnClosed is the end of a server's connection.
type ConnClosed struct {
	Peer   *rpc.Peer
	Time   time.Time
	Age    time.Duration // since ConnOpened
	End    End           // the kind of Reason
	Reason error         // io.EOF if the peer has closed; never nil
}

// End is why a connection ended, in classes that are few enough to count by.
type End string

// Why connections end.
const (
	EndPeer         End = "peer"          // the peer closed, or vanished
	EndServer       End = "server"        // the server closes
	EndIdle         End = "idle"          // nothing happened on it for long
	EndTimeout      End = "timeout"       // a frame was not complete in time
	EndSlowConsumer End = "slow_consumer" // the peer did not read its replies
	EndCancels      End = "cancels"       // the peer canceled calls and did little else
	EndProtocol     End = "protocol"      // the peer broke the protocol, a limit of it, or stopped inside a frame
	EndInternal     End = "internal"      // a panic of our own
)

// ConnRefused is a connection for which there was no room.
type ConnRefused struct {
	Peer  *rpc.Peer // no more than its network and address, where the process was out of descriptors
	Time  time.Time
	Limit string // "connections", "connections_per_address" or "files"
}

// HandshakeFailed is a connection that never reached a session, such as one whose client has no good certificate.
type HandshakeFailed struct {
	Peer *rpc.Peer
	Err  error // io.EOF for a peer that closed without a word
}

// CallDone is a call that a server has answered. The stages of its time follow one another: Queue, Processing, Response.
type CallDone struct {
	Method *rpc.Method // nil if there is no such method
	Name   string      // the method's name as it was received, which is the peer's choice, where Method is nil; else ""
	Peer   *rpc.Peer   // with its identity; nil in tests without a connection
	Err    *rpc.Error  // as it was sent, also in place of a result that could not be; nil after a result. A declared exception is a result
	Trace  rpc.TraceContext
	Oneway bool
	Retry  uint32 // 0 for the first attempt
	Unsent bool   // the connection ended before it was the reply's turn to be written

	Received   time.Time     // when its last byte was read
	Done       time.Time     // when its reply was written; for a oneway call, when it had been run
	Queue      time.Duration // waiting for a worker; for a refused call, until it was refused
	Processing time.Duration // decoding the arguments and running the implementation; for a deferred call, until it was answered
	Response   time.Duration // encoding the reply, and until the connection had written its last byte

	RequestBytes    int // of the arguments, as they were received
	RequestRawBytes int // and decompressed; the same if they came plain, or if nobody looked
	ReplyBytes      int // of the whole reply, header included; 0 for a oneway call
	ReplyRawBytes   int // and had it not been compressed; the same if it was not
}

// Code returns the code of c's error, 0 if there is none.
func (c *CallDone) Code() rpc.Code { return codeOf(c.Err) }

// Took returns the whole time that the server had the call for.
func (c *CallDone) Took() time.Duration { return c.Queue + c.Processing + c.Response }

// MethodName returns the one name that metrics have for c's method; Other where there is no such method, because a peer
// may send any number of names.
func (c *CallDone) MethodName() string { return methodName(c.Method) }

// SlowCall is a call that took longer than usual.
type SlowCall struct {
	CallDone
	Limit time.Duration // what Processing exceeded: Mean and some deviations
	Mean  time.Duration // of the method's calls lately
}

// ClientCallDone is a call that a client has made.
type ClientCallDone struct {
	Method *rpc.Method
	Err    error // as the caller got it; a declared exception is not seen here
	Start  time.Time
	Took   time.Duration

	// Not known, and 0, of streams.
	Attempts     int        // how often the call was sent, hedges included; 0 if it never was
	RequestBytes int        // of the last attempt as it was sent, headers included
	ReplyBytes   int        // of the reply as it came, headers included; 0 if none came
	Stages       rpc.Stages // where Took went. Wire includes the server's time, unless the error says more
}

// Code returns the code of c's error, 0 if there is none.
func (c *ClientCallDone) Code() rpc.Code {
	if c.Err == nil {
		return 0
	}
	return rpc.CodeOf(c.Err)
}

// Other stands for the names of methods that there are not.
const Other = "_OTHER"

// CodeName returns what logs and metrics have for a code: its name, "ok" for 0.
func CodeName(c rpc.Code) string {
	if c == 0 {
		return "ok"
	}
	return c.String()
}

func codeOf(err *rpc.Error) rpc.Code {
	if err == nil {
		return 0
	}
	return err.Code
}

func methodName(m *rpc.Method) string {
	if m == nil || m.FullName == "" {
		return Other
	}
	return m.FullName
}

// Tee returns Events that call a's functions and then b's. A function that only one of them has is that function.
func Tee(a, b Events) Events {
	return Events{
		ConnOpened:      both(a.ConnOpened, b.ConnOpened),
		ConnClosed:      both(a.ConnClosed, b.ConnClosed),
		ConnRefused:     both(a.ConnRefused, b.ConnRefused),
		HandshakeFailed: both(a.HandshakeFailed, b.HandshakeFailed),
		CallDone:        both(a.CallDone, b.CallDone),
		SlowCall:        both(a.SlowCall, b.SlowCall),
		ClientCallDone:  both(a.ClientCallDone, b.ClientCallDone),
	}
}

func both[T any](a, b func(T)) func(T) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v T) { a(v); b(v) }
}
