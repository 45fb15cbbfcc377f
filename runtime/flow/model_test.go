package flow_test

import (
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/flow"
)

// The model is a connection with three streams in one direction, small enough to visit every state that any order of
// events can lead to. Nobody ever reads the first stream. The sender of the second may reset it, also with units for
// which it has taken credit and which it then does not send; the third is the one that must always get on.
const (
	streams      = 3
	streamWindow = 2
	connWindow   = 2
	stuck        = 0
	resettable   = 1
	goal         = 3 // units that each stream has to send
)

type half struct {
	send    flow.Sender
	recv    flow.Receiver
	ended   bool // the sender has reset it
	ending  bool // that is on its way
	gone    bool // the receiver knows
	charged int  // units that are paid for and not sent
}

// world is comparable, so that it can be found again.
type world struct {
	conn     half
	streams  [streams]half
	link     [connWindow + 1]int8 // units and resets on their way, in order: stream+1, or -(stream+1) for a reset; 0 is the end
	credits  [streams]uint64      // limits on their way to the sender: the last one, others have been overtaken
	connWait uint64
}

func start() world {
	var w world
	w.conn = half{send: flow.NewSender(connWindow), recv: flow.NewReceiver(connWindow, connWindow)}
	for i := range w.streams {
		w.streams[i] = half{send: flow.NewSender(streamWindow), recv: flow.NewReceiver(streamWindow, streamWindow)}
	}
	return w
}

func (w *world) push(v int8) bool {
	for i := range w.link {
		if w.link[i] == 0 {
			w.link[i] = v
			return true
		}
	}
	return false
}

// next returns the worlds that w can become in one step.
func (w world) next(t *testing.T, resets bool) (after []world) {
	try := func(step func(n *world) bool) {
		n := w
		if step(&n) {
			n.check(t)
			after = append(after, n)
		}
	}
	for i := range w.streams {
		try(func(n *world) bool { // pay for a unit
			s := &n.streams[i]
			if s.ended || s.charged > 0 || s.send.Sent() == goal || s.send.Avail() == 0 || n.conn.send.Avail() == 0 {
				return false
			}
			s.charged = 1
			return s.send.Take(1) && n.conn.send.Take(1)
		})
		try(func(n *world) bool { // send it
			s := &n.streams[i]
			if s.ended || s.charged == 0 {
				return false
			}
			s.charged = 0
			return n.push(int8(i + 1))
		})
		try(func(n *world) bool { // the application reads a unit
			s := &n.streams[i]
			return i != stuck && s.recv.Buffered() > 0 && s.recv.Consume(1) == 1
		})
		try(func(n *world) bool {
			s := &n.streams[i]
			if s.gone || !s.recv.Due() {
				return false
			}
			n.credits[i] = s.recv.Advertise()
			return true
		})
		try(func(n *world) bool {
			if n.credits[i] == 0 {
				return false
			}
			n.streams[i].send.Raise(n.credits[i])
			n.credits[i] = 0
			return true
		})
	}
	try(func(n *world) bool {
		s := &n.streams[resettable]
		if s.ended || !resets {
			return false
		}
		s.ended, s.ending, s.charged = true, true, 0
		return n.push(-(resettable + 1))
	})
	try(func(n *world) bool { // the first of the link arrives
		v := n.link[0]
		if v == 0 {
			return false
		}
		copy(n.link[:], n.link[1:])
		n.link[len(n.link)-1] = 0
		if v < 0 {
			s := &n.streams[-v-1]
			missing, err := s.recv.Finish(s.send.Sent())
			if err != nil {
				t.Fatalf("%+v: %v", w, err)
			}
			s.ending, s.gone = false, true
			s.recv.Consume(s.recv.Buffered())
			if err := n.conn.recv.Receive(missing); err != nil {
				t.Fatalf("%+v: %v", w, err)
			}
			n.conn.recv.Consume(missing)
			return true
		}
		if err := n.conn.recv.Receive(1); err != nil {
			t.Fatalf("%+v: %v", w, err)
		}
		n.conn.recv.Consume(1)
		if s := &n.streams[v-1]; !s.gone {
			if err := s.recv.Receive(1); err != nil {
				t.Fatalf("%+v: %v", w, err)
			}
		}
		return true
	})
	try(func(n *world) bool {
		if !n.conn.recv.Due() {
			return false
		}
		n.connWait = n.conn.recv.Advertise()
		return true
	})
	try(func(n *world) bool {
		if n.connWait == 0 {
			return false
		}
		n.conn.send.Raise(n.connWait)
		n.connWait = 0
		return true
	})
	return after
}

func (w *world) check(t *testing.T) {
	for _, h := range append(w.streams[:], w.conn) {
		if h.send.Limit() > h.recv.Limit() || h.recv.Outstanding() > streamWindow || h.recv.Received() > h.send.Sent() {
			t.Fatalf("%+v", w)
		}
	}
}

// Every state that nothing can follow is one in which all that can be sent has been, and the connection's credit is all
// there again.
func TestEveryOrderOfEvents(t *testing.T) {
	t.Run("without resets", func(t *testing.T) { explore(t, false) })
	t.Run("with resets", func(t *testing.T) { explore(t, true) })
}

func explore(t *testing.T, resets bool) {
	seen := map[world]bool{start(): true}
	todo := []world{start()}
	ends := 0
	for len(todo) > 0 {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		after := w.next(t, resets)
		for _, n := range after {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
		if len(after) > 0 {
			continue
		}
		ends++
		if got := w.streams[stuck].recv.Buffered(); got != streamWindow {
			t.Errorf("the stream that nobody reads ends with %d units", got)
		}
		for i := range w.streams {
			if got := w.streams[i].recv.Received(); got != goal && i != stuck && !w.streams[i].ended {
				t.Errorf("stream %d ends with %d units: %+v", i, got, w)
			}
		}
		if w.conn.send.Avail() != connWindow {
			t.Errorf("credit is lost: %v", &w.conn.send)
		}
	}
	t.Logf("%d states, %d of them ends", len(seen), ends)
	if ends == 0 || len(seen) < 1000 {
		t.Error("the model is not what it should be")
	}
}
