package listener

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// refused checks that the server closes nc without a word.
func refused(t *testing.T, nc net.Conn) {
	t.Helper()
	if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the connection over the limit reads %d bytes, %v; want its end", n, err)
	} else if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Error("the connection over the limit stays open")
	}
}

// refusals are what Options.Refused was told.
type refusals struct {
	mu  sync.Mutex
	all []string
}

func (r *refusals) note(p *rpc.Peer, limit Limit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, string(limit)+" "+p.Address)
}

// want waits for the one refusal, of nc.
func (r *refusals) want(t *testing.T, limit Limit, nc net.Conn) {
	t.Helper()
	list := func() []string {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Clone(r.all)
	}
	eventually(t, "a refusal is told of", func() bool { return len(list()) > 0 })
	if got, want := list(), string(limit)+" "+nc.LocalAddr().String(); len(got) != 1 || got[0] != want {
		t.Errorf("told of %q, want %q", got, want)
	}
}

func TestMaxConns(t *testing.T) {
	var r refusals
	s := serve(t, Options{MaxConns: 2, Refused: r.note}, nil)
	a, ca := connect(t, s)
	b, _ := connect(t, s)
	third := dial(t, s)
	refused(t, third)
	r.want(t, LimitConns, third)
	roundTrip(t, b)
	a.Close()
	ca.wait()
	eventually(t, "the place is free again", func() bool { return s.Stats().Open == 1 })
	again, _ := connect(t, s)
	roundTrip(t, again)
	if st := s.Stats(); st.RefusedLimit != 1 || st.Accepted != 3 || st.Open != 2 {
		t.Errorf("counted %+v, want 1 refused, 3 accepted, 2 open", st)
	}
}

func TestMaxConnsPerIP(t *testing.T) {
	var r refusals
	s := serve(t, Options{MaxConnsPerIP: 2, Refused: r.note}, nil)
	a, ca := connect(t, s)
	connect(t, s)
	third := dial(t, s)
	refused(t, third)
	r.want(t, LimitConnsPerIP, third)
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: patience}
	nc, err := other.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	roundTrip(t, nc)
	s.next()
	a.Close()
	ca.wait()
	eventually(t, "the place is free again", func() bool { return s.Stats().Open == 2 })
	again, _ := connect(t, s)
	roundTrip(t, again)
	if st := s.Stats(); st.RefusedPerIP != 1 || st.RefusedLimit != 0 {
		t.Errorf("counted %+v, want 1 refused", st)
	}

	u := serveOn(t, "unix://"+t.TempDir()+"/s", Options{MaxConnsPerIP: 1}, nil)
	for range 3 { // has no addresses to count by
		nc, _ := connect(t, u)
		roundTrip(t, nc)
	}
}

