package client

import (
	"context"
	"errors"
	"math"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

var errRefused = errors.New("connection refused")

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		p.refuse(errRefused)
		for _, opts := range [][]Option{nil, {WithWaitForReady()}, {WithConnections(3)}} {
			_, err := Dial(context.Background(), "tcp://fake:1", append(opts, WithDialer(p.dial))...)
			wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "connecting to tcp://fake:1: connection refused")
			if !errors.Is(err, errRefused) {
				t.Errorf("%v does not have its cause", err)
			}
		}
	})
}

func TestDialContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := Dial(ctx, "tcp://fake:1", WithDialer(stuck))
		wantError(t, err, rpc.DeadlineExceeded, rpc.NotExecuted, "a connection to tcp://fake:1")
		if d := time.Since(began); d != time.Second {
			t.Errorf("took %v", d)
		}
		began = time.Now()
		_, err = Dial(context.Background(), "tcp://fake:1", WithDialer(stuck), WithDialTimeout(3*time.Second))
		wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "deadline exceeded")
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// stuck is a dialer whose server does not answer.
func stuck(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestLazyDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithLazyDial())
		defer c.Close()
		time.Sleep(time.Hour)
		if n := len(p.attempts()); n != 0 {
			t.Errorf("%d attempts before the first call", n)
		}
		a := start(context.Background(), c, "a")
		s := <-p.peers
		s.greet()
		s.reply(s.call().id, "A")
		wantText(t, <-a, "A")
	})
}

func TestBackoffPauses(t *testing.T) {
	b := DefaultBackoff
	if b.settling() != 5*time.Second || (Backoff{Max: time.Millisecond}).settling() != time.Second {
		t.Errorf("connections settle after %v, at the least %v", b.settling(), Backoff{Max: time.Millisecond}.settling())
	}
	for failures, want := range map[int]time.Duration{1: 50 * time.Millisecond, 2: 80 * time.Millisecond, 3: 128 * time.Millisecond, 11: 5 * time.Second, 5000: 5 * time.Second} {
		if d := b.pause(failures, 0.5); (d - want).Abs() > time.Microsecond {
			t.Errorf("after %d failures: %v, want %v", failures, d, want)
		}
		low, high := b.pause(failures, 0), b.pause(failures, math.Nextafter(1, 0))
		if r := float64(low) / float64(want); math.Abs(r-0.8) > 0.001 {
			t.Errorf("after %d failures: at least %v", failures, low)
		}
		if r := float64(high) / float64(want); math.Abs(r-1.2) > 0.001 {
			t.Errorf("after %d failures: at most %v", failures, high)
		}
	}
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect(WithBackoff(Backoff{Base: time.Second, Factor: 2, Jitter: 0, Max: 5 * time.Second}))
		defer c.Close()
		time.Sleep(Backoff{Max: 5 * time.Second}.settling())
		p.refuse(errRefused)
		s.nc.Close()
		synctest.Wait()
		lost := time.Now()

		err := (<-start(context.Background(), c, "a")).err
		wantError(t, err, rpc.Unavailable, rpc.NotExecuted, "connection refused (next attempt in 1s)")

		time.Sleep(20 * time.Second)
		var after []time.Duration
		for _, a := range p.attempts()[1:] {
			after = append(after, a.Sub(lost)/time.Second)
		}
		want := []time.Duration{0, 1, 3, 7, 12, 17}
		if len(after) != len(want) {
			t.Fatalf("attempts after %v s, want %v", after, want)
		}
		for i := range want {
			if after[i] != want[i] {
				t.Fatalf("attempts after %v s, want %v", after, want)
			}
		}

		p.refuse(nil)
		next := <-p.peers
		next.greet()
		o := start(context.Background(), c, "b")
		next.reply(next.call().id, "B")
		wantText(t, <-o, "B")
	})
}

// A server that accepts and hangs up at once must not be dialed in a tight loop.
func TestBackoffAfterHangUps(t *testing.T) {
	for _, greets := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes(t)
			c := p.client()
			quit := make(chan struct{})
			go func() {
				for {
					select {
					case s := <-p.peers:
						if greets {
							s.greet()
						}
						s.nc.Close()
					case <-quit:
						return
					}
				}
			}()
			time.Sleep(time.Minute)
			if n := len(p.attempts()); n < 15 || n > 40 {
				t.Errorf("%d attempts in a minute", n)
			}
			c.Close()
			close(quit)
		})
	}
}

