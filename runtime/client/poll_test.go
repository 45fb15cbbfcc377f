//go:build unix

package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func TestPollWindow(t *testing.T) {
	const us = time.Microsecond
	for _, test := range []struct {
		name string
		most time.Duration
		now  time.Duration
		d    []time.Duration
		want time.Duration
	}{
		{"opens", 200 * us, 0, []time.Duration{150 * us}, firstPoll},
		{"doubles until it is wide enough", 200 * us, 0, []time.Duration{35 * us, 35 * us, 35 * us, 35 * us}, 40 * us},
		{"stays", 200 * us, 80 * us, []time.Duration{1 * us, 80 * us, 2 * us}, 80 * us},
		{"has a bound", 200 * us, 160 * us, []time.Duration{190 * us, 200 * us, 200 * us}, 200 * us},
		{"one late reply halves it", 200 * us, 160 * us, []time.Duration{time.Second}, 80 * us},
		{"late replies close it", 200 * us, 160 * us, []time.Duration{201 * us, 201 * us, 201 * us, 201 * us, 201 * us}, 0},
		{"a slow server never opens it", 200 * us, 0, []time.Duration{201 * us, time.Hour, 300 * us}, 0},
		{"a bound below the first step", 5 * us, 0, []time.Duration{3 * us, 4 * us}, 5 * us},
	} {
		w := pollWindow{most: test.most, now: test.now}
		for _, d := range test.d {
			w.waited(d)
		}
		if w.now != test.want {
			t.Errorf("%s: %v, want %v", test.name, w.now, test.want)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		w := pollWindow{most: time.Duration(r.IntN(int(MaxBusyPoll)))}
		for range 100 {
			w.waited(time.Duration(r.IntN(2 * int(MaxBusyPoll))))
			if w.now < 0 || w.now > w.most {
				t.Fatalf("%+v", w)
			}
		}
	}
}

// processors sets GOMAXPROCS for one test.
func processors(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func TestHalfOfTheProcessorsPoll(t *testing.T) {
	for procs, want := range map[int]int{1: 0, 2: 1, 3: 1, 8: 4} {
		processors(t, procs)
		n := 0
		for n < 100 && startPolling() {
			n++
		}
		polling.Add(int32(-n))
		if n != want {
			t.Errorf("%d processors: %d poll, want %d", procs, n, want)
		}
	}
	if n := polling.Load(); n != 0 {
		t.Errorf("%d are still polling", n)
	}
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

func TestPoller(t *testing.T) {
	soon := func() time.Time { return time.Now().Add(time.Minute) }
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p *poller, ours, theirs *net.TCPConn)
	}{
		{"what is there", func(t *testing.T, p *poller, ours, theirs *net.TCPConn) {
			theirs.Write([]byte("abc"))
			b := make([]byte, 2)
			if n, err := p.read(b, soon()); string(b[:n]) != "ab" || err != nil {
				t.Errorf("%q, %v", b[:n], err)
			}
		}},
		{"what comes meanwhile", func(t *testing.T, p *poller, ours, theirs *net.TCPConn) {
			time.AfterFunc(10*time.Millisecond, func() { theirs.Write([]byte("abc")) })
			b := make([]byte, 10)
			if n, err := p.read(b, soon()); string(b[:n]) != "abc" || err != nil {
				t.Errorf("%q, %v", b[:n], err)
			}
		}},
		{"nothing", func(t *testing.T, p *poller, ours, theirs *net.TCPConn) {
			b := make([]byte, 1)
			if n, err := p.read(b, time.Now()); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if n := testing.AllocsPerRun(100, func() { p.read(b, time.Time{}) }); n > 0.5 {
				t.Errorf("%v allocations", n)
			}
		}},
		{"the end is left to Read", func(t *testing.T, p *poller, ours, theirs *net.TCPConn) {
			theirs.Close()
			if n, err := p.read(make([]byte, 1), soon()); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if n, err := ours.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("then Read: %d, %v", n, err)
			}
		}},
		{"a reset, which is told once", func(t *testing.T, p *poller, ours, theirs *net.TCPConn) {
			theirs.SetLinger(0)
			theirs.Close()
			n, err := p.read(make([]byte, 1), soon())
			if call := (*os.SyscallError)(nil); n != 0 || !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &call) {
				t.Errorf("%d, %v", n, err)
			}
		}},
		{"closed here", func(t *testing.T, p *poller, ours, theirs *net.TCPConn) {
			ours.Close()
			if n, err := p.read(make([]byte, 1), soon()); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}},
		{"a read deadline that has passed", func(t *testing.T, p *poller, ours, theirs *net.TCPConn) {
			theirs.Write([]byte("abc"))
			ours.SetReadDeadline(time.Unix(1, 0))
			if n, err := p.read(make([]byte, 1), soon()); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ours, theirs := sockets(t)
			test.run(t, newPoller(ours), ours, theirs)
		})
	}
	ours, _ := net.Pipe()
	if newPoller(ours) != nil {
		t.Error("a pipe has a poller")
	}
}

// TestReadEarly: who may look, and that what it finds is an ordinary read's.
func TestReadEarly(t *testing.T) {
	processors(t, 2)
	connect := func(window time.Duration) (*conn, *net.TCPConn) {
		ours, theirs := sockets(t)
		cn := &conn{nc: ours}
		cn.pollFor(-1)
		if cn.window.most != DefaultBusyPoll {
			t.Fatalf("a window of %v by default", cn.window.most)
		}
		cn.window.now = window
		return cn, theirs
	}
	b := make([]byte, 10)

	cn, theirs := connect(time.Minute)
	time.AfterFunc(10*time.Millisecond, func() { theirs.Write([]byte("abc")) })
	if n, err := cn.read(b, &patience{ctx: context.Background()}); string(b[:n]) != "abc" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
	if cn.heard.IsZero() || polling.Load() != 0 {
		t.Errorf("heard at %v, %d still polling", cn.heard, polling.Load())
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
			polling.Add(1)
			defer polling.Add(-1)
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
		for deadline := time.Now().Add(30 * time.Second); most > 0 && cn.window.now == 0; {
			if time.Now().After(deadline) {
				t.Fatal("the window does not open")
			}
			var r text
			if err := c.Call(context.Background(), echo, &text{"x"}, &r); err != nil {
				t.Fatal(err)
			}
		}
		if cn.window.most != most || (cn.poll != nil) != (most > 0) {
			t.Errorf("%v: %+v, %v", most, cn.window, cn.poll)
		}
		c.Close()
	}
	c, _ := newPipes(t).connect(WithBusyPoll(MaxBusyPoll))
	defer c.Close()
	if cn := c.turn.Load().server.ready(); cn.window.most != 0 || cn.poll != nil {
		t.Errorf("over a pipe: %+v, %v", cn.window, cn.poll)
	}
}
