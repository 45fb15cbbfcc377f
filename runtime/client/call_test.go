package client

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
)

// In a synctest bubble a test fails if any goroutine outlives it, so each of these checks for leaks as well.

func TestRepliesOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		ctx := context.Background()
		a := start(ctx, c, "a")
		one := s.call()
		b := start(ctx, c, "b")
		two := s.call()
		if one.text != "a" || two.text != "b" || two.id <= one.id || one.timeout != 0 {
			t.Errorf("got %+v, %+v", one, two)
		}
		s.reply(two.id, "B")
		wantText(t, <-b, "B")
		s.reply(one.id, "A")
		wantText(t, <-a, "A")
	})
}

func TestPreamble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithClientID(rpc.ClientID{1, 2, 3}), WithMaxFrame(1<<20))
		defer c.Close()
		pre := (<-p.peers).hear()
		if pre.ID != (rpc.ClientID{1, 2, 3}) || pre.MaxFrame != 1<<20 {
			t.Errorf("got %+v", pre)
		}
	})
}

// A client need not wait for the server's preamble before it calls.
func TestCallBeforeServersPreamble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client()
		defer c.Close()
		a := start(context.Background(), c, "a")
		s := <-p.peers
		s.hear()
		g := s.call()
		b := wire.AppendPreamble(nil, wire.Preamble{})
		for _, x := range appendReply(b, g.id, "A") { // and the replies may come in any pieces
			s.write([]byte{x})
		}
		wantText(t, <-a, "A")
	})
}

func TestDeadlines(t *testing.T) {
	withTimeout := *echo
	withTimeout.Timeout = 2 * time.Second
	for _, test := range []struct {
		name   string
		ctx    time.Duration
		method *rpc.Method
		opts   []Option
		want   time.Duration
	}{
		{"context", time.Second, &withTimeout, []Option{WithTimeout(3 * time.Second)}, time.Second},
		{"method", 0, &withTimeout, []Option{WithTimeout(3 * time.Second)}, 2 * time.Second},
		{"client", 0, echo, []Option{WithTimeout(3 * time.Second)}, 3 * time.Second},
	} {
		for _, async := range []bool{false, true} {
			name := test.name
			if async {
				name += " async"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, s := newPipes(t).connect(test.opts...)
					defer c.Close()
					ctx := context.Background()
					if test.ctx > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, test.ctx)
						defer cancel()
					}
					ended := make(chan error, 1)
					began := time.Now()
					go func() {
						if async {
							ended <- c.Go(ctx, test.method, &text{"x"}, new(text)).Wait(context.Background())
						} else {
							ended <- c.Call(ctx, test.method, &text{"x"}, new(text))
						}
					}()
					g := s.call()
					if g.timeout != test.want {
						t.Errorf("timeout of %v on the wire, want %v", g.timeout, test.want)
					}
					if h := s.want(wire.KindCancel); h.Stream != g.id {
						t.Errorf("canceled %d, want %d", h.Stream, g.id)
					}
					err := <-ended
					wantError(t, err, rpc.DeadlineExceeded, rpc.MaybeExecuted, "the reply")
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v is not context.DeadlineExceeded", err)
					}
					if d := time.Since(began); d != test.want {
						t.Errorf("ended after %v, want %v", d, test.want)
					}
				})
			})
		}
	}
}

// The slot of a canceled call is reused at once, and its place in the table later; no late reply must end up in the
// call that got either.
func TestLateReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		var late []byte // a reply to every canceled call so far
		for range 2 * minSlots {
			for range 2 { // three ids a turn: each place in the table sees late ones and new ones
				ctx, cancel := context.WithCancel(context.Background())
				old := start(ctx, c, "old")
				late = appendReply(late, s.call().id, "late")
				cancel()
				s.want(wire.KindCancel)
				wantError(t, (<-old).err, rpc.Canceled, rpc.MaybeExecuted, "the reply")
			}
			next := start(context.Background(), c, "new")
			g := s.call()
			s.write(late)
			synctest.Wait()
			select {
			case o := <-next:
				t.Fatalf("the late reply ended another call: %+v", o)
			default:
			}
			s.reply(g.id, "in time")
			wantText(t, <-next, "in time")
		}
	})
}

func TestContextEndedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		ctx, cancel := context.WithCancelCause(context.Background())
		why := errors.New("why")
		cancel(why)
		err := (<-start(ctx, c, "a")).err
		wantError(t, err, rpc.Canceled, rpc.NotExecuted, "")
		if !errors.Is(err, why) {
			t.Errorf("%v does not have the cause", err)
		}
		wantError(t, c.Go(ctx, echo, &text{"b"}, new(text)).Wait(context.Background()), rpc.Canceled, rpc.NotExecuted, "")
		// Neither was sent.
		last := start(context.Background(), c, "c")
		g := s.call()
		if g.text != "c" {
			t.Errorf("got %+v", g)
		}
		s.reply(g.id, "C")
		wantText(t, <-last, "C")
	})
}

func TestOneway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		if err := c.Call(context.Background(), note, &text{"a"}, nil); err != nil {
			t.Error(err)
		}
		p := c.Go(context.Background(), note, &text{"b"}, nil)
		<-p.Done()
		if err := p.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		a, b := s.call(), s.call()
		if !a.oneway || !b.oneway || a.text != "a" || b.text != "b" || b.id <= a.id {
			t.Errorf("got %+v, %+v", a, b)
		}
	})
}

// Close gives queued oneway calls time to go out.
func TestCloseFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		for range 3 {
			if err := c.Call(context.Background(), note, &text{"a"}, nil); err != nil {
				t.Error(err)
			}
		}
		go c.Close()
		for range 3 {
			s.call()
		}
	})
}

func TestRemoteError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		a := start(context.Background(), c, "a")
		g := s.call()
		s.write(wire.AppendError(nil, g.id, &rpc.Error{Code: rpc.ResourceExhausted, Message: "busy", Execution: rpc.NotExecuted}))
		err := (<-a).err
		wantError(t, err, rpc.ResourceExhausted, rpc.NotExecuted, "busy")
		if e := err.(*rpc.Error); !e.Remote || e.Method != "Echo.echo" {
			t.Errorf("got %+v", e)
		}
	})
}

func TestUndecodableReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		a := start(context.Background(), c, "a")
		b := appendReply(nil, s.call().id, "A")
		b[len(b)-1] = 11 // a field's type where the struct's end was
		s.write(b)
		wantError(t, (<-a).err, rpc.Internal, rpc.Executed, "")
		// That was one call's trouble.
		o := start(context.Background(), c, "b")
		s.reply(s.call().id, "B")
		wantText(t, <-o, "B")
	})
}

func TestCloseFailsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		a := start(context.Background(), c, "a")
		p := c.Go(context.Background(), echo, &text{"b"}, new(text))
		s.call()
		s.call()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		wantError(t, (<-a).err, rpc.Canceled, rpc.MaybeExecuted, "closed")
		wantError(t, p.Wait(context.Background()), rpc.Canceled, rpc.MaybeExecuted, "closed")
		wantError(t, (<-start(context.Background(), c, "c")).err, rpc.Canceled, rpc.NotExecuted, "closed")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		args, result := &text{"a"}, new(text)
		p := c.Go(context.Background(), echo, args, result)
		args.s = "changed" // allowed: it has been encoded
		g := s.call()
		if g.text != "a" {
			t.Errorf("sent %q", g.text)
		}
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantError(t, p.Wait(short), rpc.DeadlineExceeded, rpc.MaybeExecuted, "pending")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := p.Wait(context.Background()); err != nil || result.s != "A" {
					t.Errorf("got %q, %v", result.s, err)
				}
			})
		}
		done := p.Done()
		synctest.Wait()
		select {
		case <-done:
			t.Error("done too early")
		default:
		}
		s.reply(g.id, "A")
		wg.Wait()
		<-done
		<-p.Done()
		if err := p.Wait(short); err != nil { // ended, whatever the context
			t.Error(err)
		}
	})
}

func TestPendingCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		ctx, cancel := context.WithCancel(context.Background())
		p := c.Go(ctx, echo, &text{"a"}, new(text))
		g := s.call()
		cancel() // nobody waits, and it ends all the same
		s.want(wire.KindCancel)
		<-p.Done()
		s.reply(g.id, "late")
		wantError(t, p.Wait(context.Background()), rpc.Canceled, rpc.MaybeExecuted, "the reply")
	})
}

type broken struct{}

func (broken) EncodeThrift(e *codec.Encoder) { e.Fail(errors.New("cannot be encoded")) }

func TestUnencodable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		err := c.Call(context.Background(), echo, broken{}, new(text))
		if e := new(rpc.Error); !errors.As(err, &e) || e.Execution != rpc.NotExecuted || !strings.Contains(e.Message, "cannot be encoded") {
			t.Errorf("got %v", err)
		}
		a := start(context.Background(), c, "a")
		s.reply(s.call().id, "A")
		wantText(t, <-a, "A")
	})
}