// TestBackoffInCrashLoop: a server that lives for 3 s after each start is dialed at once the first time, and then ever
// less often. One that outlives the longest pause has settled.
func TestBackoffInCrashLoop(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for _, test := range []struct {
		life, longest time.Duration // of the server, of the pauses
		want          []time.Duration
	}{
		{3 * s, 5 * s, []time.Duration{0, 3 * s, 8 * s, 15 * s, 23 * s, 31 * s}}, // pauses of 0, 2, 4, 5 and 5 s
		{5*s - ms, 5 * s, []time.Duration{0, 5*s - ms, 12*s - 2*ms, 21*s - 3*ms}},
		{5 * s, 5 * s, []time.Duration{0, 5 * s, 10 * s, 15 * s, 20 * s, 25 * s}},
		{500 * ms, s, []time.Duration{0, 500 * ms, 2 * s, 3500 * ms, 5 * s}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes(t)
			began := time.Now()
			c := p.client(WithBackoff(Backoff{Base: s, Factor: 2, Jitter: 0, Max: test.longest}))
			for range test.want {
				conn := <-p.peers
				conn.greet()
				time.Sleep(test.life)
				conn.nc.Close()
			}
			synctest.Wait()
			for i, want := range test.want {
				if got := p.attempts()[i].Sub(began); got != want {
					t.Errorf("life %v, pauses up to %v: attempt %d came after %v, want %v", test.life, test.longest, i, got, want)
				}
			}
			c.Close()
		})
	}
}

func TestWaitForReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect(WithWaitForReady())
		defer c.Close()
		p.refuse(errRefused)
		s.nc.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantError(t, (<-start(ctx, c, "a")).err, rpc.DeadlineExceeded, rpc.NotExecuted, "a connection to")
		b := start(context.Background(), c, "b")
		time.Sleep(time.Minute)
		p.refuse(nil)
		next := <-p.peers
		next.greet()
		next.reply(next.call().id, "B")
		wantText(t, <-b, "B")
	})
}

// While an attempt is under way calls wait for it.
func TestCallWaitsForAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		slow := func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(3 * time.Second)
			return p.dial(ctx, network, address)
		}
		c := p.client(WithDialer(slow), WithLazyDial())
		defer c.Close()
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantError(t, (<-start(short, c, "a")).err, rpc.DeadlineExceeded, rpc.NotExecuted, "a connection to")
		b := start(context.Background(), c, "b")
		s := <-p.peers
		s.greet()
		s.reply(s.call().id, "B")
		wantText(t, <-b, "B")
	})
}

func TestLostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect()
		defer c.Close()
		a := start(context.Background(), c, "a")
		g := s.call()
		b := appendReply(nil, g.id, "A")
		s.write(b[:len(b)-1]) // and then it goes, inside a frame
		s.nc.Close()
		wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, "connection to tcp://fake:1: closed by the server")
		o := start(context.Background(), c, "b")
		next := <-p.peers
		next.greet()
		next.reply(next.call().id, "B")
		wantText(t, <-o, "B")
	})
}

// Calls in a batch that the kernel took nothing of are sent again; those in the batch before may have been executed.
func TestLostConnectionWithBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect()
		defer c.Close()
		first := start(context.Background(), c, "first")
		synctest.Wait() // it is being written: the pipe takes nothing until it is read
		never := *echo
		never.Retry = rpc.RetryNever
		queued := start(context.Background(), c, "queued")
		refusing := c.Go(context.Background(), &never, &text{"never"}, new(text))
		var r text
		pending := c.Go(context.Background(), echo, &text{"pending"}, &r)
		synctest.Wait()
		b := make([]byte, 20)
		s.nc.Read(b) // a part of the first batch
		s.nc.Close()
		wantError(t, (<-first).err, rpc.Unavailable, rpc.MaybeExecuted, "connection to")
		wantError(t, refusing.Wait(context.Background()), rpc.Unavailable, rpc.NotExecuted, "connection to")
		next := <-p.peers
		next.greet()
		for range 2 {
			g := next.call()
			next.reply(g.id, g.text)
		}
		wantText(t, <-queued, "queued")
		err := pending.Wait(context.Background())
		wantText(t, outcome{r.s, err}, "pending")
	})
}

func TestGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect()
		defer c.Close()
		accepted := start(context.Background(), c, "accepted")
		one := s.call()
		refused := start(context.Background(), c, "refused")
		two := s.call()
		var r text
		pending := c.Go(context.Background(), echo, &text{"pending"}, &r)
		three := s.call()
		if two.id >= three.id {
			t.Errorf("ids %d, %d", two.id, three.id)
		}
		s.write(wire.AppendGoAway(nil, wire.GoAway{Last: one.id, Message: "upgrade"}))

		next := <-p.peers // the refused ones come here, and all new ones
		next.greet()
		for range 2 {
			g := next.call()
			next.reply(g.id, "again "+g.text)
		}
		wantText(t, <-refused, "again refused")
		err := pending.Wait(context.Background())
		wantText(t, outcome{r.s, err}, "again pending")
		fresh := start(context.Background(), c, "fresh")
		next.reply(next.call().id, "F")
		wantText(t, <-fresh, "F")

		s.reply(one.id, "A") // the old connection finishes what it has
		wantText(t, <-accepted, "A")
		if _, _, err := s.next(); err == nil {
			t.Error("the client did not close the connection that it had finished with")
		}
	})
}

