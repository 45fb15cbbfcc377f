package rpctest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/reader"
	"github.com/kuafu-rpc/kuafu/runtime/responder"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// ErrClosed is why connections end, and calls of Dial fail, when a Server is closed or killed.
var ErrClosed = errors.New("rpctest: the server is closed")

// Options are the options of a server's stages. The zero value has their defaults.
type Options struct {
	Handler   handler.Options
	Responder responder.Options
	Dialect   wire.Dialect
	Peer      rpc.Peer // who handlers see; a Network of "" stands for "mem"
}

// Server serves net.Conns of any kind. Its methods may be called concurrently.
type Server struct {
	registry  rpc.Registry
	handler   *handler.Handler
	responder *responder.Factory
	reader    reader.Config
	peer      rpc.Peer

	wg sync.WaitGroup // of the connections' goroutines

	mu     sync.Mutex
	closed bool
	conns  map[*conn]struct{}
}

// checkInterval is how often sessions look at the clock.
const checkInterval = 500 * time.Millisecond

// NewServer returns a server of services. Close it when the test ends.
func NewServer(opts Options, services ...*rpc.Service) (*Server, error) {
	s := &Server{peer: opts.Peer, conns: make(map[*conn]struct{})}
	if s.peer.Network == "" {
		s.peer = rpc.Peer{Network: "mem", Address: "client", UID: -1, PID: -1, Identity: opts.Peer.Identity}
	}
	for _, svc := range services {
		if err := s.registry.Register(svc); err != nil {
			return nil, err
		}
	}
	var err error
	if s.responder, err = responder.NewFactory(opts.Responder); err != nil {
		return nil, err
	}
	if s.handler, err = handler.New(&s.registry, opts.Handler); err != nil {
		return nil, err
	}
	s.reader = reader.Config{Dispatcher: s.handler, Registry: &s.registry, Dialect: &opts.Dialect}
	rand.Read(s.reader.ServerID[:]) // never fails
	if err := s.reader.ApplyDefaultsAndValidate(); err != nil {
		s.handler.Close(context.Background())
		return nil, err
	}
	return s, nil
}

// Dial connects to s in memory, whatever the address. It is what client.WithDialer takes.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	if err := s.Serve(theirs); err != nil {
		ours.Close()
		return nil, err
	}
	return ours, nil
}

// Serve makes nc one of the server's connections, and returns at once. nc belongs to the server, also on an error.
func (s *Server) Serve(nc net.Conn) error {
	c := &conn{server: s, nc: nc, wake: make(chan struct{}, 1), leave: make(chan error, 1), ended: make(chan struct{}), wrote: make(chan struct{})}
	c.out = s.responder.New(c)
	peer := s.peer
	c.session = reader.NewSession(&s.reader, c.out, &peer)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		nc.Close()
		return ErrClosed
	}
	s.conns[c] = struct{}{}
	s.wg.Go(c.read)
	s.wg.Go(c.write)
	s.mu.Unlock()
	return nil
}

// Kill ends every connection at once, as if the process had died, and refuses new ones. Calls that run have their contexts
// canceled, and nobody hears what becomes of them. It does not wait.
func (s *Server) Kill() {
	s.mu.Lock()
	s.closed = true
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.Abort(ErrClosed)
		c.session.Cancel()
	}
}

// Close is Kill, and waits until the server's goroutines have ended, which takes as long as its handlers do. It returns
// nil.
func (s *Server) Close() error {
	s.Kill()
	s.wg.Wait()
	s.handler.Close(context.Background())
	return nil
}

// conn is a connection: a goroutine that reads, and one that writes and watches the clock.
type conn struct {
	server *Server
	nc     net.Conn
	wake   chan struct{} // has room for one: there is output
	leave  chan error    // has room for one: why the connection is to end once its output is written
	ended  chan struct{} // closed with why set
	wrote  chan struct{} // closed when the writer has ended

	once sync.Once
	why  error

	turn    sync.Mutex // stands for the event loop: held while the session and its output are called
	session *reader.Session
	out     *responder.Responder
}

var _ responder.Conn = (*conn)(nil)

// Wake implements responder.Conn.
func (c *conn) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Flush implements responder.Conn.
func (c *conn) Flush() { c.Wake() }

// Abort implements responder.Conn.
func (c *conn) Abort(reason error) {
	c.once.Do(func() {
		c.why = reason
		close(c.ended)
		c.nc.Close()
	})
}

func (c *conn) read() {
	buf := make([]byte, 16<<10)
	for {
		n, err := c.nc.Read(buf)
		if n > 0 {
			c.turn.Lock()
			failed := c.session.Feed(buf[:n])
			c.turn.Unlock()
			if failed != nil {
				c.leave <- failed
				<-c.ended
			}
		}
		if err != nil {
			c.Abort(err)
			break
		}
	}
	<-c.wrote
	c.turn.Lock()
	why := c.why
	if why == io.EOF && c.session.Partial() {
		why = reader.ErrTruncated
	}
	c.out.Close()
	c.session.Closed(why)
	c.turn.Unlock()
	s := c.server
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

func (c *conn) write() {
	defer close(c.wrote)
	t := time.NewTicker(checkInterval)
	defer t.Stop()
	for {
		select {
		case <-c.wake:
			c.flush()
		case now := <-t.C:
			c.turn.Lock()
			err := c.session.Check(now)
			c.turn.Unlock()
			if err != nil {
				c.end(err)
			}
		case err := <-c.leave:
			c.end(err)
		case <-c.ended:
			return
		}
	}
}

// lastWords is how long the reason for the end of a connection may take to be written.
const lastWords = time.Second

// end writes what there is, the reason as a rule, and ends the connection.
func (c *conn) end(reason error) {
	if err := c.nc.SetWriteDeadline(time.Now().Add(lastWords)); err == nil {
		c.flush()
	}
	c.Abort(reason)
}

// flush writes what there is. It is the writer's.
func (c *conn) flush() {
	for {
		c.turn.Lock()
		bufs := c.out.Next(64 << 10)
		c.out.Hold() // the write may block
		c.turn.Unlock()
		if len(bufs) == 0 {
			return
		}
		for _, b := range bufs {
			if _, err := c.nc.Write(b); err != nil {
				c.Abort(err)
				break
			}
		}
		c.turn.Lock()
		c.out.Written()
		c.turn.Unlock()
		select {
		case <-c.ended:
			return
		default:
		}
	}
}