func TestAddressKey(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"fe80::1%eth0", "fe80::"},
	} {
		if got := addressKey(netip.MustParseAddr(tt.in)); got.String() != tt.want {
			t.Errorf("addressKey(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

// TestConnAddress: what a connection is counted by can be told from its peer, whatever the address looks like.
func TestConnAddress(t *testing.T) {
	for _, remote := range []net.TCPAddr{
		{IP: net.IPv4(192, 0, 2, 1), Port: 4096},
		{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 1},
		{IP: net.ParseIP("2001:db8::1"), Port: 65535},
		{IP: net.ParseIP("fe80::1"), Port: 80, Zone: "eth0"},
	} {
		for _, network := range []string{"tcp", "tls"} {
			c := Conn{peer: rpc.Peer{Network: network, Address: remote.String()}}
			if got, want := c.address(), addressKey(remote.AddrPort().Addr()); got != want || !got.IsValid() {
				t.Errorf("%s %v is counted as %v, want %v", network, &remote, got, want)
			}
		}
	}
	for _, name := range []string{"", "@x", "192.0.2.1:80", "/run/client"} {
		c := Conn{peer: rpc.Peer{Network: "unix", Address: name}}
		if got := c.address(); got.IsValid() {
			t.Errorf("Unix socket %q is counted as %v", name, got)
		}
	}
}

func TestDefaults(t *testing.T) {
	o := Options{}.withDefaults()
	if o.MaxConnsPerIP != 1024 || o.MaxConns < 1 || o.MaxConns > 65536 || o.Loops < 1 || o.Logger == nil {
		t.Errorf("defaults %+v", o)
	}
	o = Options{MaxConns: -1, MaxConnsPerIP: -1}.withDefaults()
	if o.MaxConns != math.MaxInt || o.MaxConnsPerIP != math.MaxInt {
		t.Errorf("negative limits became %d and %d, want none", o.MaxConns, o.MaxConnsPerIP)
	}
	for _, bad := range []Options{
		{Loops: -1}, {ReadBuffer: -1}, {Window: -1}, {StallTimeout: -1}, {CloseGrace: -1}, {CheckInterval: -1},
	} {
		if l, err := New(bad, func(*Conn) (Session, Output) { return nil, nil }); err == nil {
			l.Close(t.Context())
			t.Errorf("New(%+v) works", bad)
		}
	}
	if _, err := New(Options{}, nil); err == nil {
		t.Error("New without an accept function works")
	}
}

// failingListener fails as often as told, and then accepts.
type failingListener struct {
	net.Listener
	errs []error
}

func (f *failingListener) Accept() (net.Conn, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, err
	}
	return f.Listener.Accept()
}

func TestAcceptErrors(t *testing.T) {
	wrap := func(errno syscall.Errno) error {
		return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
	}
	s := serve(t, Options{}, nil)
	ln, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// Without SetDeadline the spare descriptor is of no use here, so EMFILE is waited out too.
	passing := []error{wrap(syscall.ECONNABORTED), wrap(syscall.EMFILE), wrap(syscall.ENOBUFS), wrap(syscall.EPERM)}
	go s.Serve(&failingListener{ln, passing})
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	roundTrip(t, nc)
	if n := s.Stats().AcceptErrors; n != uint64(len(passing)) {
		t.Errorf("%d errors counted, want %d", n, len(passing))
	}

	for _, last := range []error{wrap(syscall.EBADF), wrap(syscall.EINVAL), net.ErrClosed, io.ErrUnexpectedEOF} {
		ln, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Serve(&failingListener{ln, []error{last}})
		if err == nil || err == ErrClosed || !strings.Contains(err.Error(), last.Error()) {
			t.Errorf("Serve after %v: %v", last, err)
		}
	}
}

// TestSpareFile refuses one waiting connection at a time, and does not wait for one.
func TestSpareFile(t *testing.T) {
	ln, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := &testServer{t: t, addr: ln.Addr().String()}
	var spare spareFile
	spare.open()
	defer spare.close()
	for range 3 {
		if spare.refuse(ln) != nil {
			t.Error("refuses a connection, but none is there")
		}
		nc := dial(t, s)
		var p *rpc.Peer
		eventually(t, "the connection that waits is refused", func() bool { // the last step of a handshake may come after Dial's end
			p = spare.refuse(ln)
			return p != nil
		})
		if p.Address != nc.LocalAddr().String() || p.Network != "tcp" {
			t.Errorf("it was %+v", p)
		}
		refused(t, nc)
		if spare.file == nil {
			t.Error("the spare is gone")
		}
	}
	spare.refuse(ln) // in vain, so whatever deadline it has set has passed
	dial(t, s)
	nc, err := ln.Accept()
	if err != nil {
		t.Fatalf("the listener is of no use any more: %v", err)
	}
	nc.Close()
}

// pipeListener accepts what no event loop can take.
type pipeListener struct{ net.Listener }

func (pipeListener) Accept() (net.Conn, error) { c, _ := net.Pipe(); return c, nil }

func TestServeRefusesForeignConns(t *testing.T) {
	s := serve(t, Options{}, nil)
	ln, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(pipeListener{ln}); err == nil || !strings.Contains(err.Error(), "cannot serve a *net.pipe") {
		t.Errorf("Serve: %v", err)
	}
}

// floodChild is the variable that makes this test binary the server of TestDescriptorsRunOut. Its value is MaxConns.
const floodChild = "LISTENER_TEST_FLOOD_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(floodChild) != "" {
		if err := floodServer(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// floodServer echoes until its standard input ends, with 64 descriptors.
func floodServer() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		return err
	}
	var max int
	if _, err := fmt.Sscan(os.Getenv(floodChild), &max); err != nil {
		return err
	}
	// An event loop takes two descriptors, and a machine may have more processors than these are enough for.
	l, err := New(Options{Loops: 2, MaxConns: max, MaxConnsPerIP: -1}, func(conn *Conn) (Session, Output) {
		c := &testConn{conn: conn, onFeed: echo, ended: make(chan struct{})}
		return c, c
	})
	if err != nil {
		return err
	}
	ln, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- l.Serve(ln) }()
	fmt.Println(ln.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := l.Close(context.Background()); err != nil {
		return err
	}
	if err := <-done; err != ErrClosed {
		return fmt.Errorf("Serve: %w", err)
	}
	fmt.Printf("%+v\n", l.Stats())
	return nil
}

// TestDescriptorsRunOut floods a server that has 64 descriptors with 5,000 connections, once with a limit that keeps it
// from running out, once without. A client that was there before must not notice, and new ones must be served right
// after.
func TestDescriptorsRunOut(t *testing.T) {
	for _, tt := range []struct{ name, max, counter string }{ // max 0 is the default
		{"limit", "0", "RefusedLimit"},
		{"no limit", "-1", "RefusedFiles"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), floodChild+"="+tt.max)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			s := &testServer{t: t}
			if _, err := fmt.Fscan(stdout, &s.addr); err != nil {
				t.Fatal(err)
			}
			stop := bystander(t, dial(t, s))
			flood(t, s.addr, 5000)
			begin := time.Now()
			eventually(t, "a new client is served", func() bool {
				nc, err := net.DialTimeout("tcp", s.addr, patience)
				if err != nil {
					return false
				}
				defer nc.Close()
				_ = nc.SetDeadline(time.Now().Add(patience))
				return tryRoundTrip(nc) == nil
			})
			t.Logf("a new client is served %v after the flood", time.Since(begin))
			stop()
			stdin.Close()
			report, err := io.ReadAll(stdout)
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatalf("the server ended with %v: %s", err, report)
			}
			if !strings.Contains(string(report), tt.counter+":") || strings.Contains(string(report), tt.counter+":0 ") {
				t.Errorf("the flood is not in the counters: %s", report)
			}
			t.Logf("%s", report)
		})
	}
}

// flood opens connections and closes them when all are open, or as many as this process may have.
func flood(t *testing.T, addr string, n int) {
	t.Helper()
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	for range n {
		nc, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.Fatalf("the flood does not get through to the kernel: %v", err)
		}
		if held = append(held, nc); uint64(len(held)) > lim.Cur*3/4 {
			held[0].Close()
			held = held[1:]
		}
	}
	for _, nc := range held {
		nc.Close()
	}
}
