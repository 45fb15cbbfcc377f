package stream

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// State is how far a stream's life has come.
type State uint8

const (
	StateOpen             State = iota // both sides may send messages
	StateHalfClosedLocal               // this side has said that it sends no more
	StateHalfClosedRemote              // the other side has
	StateTrailing                      // both have, and the reply is outstanding
	StateClosed                        // the reply has come, or is on its way after what was sent
	StateReset                         // given up, by either side or because the connection is lost
)

var stateNames = [...]string{"open", "half-closed (local)", "half-closed (remote)", "trailing", "closed", "reset"}

// String returns the name, "open" for example.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

var (
	// ErrWait is returned by Recv when there is no message yet. A Wake will tell when to ask again.
	ErrWait = errors.New("stream: no message yet")
	// ErrSendClosed is returned by Send after CloseSend, and on a stream whose method takes no messages from this side.
	ErrSendClosed = errors.New("stream: this side sends no messages any more")
)

// Stream is one end of one stream. See the package's contract for what its owner has to do.
type Stream struct {
	// Owner is the owner's: its own value about this stream. This package does not look at it.
	Owner any

	// Immutable once started.
	mux      *Mux
	id       uint64 // 0 before Start
	options  Options
	received flow.Receiver
	memory   flow.Reservation

	state State
	err   error // why no message can be sent any more; set with StateClosed and StateReset

	// What goes out.
	sent    flow.Sender
	least   uint64 // credit that has to be there for a piece to go; see leastCredit
	out     queue[piece]
	pending int    // bytes in out
	given   int    // of them, those of Give
	cut     bool   // some of out's front has been sent
	halved  bool   // the last piece of a message was withdrawn after its first had been sent
	end     bool   // an end of messages is to be sent after out
	trailer []byte // to be sent after out; nil if none
	inBulk  bool   // in mux.bulk
	inFree  bool   // in mux.free
	gone    bool   // mux has forgotten it

	starved   time.Time // when Stalled first saw it without credit; zero if it had some
	starvedAt uint64    // and which limit it had then

	// What comes in. The last message may be incomplete.
	in       queue[chunk]
	whole    int    // complete messages in it; if opaque, chunks
	part     int    // bytes of the incomplete message
	partCost uint64 // what it was charged
	more     bool   // a message is incomplete
	lent     uint64 // of the oldest message's cost: counted as consumed, and reserved besides the window
	grown    uint64 // how much was consumed when the window last grew
	wanted   bool   // Recv has returned ErrWait
	inCredit bool   // in mux.credit
}

// piece is something to send.
type piece struct {
	b     []byte
	more  bool   // the message goes on with the next one
	own   bool   // the memory is the stream's
	given []byte // then: all of it, empty
}

// chunk is a Data frame's payload that was received.
type chunk struct {
	b    []byte
	more bool
}

// ID returns the stream's id, 0 before Start.
func (s *Stream) ID() uint64 { return s.id }

// State returns the state.
func (s *Stream) State() State { return s.state }

// Window returns how far the other side may send at first: what a client puts into its Call. 0 if it may not.
func (s *Stream) Window() uint64 { return s.received.Limit() }

// Err returns why nothing more can be sent: nil while it can, io.EOF after a Reply, else an *rpc.Error.
func (s *Stream) Err() error { return s.err }

// String returns "stream 7: open, sent 100 of 65536, pending 0, received ..." for people.
func (s *Stream) String() string {
	return fmt.Sprintf("stream %d: %v, %v, pending %d, %v, reserved %d", s.id, s.state, &s.sent, s.pending, &s.received, s.memory.Held())
}

// over reports whether the stream takes no more input from either side.
func (s *Stream) over() bool { return s.state >= StateClosed }

// remoteEnded reports whether the other side will send no more messages.
func (s *Stream) remoteEnded() bool { return s.state >= StateHalfClosedRemote }

// become asserts that the state may change as it is going to. That it may is the doing of this package alone, never of
// what came in.
func (s *Stream) become(to State, from ...State) {
	for _, f := range from {
		if s.state == f {
			s.state = to
			return
		}
	}
	panic(fmt.Sprintf("%v becomes %v", s, to))
}

// becomeHalfClosedLocal: this side has promised to send no more.
func (s *Stream) becomeHalfClosedLocal() {
	if s.state == StateHalfClosedRemote {
		s.become(StateTrailing, StateHalfClosedRemote)
		return
	}
	s.become(StateHalfClosedLocal, StateOpen)
}

// becomeHalfClosedRemote: the other side has promised it.
func (s *Stream) becomeHalfClosedRemote() {
	if s.state == StateHalfClosedLocal {
		s.become(StateTrailing, StateHalfClosedLocal)
	} else {
		s.become(StateHalfClosedRemote, StateOpen)
	}
	s.settle() // what the other side will not use any more is free
}

// becomeClosed: the reply was given or received. err is for those who still send.
func (s *Stream) becomeClosed(err error) {
	s.become(StateClosed, StateOpen, StateHalfClosedLocal, StateHalfClosedRemote, StateTrailing)
	s.err = err
}

// becomeReset: nothing goes in or out any more, and what is there is dropped. A closed stream whose trailer has not been
// sent can still be reset.
func (s *Stream) becomeReset(err *rpc.Error) {
	s.become(StateReset, StateOpen, StateHalfClosedLocal, StateHalfClosedRemote, StateTrailing, StateClosed)
	s.err = err
	s.dropOut()
	s.dropIn()
	s.mux.forget(s)
}

func (s *Stream) dropOut() {
	s.out.reset()
	s.mux.given -= s.given
	s.given = 0
	s.pending, s.cut, s.end, s.trailer = 0, false, false, nil
}

// dropIn lets go of everything received and of all memory.
func (s *Stream) dropIn() {
	s.in.reset()
	s.whole, s.part, s.partCost, s.lent, s.more = 0, 0, 0, 0, false
	s.received.Consume(s.received.Buffered())
	s.memory.ShrinkTo(0)
}

// settle gives back what cannot be needed any more. See Reset and Discard for where all of it goes.
func (s *Stream) settle() {
	need := max(s.received.Window(), s.received.Outstanding())
	if s.remoteEnded() {
		need = s.received.Buffered()
	}
	s.memory.ShrinkTo(need + s.lent)
}

// Reset gives the stream up: what is pending or unread is dropped, the other side is told, and Send and Recv return err.
// On a stream that is over it does nothing.
func (s *Stream) Reset(err *rpc.Error) {
	if s.over() {
		return
	}
	if s.id != 0 {
		s.mux.resets.push(reset{s.id, wire.Reset{Final: s.sent.Sent(), Code: err.Code, Message: err.Message}})
	}
	s.becomeReset(err)
}

// Discard ends the application's use of the stream and returns all its memory. If the stream is still open, that resets
// it. It may be called more than once.
func (s *Stream) Discard() {
	s.Reset(&rpc.Error{Code: rpc.Canceled, Message: "the stream was abandoned"})
	s.dropIn()
}

// Finish gives the stream's Reply or Error frame, whole, which is sent after all that is pending. What the client still
// sends is ignored from now on. It reports false if the stream is over, and nobody waits for the frame. It is for servers.
func (s *Stream) Finish(frame []byte) bool {
	if s.over() {
		return false
	}
	s.becomeClosed(io.EOF)
	s.dropIn()
	s.end = false // the frame says it too
	s.trailer = frame
	s.mux.schedule(s)
	return true
}
