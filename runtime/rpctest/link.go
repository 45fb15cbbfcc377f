package rpctest

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Fault is what goes wrong in one direction of a Link. The zero value is nothing.
type Fault struct {
	Delay time.Duration // each piece of data takes so much longer
	Rate  int           // bytes a second at most; 0 for no limit

	// Hold keeps data back, as a network does that has lost its route: nothing is lost, and it goes on once the fault is
	// gone. Drop swallows data for good, which to a connection-oriented protocol is a peer that hangs.
	Hold bool
	Drop bool

	// Cut closes each connection after so many more bytes, counted from when the fault was set; 0 for never. That is the way
	// to end one in the middle of a frame. Corrupt inverts the bits of the byte with this number, counted from 1.
	Cut     int64
	Corrupt int64
}

// Link makes faults in the connections that it wraps. The zero value makes none. Its methods may be called concurrently;
// faults can change while data is under way.
type Link struct {
	mu      sync.Mutex
	faults  [2]Fault
	epoch   [2]int           // counts the changes of each fault
	changed chan struct{}    // closed and replaced on each change; nil until somebody waits
	conns   map[*faulty]bool // open ones
}

// Direction is one of a Link's.
type Direction uint8

const (
	Outgoing Direction = iota // what is written to the wrapped connection
	Incoming                  // what is read from it
)

// Set replaces the fault of one direction, on all connections and those to come.
func (l *Link) Set(d Direction, f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[d] = f
	l.epoch[d]++
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Partition holds both directions, or ends that.
func (l *Link) Partition(on bool) {
	l.Set(Outgoing, Fault{Hold: on})
	l.Set(Incoming, Fault{Hold: on})
}

// CutAll closes the connections.
func (l *Link) CutAll() {
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for c := range conns {
		c.Close()
	}
}

// Dialer returns a dialer that wraps what dial returns. It is what client.WithDialer takes.
func (l *Link) Dialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return l.Wrap(nc), nil
	}
}

// Wrap returns nc with the link's faults.
func (l *Link) Wrap(nc net.Conn) net.Conn {
	c := &faulty{Conn: nc, link: l, closed: make(chan struct{})}
	l.mu.Lock()
	if l.conns == nil {
		l.conns = make(map[*faulty]bool)
	}
	l.conns[c] = true
	l.mu.Unlock()
	return c
}

// faulty is a wrapped connection. As with any net.Conn one goroutine reads and another writes.
type faulty struct {
	net.Conn
	link   *Link
	once   sync.Once
	closed chan struct{}
	sides  [2]side
}

// side is one direction of a connection. The goroutine that reads or writes owns it, but for the deadline.
type side struct {
	epoch  int   // of the fault that passed counts for
	passed int64 // bytes
	cut    bool  // by a fault

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // closed and replaced when deadline changes; nil until somebody waits
}

func (c *faulty) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.closed) })
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	return err
}

func (c *faulty) SetDeadline(t time.Time) error {
	c.sides[Incoming].set(t)
	c.sides[Outgoing].set(t)
	return c.Conn.SetDeadline(t)
}

func (c *faulty) SetReadDeadline(t time.Time) error {
	c.sides[Incoming].set(t)
	return c.Conn.SetReadDeadline(t)
}

func (c *faulty) SetWriteDeadline(t time.Time) error {
	c.sides[Outgoing].set(t)
	return c.Conn.SetWriteDeadline(t)
}

func (s *side) set(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
}

// Read reads what the other side sent, less what the faults do to it.
func (c *faulty) Read(b []byte) (int, error) {
	for {
		if c.sides[Incoming].cut {
			return 0, io.EOF
		}
		f, err := c.pass(Incoming)
		if err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(limited(b, f.Rate))
		if n == 0 {
			return 0, err
		}
		// The fault may have come while the read waited.
		f, held := c.pass(Incoming)
		if held != nil {
			return 0, held
		}
		k, cut := c.damage(Incoming, f, b[:n])
		if late := c.dawdle(Incoming, f, k); late != nil {
			return 0, late
		}
		if cut {
			c.sides[Incoming].cut = true
			c.Close()
			if k == 0 || f.Drop {
				return 0, io.EOF
			}
			return k, nil
		}
		if !f.Drop {
			return n, err
		}
	}
}

// Write sends b, less what the faults do to it. b is not changed.
func (c *faulty) Write(b []byte) (n int, err error) {
	for n < len(b) {
		f, err := c.pass(Outgoing)
		if err != nil {
			return n, err
		}
		piece := append([]byte(nil), limited(b[n:], f.Rate)...)
		k, cut := c.damage(Outgoing, f, piece)
		if err := c.dawdle(Outgoing, f, k); err != nil {
			return n, err
		}
		if !f.Drop && k > 0 {
			if sent, err := c.Conn.Write(piece[:k]); err != nil {
				return n + sent, err
			}
		}
		n += k
		if cut {
			c.Close()
			return n, net.ErrClosed
		}
	}
	return n, nil
}

// limited returns as much of b as a limited rate lets through in a tenth of a second.
func limited(b []byte, rate int) []byte {
	if rate <= 0 {
		return b
	}
	return b[:min(len(b), max(rate/10, 1))]
}

// damage counts the bytes of b, corrupts one if it is the turn, and returns how many pass before the connection is cut.
func (c *faulty) damage(d Direction, f Fault, b []byte) (n int, cut bool) {
	s := &c.sides[d]
	begin := s.passed
	n = len(b)
	if f.Cut > 0 && begin+int64(n) >= f.Cut {
		n, cut = int(max(f.Cut-begin, 0)), true
	}
	if i := f.Corrupt - begin - 1; i >= 0 && i < int64(n) {
		b[i] ^= 0xff
	}
	s.passed += int64(n)
	return n, cut
}

// pass returns the fault of a direction. It waits while that holds data back.
func (c *faulty) pass(d Direction) (Fault, error) {
	for {
		l, s := c.link, &c.sides[d]
		l.mu.Lock()
		f := l.faults[d]
		if s.epoch != l.epoch[d] {
			s.epoch, s.passed = l.epoch[d], 0
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		if !f.Hold {
			return f, nil
		}
		if err := c.wait(d, changed, nil); err != nil {
			return f, err
		}
	}
}

// dawdle waits for as long as n bytes take.
func (c *faulty) dawdle(d Direction, f Fault, n int) error {
	pause := f.Delay
	if f.Rate > 0 {
		pause += time.Duration(n) * time.Second / time.Duration(f.Rate)
	}
	if pause <= 0 {
		return nil
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	return c.wait(d, nil, t.C)
}

// wait waits for one of two channels. The error is the connection's end, or its deadline.
func (c *faulty) wait(d Direction, changed <-chan struct{}, over <-chan time.Time) error {
	s := &c.sides[d]
	for {
		s.mu.Lock()
		deadline := s.deadline
		if s.moved == nil {
			s.moved = make(chan struct{})
		}
		moved := s.moved
		s.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			t := time.NewTimer(time.Until(deadline))
			defer t.Stop()
			expired = t.C
		}
		select {
		case <-changed:
			return nil
		case <-over:
			return nil
		case <-c.closed:
			return net.ErrClosed
		case <-expired:
			return os.ErrDeadlineExceeded
		case <-moved:
		}
	}
}