// In-flight calls of a server that goes away and then breaks off say why.
func TestGoAwayThenLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect()
		defer c.Close()
		a := start(context.Background(), c, "a")
		g := s.call()
		s.write(wire.AppendGoAway(nil, wire.GoAway{Last: g.id, Code: rpc.ResourceExhausted, Message: "too slow"}))
		s.nc.Close()
		wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, "resource_exhausted: too slow")
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		s.write(wire.AppendPing(nil, 77))
		h, payload, err := s.next()
		if err != nil || h.Kind != wire.KindPong {
			t.Fatalf("got %+v, %v", h, err)
		}
		if token, err := wire.ParsePing(payload); err != nil || token != 77 {
			t.Errorf("got %d, %v", token, err)
		}
	})
}

func TestPingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		a := start(context.Background(), c, "a")
		s.call()
		for range 2 * maxPongs { // whose answers nobody reads
			if _, err := s.nc.Write(wire.AppendPing(nil, 1)); err != nil {
				break
			}
		}
		wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, "too many pings")
	})
}

func TestKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, s := p.connect(WithKeepalive(10*time.Second, 3*time.Second))
		defer c.Close()
		began := time.Now()
		for range 3 { // answered, so nothing happens
			h, payload, err := s.next()
			if err != nil || h.Kind != wire.KindPing {
				t.Fatalf("got %+v, %v", h, err)
			}
			token, _ := wire.ParsePing(payload)
			s.write(wire.AppendPong(nil, token))
		}
		if d := time.Since(began); d != 30*time.Second {
			t.Errorf("three pings took %v", d)
		}
		// Replies count as well as pongs.
		time.Sleep(6 * time.Second)
		a := start(context.Background(), c, "a")
		s.reply(s.call().id, "A")
		wantText(t, <-a, "A")
		last := time.Now()
		s.want(wire.KindPing)
		if d := time.Since(last); d != 10*time.Second {
			t.Errorf("pinged after %v", d)
		}
		// This one is not answered.
		b := start(context.Background(), c, "b")
		s.call()
		wantError(t, (<-b).err, rpc.Unavailable, rpc.MaybeExecuted, "keepalive")
		if d := time.Since(last); d != 13*time.Second {
			t.Errorf("given up after %v", d)
		}
		<-p.peers // it reconnects
	})
}

// A peer that is gone while the client is writing is noticed too.
func TestKeepaliveWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newPipes(t).connect()
		defer c.Close()
		o := <-start(context.Background(), c, "nobody reads this")
		wantError(t, o.err, rpc.Unavailable, rpc.MaybeExecuted, "keepalive")
	})
}

func TestNoKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect(WithKeepalive(0, 0))
		defer c.Close()
		time.Sleep(24 * time.Hour)
		a := start(context.Background(), c, "a")
		s.reply(s.call().id, "A")
		wantText(t, <-a, "A")
	})
}

func TestWrongServers(t *testing.T) {
	for _, test := range []struct{ says, want string }{
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "no Kuafu server but an HTTP server"},
		{"\x15\x03\x01\x00\x02\x02\x16", "a TLS server"},
		{"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03", "an HTTP/2 server"},
		{"\x00\x00\x00\x20\x80\x01\x00\x03", "a Thrift server"},
		{"SSH-2.0-OpenSSH", "an SSH server"},
		{"\xff\xfe\xfd", `it began with "\xff\xfe\xfd"`},
		{"KUA", `it began with "KUA"`},
		{"KUAF\x00" + strings.Repeat("x", 27), "version 0"},
		{"", "closed by the server"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes(t)
			c := p.client()
			defer c.Close()
			a := start(context.Background(), c, "a")
			s := <-p.peers
			s.hear()
			s.call()
			s.write([]byte(test.says))
			s.nc.Close()
			wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, test.want)
		})
	}
}