// What the server said it accepts bounds calls from then on.
func TestServersFrameLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		c := p.client(WithCompression(-1))
		defer c.Close()
		s := <-p.peers
		s.hear()
		s.write(wire.AppendPreamble(nil, wire.Preamble{MaxFrame: wire.MinMaxFrame}))
		synctest.Wait()
		err := c.Call(context.Background(), echo, &text{strings.Repeat("x", wire.MinMaxFrame)}, new(text))
		wantError(t, err, rpc.ResourceExhausted, rpc.NotExecuted, "")
	})
}

func TestLargeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect(WithCompression(-1))
		defer c.Close()
		for _, size := range []int{linkSize - 100, linkSize, 100_000, lastBuffer - 30, lastBuffer, lastBuffer + 30, 3 << 20} {
			want := strings.Repeat("abcdefg", size/7)
			a := start(context.Background(), c, want)
			g := s.call()
			if g.text != want {
				t.Fatalf("%d bytes: the call came through damaged", size)
			}
			b := appendReply(nil, g.id, want)
			b = wire.AppendPong(b, 0)
			s.write(b)
			o := <-a
			if o.err != nil || o.text != want {
				t.Fatalf("%d bytes: the reply came through damaged: %v", size, o.err)
			}
		}
	})
}

// A call that is canceled while its large reply comes in ends at once, and the connection stays in step.
func TestCancelInLargeReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newPipes(t).connect()
		defer c.Close()
		for _, again := range []bool{false, true} {
			ctx, cancel := context.WithCancel(context.Background())
			a := start(ctx, c, "a")
			g := s.call()
			b := appendReplyPlain(g.id, strings.Repeat("y", 2<<20))
			if again { // canceled before it begins
				cancel()
				s.want(wire.KindCancel)
				<-a
				s.write(b[:1<<20])
			} else {
				s.write(b[:1<<20])
				cancel()
				s.want(wire.KindCancel)
				wantError(t, (<-a).err, rpc.Canceled, rpc.MaybeExecuted, "the reply")
			}
			s.write(b[1<<20:])
			o := start(context.Background(), c, "b")
			s.reply(s.call().id, "B")
			wantText(t, <-o, "B")
		}
	})
}

// appendReplyPlain is a reply that is not compressed.
func appendReplyPlain(id uint64, s string) []byte {
	m := *echo
	m.Compress = rpc.CompressNone
	return new(wire.Dialect).AppendReply(nil, &rpc.Call{ID: id, Handler: &rpc.Handler{Method: &m}}, rpc.Reply{Result: &text{s}})
}

func TestThousandCallers(t *testing.T) {
	noLeaks(t)
	for _, async := range []bool{false, true} {
		c, err := Dial(context.Background(), echoServer(t), WithConnections(2), WithMaxQueue(64<<10))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				want := strings.Repeat(string(rune('a'+i%26)), i)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				for range 10 {
					var r text
					var err error
					if async {
						err = c.Go(ctx, echo, &text{want}, &r).Wait(context.Background())
					} else {
						err = c.Call(ctx, echo, &text{want}, &r)
					}
					if err != nil || r.s != want {
						t.Errorf("caller %d: got %.20q, %v", i, r.s, err)
						return
					}
				}
			})
		}
		wg.Wait()
		c.Close()
	}
}

func TestAllocations(t *testing.T) {
	c, err := Dial(context.Background(), echoServer(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	withTimeout := *echo
	withTimeout.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args := &text{strings.Repeat("x", 1000)}
	for _, test := range []struct {
		name   string
		ctx    context.Context
		method *rpc.Method
		result codec.Decodable
	}{
		{"no deadline", context.Background(), echo, new(text)},
		{"context's deadline", ctx, echo, new(text)},
		{"method's timeout", context.Background(), &withTimeout, new(text)},
		{"idempotent", context.Background(), like(rpc.RetryIdempotent), new(text)},
		{"idempotent, may hold a transient exception", context.Background(), like(rpc.RetryIdempotent), new(prudent)},
	} {
		n := testing.AllocsPerRun(2000, func() {
			if err := c.Call(test.ctx, test.method, args, test.result); err != nil {
				t.Fatal(err)
			}
		})
		// One for the reply, which the result points into. Half of one for the garbage collector emptying pools.
		if n > 1.5 && !raceEnabled {
			t.Errorf("%s: %v allocations for a call, want 1", test.name, n)
		}
	}
}

// prudent is a text that could be a transient exception, and is none.
type prudent struct{ text }

func (*prudent) TransientFailure() bool { return false }
