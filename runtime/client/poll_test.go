//go:build unix

package client

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/internal/busypoll"
)

// processors sets GOMAXPROCS for one test.
func processors(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// sockets returns the two ends of a TCP connection.
func sockets(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// TestEarly: what early returns for what a socket may have.
func TestEarly(t *testing.T) {
	soon := func() busypoll.Look { return busypoll.For(time.Now(), time.Minute) }
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p *sockReader, ours, theirs *net.TCPConn)
	}{
		{"what is there", func(t *testing.T, p *sockReader, ours, theirs *net.TCPConn) {
			theirs.Write([]byte("abc"))
			b := make([]byte, 2)
			if n, err := p.early(b, soon()); string(b[:n]) != "ab" || err != nil {
				t.Errorf("%q, %v", b[:n], err)
			}
		}},
		{"what comes meanwhile", func(t *testing.T, p *sockReader, ours, theirs *net.TCPConn) {
			time.AfterFunc(10*time.Millisecond, func() { theirs.Write([]byte("abc")) })
			b := make([]byte, 10)
			if n, err := p.early(b, soon()); string(b[:n]) != "abc" || err != nil {
				t.Errorf("%q, %v", b[:n], err)
			}
		}},
		{"nothing", func(t *testing.T, p *sockReader, ours, theirs *net.TCPConn) {
			b := make([]byte, 1)
			if n, err := p.early(b, busypoll.Look{}); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if n := testing.AllocsPerRun(100, func() { p.early(b, busypoll.Look{}) }); n > 0.5 {
				t.Errorf("%v allocations", n)
			}
		}},
		{"the end is left to Read", func(t *testing.T, p *sockReader, ours, theirs *net.TCPConn) {
			theirs.Close()
			if n, err := p.early(make([]byte, 1), soon()); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if n, err := ours.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("then Read: %d, %v", n, err)
			}
		}},
		{"a reset, which is told once", func(t *testing.T, p *sockReader, ours, theirs *net.TCPConn) {
			theirs.SetLinger(0)
			theirs.Close()
			n, err := p.early(make([]byte, 1), soon())
			if call := (*os.SyscallError)(nil); n != 0 || !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &call) {
				t.Errorf("%d, %v", n, err)
			}
		}},
		{"closed here", func(t *testing.T, p *sockReader, ours, theirs *net.TCPConn) {
			ours.Close()
			if n, err := p.early(make([]byte, 1), soon()); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}},
		{"a read deadline that has passed", func(t *testing.T, p *sockReader, ours, theirs *net.TCPConn) {
			theirs.Write([]byte("abc"))
			ours.SetReadDeadline(time.Unix(1, 0))
			if n, err := p.early(make([]byte, 1), soon()); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ours, theirs := sockets(t)
			test.run(t, newSockReader(ours), ours, theirs)
		})
	}
	ours, _ := net.Pipe()
	if newSockReader(ours) != nil {
		t.Error("a pipe is read as a socket")
	}
}

// TestReadEarly: who may look, and that what it finds is an ordinary read's.
func TestReadEarly(t *testing.T) {
	processors(t, 2)
	connect := func(window time.Duration) (*conn, *net.TCPConn) {
		ours, theirs := sockets(t)
		cn := &conn{nc: ours, sock: newSockReader(ours)}
		cn.pollFor(-1)
		if cn.window.Most != DefaultBusyPoll {
			t.Fatalf("a window of %v by default", cn.window.Most)
		}
		cn.window.Now = window
		return cn, theirs
	}
	b := make([]byte, 10)

	cn, theirs := connect(time.Minute)
	time.AfterFunc(10*time.Millisecond, func() { theirs.Write([]byte("abc")) })
	if n, err := cn.read(b, &patience{ctx: context.Background()}); string(b[:n]) != "abc" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
	if cn.heard.IsZero() {
		t.Error("not heard")
	}
	theirs.SetLinger(0)
	theirs.Close()
	_, err := cn.read(b, &patience{ctx: context.Background()})
	if op := (*net.OpError)(nil); !errors.As(err, &op) || op.Op != "read" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}

	for name, ask := range map[string]func() (int, error){
		"a closed window": func() (int, error) {
			cn, theirs := connect(0)
			theirs.Write([]byte("abc"))
			return cn.readEarly(b, &patience{}, time.Now())
		},
		"a deadline inside of the window": func() (int, error) {
			cn, theirs := connect(time.Minute)
			theirs.Write([]byte("abc"))
			now := time.Now()
			return cn.readEarly(b, &patience{deadline: now.Add(time.Second)}, now)
		},
		"another that looks": func() (int, error) {
			cn, theirs := connect(time.Minute)
			theirs.Write([]byte("abc"))
			if !busypoll.Start() {
				t.Error("who looked before is looking still")
			}
			defer busypoll.Done()
			return cn.readEarly(b, &patience{}, time.Now())
		},
	} {
		if n, err := ask(); n != 0 || err != nil {
			t.Errorf("%s: looked and found %d bytes, %v", name, n, err)
		}
	}
}

// TestBusyPoll: the option, and that lone calls over a socket open the window.
func TestBusyPoll(t *testing.T) {
	noLeaks(t)
	address := echoServer(t)
	for _, most := range []time.Duration{0, MaxBusyPoll} {
		c, err := Dial(context.Background(), address, WithBusyPoll(most))
		if err != nil {
			t.Fatal(err)
		}
		cn := c.turn.Load().server.ready()
		for deadline := time.Now().Add(30 * time.Second); most > 0 && cn.window.Now == 0; {
			if time.Now().After(deadline) {
				t.Fatal("the window does not open")
			}
			var r text
			if err := c.Call(context.Background(), echo, &text{"x"}, &r); err != nil {
				t.Fatal(err)
			}
		}
		if cn.window.Most != most {
			t.Errorf("%v: %+v", most, cn.window)
		}
		c.Close()
	}
	nowhere := &conn{nc: addressless{}, sock: newSockReader(addressless{})}
	if nowhere.pollFor(-1); nowhere.window.Most != 0 {
		t.Error("a connection without an address is polled")
	}
	c, _ := newPipes(t).connect(WithBusyPoll(MaxBusyPoll))
	defer c.Close()
	if cn := c.turn.Load().server.ready(); cn.window.Most != 0 || cn.sock != nil {
		t.Errorf("over a pipe: %+v, %v", cn.window, cn.sock)
	}
}

// addressless is a connection of a dialer that knows no addresses.
type addressless struct{ net.Conn }

func (addressless) RemoteAddr() net.Addr { return nil }