func TestBrokenFrames(t *testing.T) {
	header := func(h wire.FrameHeader) []byte { return wire.AppendFrameHeader(nil, h) }
	for _, test := range []struct {
		name, want string
		frame      []byte
	}{
		{"too long", "at most 1048576 allowed", header(wire.FrameHeader{Kind: wire.KindReply, Length: 1<<20 + 1, HeaderLen: 2, Stream: 1})},
		{"unknown kind", "unknown frame kind 50", header(wire.FrameHeader{Kind: 50})},
		{"a call", "a call frame from a server", header(wire.FrameHeader{Kind: wire.KindCall, Stream: 1})},
		{"a large call", "a call frame from a server", header(wire.FrameHeader{Kind: wire.KindCall, Length: 1 << 20, Stream: 1})},
		{"a cancel", "a cancel frame from a server", wire.AppendCancel(nil, 1)},
		{"bad goaway", "goaway", header(wire.FrameHeader{Kind: wire.KindGoAway, Length: 1})},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes(t)
				c, s := p.connect(WithMaxFrame(1 << 20))
				defer c.Close()
				a := start(context.Background(), c, "a")
				s.call()
				s.write(test.frame)
				wantError(t, (<-a).err, rpc.Unavailable, rpc.MaybeExecuted, test.want)
			})
		})
	}
}

// What may be ignored is ignored, whatever its size.
func TestIgnorableFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		a := start(context.Background(), c, "a")
		g := s.call()
		for _, size := range []uint32{0, 10, 2 * lastBuffer} {
			s.write(append(wire.AppendFrameHeader(nil, wire.FrameHeader{Kind: 0x90, Length: size, Stream: g.id}), make([]byte, size)...))
		}
		s.reply(g.id+1000, "for nobody")
		s.reply(g.id, "A")
		wantText(t, <-a, "A")
	})
}

func TestSeveralConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c, first := p.connect(WithConnections(3))
		defer c.Close()
		peers := []*peer{first, <-p.peers, <-p.peers}
		peers[1].greet()
		peers[2].greet()
		synctest.Wait()
		var outcomes []<-chan outcome
		for range 9 { // none is answered yet, so they spread evenly
			outcomes = append(outcomes, start(context.Background(), c, "a"))
			synctest.Wait()
		}
		for _, s := range peers {
			for range 3 {
				s.reply(s.call().id, "A")
			}
		}
		for _, o := range outcomes {
			wantText(t, <-o, "A")
		}
		// One may be down and the others go on.
		p.refuse(errRefused)
		peers[0].nc.Close()
		synctest.Wait()
		go peers[1].serve(same)
		go peers[2].serve(same)
		for range 5 {
			wantText(t, <-start(context.Background(), c, "b"), "b")
		}
	})
}

func TestUnixSocket(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if nc, err := ln.Accept(); err == nil {
			echoConn(nc)
		}
	}()
	c, err := Dial(context.Background(), "unix://"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantText(t, <-start(context.Background(), c, "a"), "a")
}

func TestBadParameters(t *testing.T) {
	for _, address := range []string{"", "localhost:80", "http://x", "tcp://x", "unix://"} {
		if c, err := Dial(context.Background(), address, WithLazyDial()); err == nil {
			c.Close()
			t.Errorf("address %q was accepted", address)
		}
	}
	for name, o := range map[string]Option{
		"nil":            nil,
		"connections":    WithConnections(0),
		"many":           WithConnections(65),
		"timeout":        WithTimeout(-1),
		"dial timeout":   WithDialTimeout(0),
		"keepalive":      WithKeepalive(-1, 1),
		"ping timeout":   WithKeepalive(time.Second, 0),
		"ping flood":     WithKeepalive(20*time.Millisecond-1, time.Second),
		"queue":          WithMaxQueue(0),
		"frame":          WithMaxFrame(1000),
		"message":        WithMaxMessage(0),
		"encoding":       WithEncoding(codec.Encoding(1)),
		"busy poll":      WithBusyPoll(-1),
		"busy for long":  WithBusyPoll(MaxBusyPoll + 1),
		"dialer":         WithDialer(nil),
		"back-off":       WithBackoff(Backoff{}),
		"jitter":         WithBackoff(Backoff{Base: 1, Factor: 1, Jitter: 1.1, Max: 1}),
		"factor":         WithBackoff(Backoff{Base: 1, Factor: math.NaN(), Max: 1}),
		"max":            WithBackoff(Backoff{Base: 2, Factor: 1, Max: 1}),
		"transport":      WithThrift(Thrift{Transport: 3}),
		"pipeline":       WithThrift(Thrift{Pipeline: -1}),
		"strict compact": WithThrift(Thrift{Encoding: codec.Compact, NonStrict: true}),
	} {
		if c, err := Dial(context.Background(), "tcp://127.0.0.1:1", WithLazyDial(), o); err == nil {
			c.Close()
			t.Errorf("%s: was accepted", name)
		}
	}
}
