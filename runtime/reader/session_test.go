package reader

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// word is a struct {1: string s}.
type word struct{ s string }

func (m *word) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	e.StringField(1, m.s)
	e.EndStruct(outer)
}

func (m *word) DecodeThrift(d *codec.Decoder) { d.Skip(codec.Struct) }

var (
	echo   = &rpc.Method{Service: "Test", Name: "echo", FullName: "Test.echo"}
	notify = &rpc.Method{Service: "Test", Name: "notify", FullName: "Test.notify", Oneway: true}
)

// bench is a session with everything around it recorded.
type bench struct {
	t       testing.TB
	config  Config
	session *Session
	clock   time.Time
	calls   []*rpc.Call // dispatched
	replies []rpc.Reply // refused by the session
	flushes int
	wakes   int
	sent    []byte
	fill    func([][]byte, []byte, int) [][]byte // of the streams; nil if there was none
	hold    func([][]byte)
	written func()
	waiting func() int
}

func newBench(t testing.TB, change func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, clock: time.Unix(1_000_000, 0)}
	var reg rpc.Registry
	svc := &rpc.Service{Name: "Test"}
	for _, m := range []*rpc.Method{echo, notify} {
		svc.Handlers = append(svc.Handlers, rpc.Handler{
			Method:  m,
			NewArgs: func() codec.Decodable { return new(word) },
			Invoke:  func(context.Context, codec.Decodable) (codec.Encodable, error) { return nil, nil },
		})
	}
	if err := reg.Register(svc); err != nil {
		t.Fatal(err)
	}
	b.config = Config{Dispatcher: b, Registry: &reg, Dialect: &wire.Dialect{}, Now: func() time.Time { return b.clock }}
	if change != nil {
		change(&b.config)
	}
	if err := b.config.ApplyDefaultsAndValidate(); err != nil {
		t.Fatal(err)
	}
	b.session = NewSession(&b.config, b, &rpc.Peer{Network: "mem"})
	return b
}

func (b *bench) Dispatch(calls []*rpc.Call)      { b.calls = append(b.calls, calls...) }
func (b *bench) Reply(_ *rpc.Call, r rpc.Reply)  { b.replies = append(b.replies, r) }
func (b *bench) Send(p []byte)                   { b.sent = append(b.sent, p...) }
func (b *bench) Wake()                           { b.wakes++ }
func (b *bench) Appended(uint64)                 {}
func (b *bench) Dropped(uint64)                  {}
func (b *bench) Flush()                          { b.flushes++ }
func (b *bench) check(after time.Duration) error { return b.session.Check(b.clock.Add(after)) }
func (b *bench) answer(c *rpc.Call)              { c.Replier.Reply(c, rpc.Reply{Result: &word{}}) }
func (b *bench) goAways() (g []wire.GoAway)      { return goAways(b.t, b.sent) }

func (b *bench) Attach(fill func([][]byte, []byte, int) [][]byte, hold func([][]byte), written func(), waiting func() int) {
	b.fill, b.hold, b.written, b.waiting = fill, hold, written, waiting
}

func (b *bench) ReplyVia(c *rpc.Call, r rpc.Reply, send func([]byte) bool) {
	b.replies = append(b.replies, r)
	c.Cancel(context.Canceled)
	send(c.Dialect.AppendReply(nil, c, r))
}

func (b *bench) feed(p []byte) {
	b.t.Helper()
	if err := b.session.Feed(p); err != nil {
		b.t.Fatal(err)
	}
}

// goAways returns the GoAway frames in what a server has sent.
func goAways(t testing.TB, sent []byte) (found []wire.GoAway) {
	t.Helper()
	if len(sent) == 0 {
		return nil
	}
	for rest := sent[wire.PreambleSize:]; len(rest) > 0; {
		h, _ := wire.ParseFrameHeader(rest)
		payload := rest[wire.FrameHeaderSize : wire.FrameHeaderSize+int(h.Length)]
		rest = rest[wire.FrameHeaderSize+int(h.Length):]
		if h.Kind == wire.KindGoAway {
			g, err := wire.ParseGoAway(payload)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, g)
		}
	}
	return found
}

func preamble() []byte {
	return wire.AppendPreamble(nil, wire.Preamble{ID: rpc.ClientID{7}})
}

func nativeCall(t testing.TB, id uint64, s string, o *wire.CallOptions) []byte {
	t.Helper()
	b, err := new(wire.Dialect).AppendCall(nil, id, echo, &word{s}, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func thriftCall(t testing.TB, d thrift.Dialect, seq int32, name, s string) []byte {
	t.Helper()
	b, err := d.AppendCall(nil, seq, name, echo, &word{s})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var dialects = []thrift.Dialect{
	{Encoding: codec.Binary, Strict: true},
	{Encoding: codec.Binary},
	{Encoding: codec.Compact},
	{Encoding: codec.Binary, Strict: true, Framed: true},
	{Encoding: codec.Binary, Framed: true},
	{Encoding: codec.Compact, Framed: true},
	{Encoding: codec.Binary, Strict: true, Framed: true, Header: true},
	{Encoding: codec.Compact, Framed: true, Header: true},
}

func TestNativeCall(t *testing.T) {
	b := newBench(t, nil)
	o := &wire.CallOptions{Timeout: time.Second, Retry: 3}
	b.feed(slices.Concat(preamble(), nativeCall(t, 5, "hi", o)))
	if len(b.calls) != 1 {
		t.Fatalf("%d calls", len(b.calls))
	}
	c := b.calls[0]
	if c.ID != 5 || c.Handler == nil || c.Handler.Method != echo || c.Retry != 3 || c.ClientID != (rpc.ClientID{7}) ||
		!c.Deadline.Equal(b.clock.Add(time.Second)) || !c.Received.Equal(b.clock) || c.Peer.Network != "mem" || c.Oneway {
		t.Errorf("got %+v", c)
	}
	p, ok, err := wire.ParsePreamble(b.sent)
	if !ok || err != nil || p.ID != b.config.ServerID {
		t.Errorf("preamble: %+v, %v, %v", p, ok, err)
	}
	if b.session.Outstanding() != 1 {
		t.Errorf("%d calls outstanding", b.session.Outstanding())
	}
	b.answer(c)
	if b.session.Outstanding() != 0 || len(b.replies) != 1 {
		t.Errorf("%d calls outstanding, %d replies", b.session.Outstanding(), len(b.replies))
	}
}

func TestThriftDialects(t *testing.T) {
	for _, d := range dialects {
		t.Run(fmt.Sprintf("%v framed=%v strict=%v header=%v", d.Encoding, d.Framed, d.Strict, d.Header), func(t *testing.T) {
			b := newBench(t, nil)
			b.feed(slices.Concat(thriftCall(t, d, 1, "echo", "a"), thriftCall(t, d, 2, "Test:echo", "b")))
			for i := range 2 {
				if len(b.calls) != i+1 {
					t.Fatalf("%d calls run, want %d: one after the other", len(b.calls), i+1)
				}
				c := b.calls[i]
				if c.ID != uint64(i+1) || c.Handler == nil || c.Handler.Method != echo || c.Encoding != d.Encoding {
					t.Errorf("got %+v", c)
				}
				b.answer(c)
			}
			if b.session.Outstanding() != 0 {
				t.Errorf("%d calls outstanding", b.session.Outstanding())
			}
		})
	}
}

func TestCancelKeepsThePlace(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxCalls = 1 })
	b.feed(slices.Concat(preamble(), nativeCall(t, 1, "", nil), wire.AppendCancel(nil, 1), wire.AppendCancel(nil, 99)))
	if err := b.calls[0].Context().Err(); !errors.Is(err, context.Canceled) {
		t.Fatalf("context: %v", err)
	}
	b.feed(nativeCall(t, 2, "", nil))
	if len(b.calls) != 1 || len(b.replies) != 1 || b.replies[0].Err.Code != rpc.ResourceExhausted ||
		b.replies[0].Err.Execution != rpc.NotExecuted {
		t.Fatalf("%d calls, replies %+v", len(b.calls), b.replies)
	}
	b.answer(b.calls[0])
	b.feed(nativeCall(t, 3, "", nil))
	if len(b.calls) != 2 {
		t.Error("the place was not freed")
	}
}

func TestBytesInFlightAreBounded(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxCallBytes = 1000 })
	b.feed(slices.Concat(preamble(), nativeCall(t, 1, strings.Repeat("x", 2000), nil)))
	if len(b.calls) != 1 {
		t.Fatal("a call alone must be taken")
	}
	b.feed(nativeCall(t, 2, "y", nil))
	if len(b.calls) != 1 || len(b.replies) != 1 || b.replies[0].Err.Code != rpc.ResourceExhausted {
		t.Fatalf("%d calls, replies %+v", len(b.calls), b.replies)
	}
	b.calls[0].Body = nil // as decompressing may change it
	b.answer(b.calls[0])
	b.feed(slices.Concat(nativeCall(t, 3, "y", nil), nativeCall(t, 4, "z", nil)))
	if len(b.calls) != 3 {
		t.Error("the bytes were not given back")
	}
}

func TestPing(t *testing.T) {
	b := newBench(t, nil)
	b.feed(slices.Concat(preamble(), wire.AppendPing(nil, 42)))
	if want := wire.AppendPong(nil, 42); !bytes.Equal(b.sent[wire.PreambleSize:], want) {
		t.Errorf("got % x", b.sent[wire.PreambleSize:])
	}
}

func TestIgnorableFrame(t *testing.T) {
	b := newBench(t, nil)
	frame := append(wire.AppendFrameHeader(nil, wire.FrameHeader{Length: 3, Kind: 0x90}), 1, 2, 3)
	empty := wire.AppendFrameHeader(nil, wire.FrameHeader{Kind: 0x91})
	b.feed(slices.Concat(preamble(), frame, empty, nativeCall(t, 1, "", nil)))
	if len(b.calls) != 1 {
		t.Errorf("%d calls", len(b.calls))
	}
}

func TestDrain(t *testing.T) {
	answered := 0
	b := newBench(t, func(c *Config) { c.Answered = func() { answered++ } })
	b.feed(slices.Concat(preamble(), nativeCall(t, 3, "", nil)))
	b.session.Drain()
	b.session.Drain()
	if g := b.goAways(); len(g) != 1 || g[0].Last != 3 || g[0].Code != 0 {
		t.Errorf("goaway: %+v", g)
	}
	b.feed(nativeCall(t, 4, "", nil))
	if len(b.calls) != 1 || len(b.replies) != 1 || b.replies[0].Err.Code != rpc.Unavailable || b.replies[0].Err.Execution != rpc.NotExecuted {
		t.Errorf("%d calls, replies %+v", len(b.calls), b.replies)
	}
	if answered != 0 {
		t.Error("answered too early")
	}
	b.answer(b.calls[0])
	if answered != 1 {
		t.Errorf("answered %d times", answered)
	}
}

func TestDrainBeforeThePreamble(t *testing.T) {
	b := newBench(t, nil)
	b.session.Drain()
	b.feed(preamble())
	if g := b.goAways(); len(g) != 1 || g[0].Last != 0 {
		t.Errorf("goaway: %+v", g)
	}
}

// A Thrift client cannot be told, and what it has sent ahead it has sent in good faith.
func TestDrainThrift(t *testing.T) {
	b := newBench(t, nil)
	d := dialects[3]
	b.feed(thriftCall(t, d, 1, "echo", ""))
	b.session.Drain()
	b.feed(thriftCall(t, d, 2, "echo", ""))
	b.answer(b.calls[0])
	if len(b.calls) != 2 {
		t.Fatalf("%d calls", len(b.calls))
	}
	b.answer(b.calls[1])
	b.replies = nil
	b.feed(thriftCall(t, d, 3, "echo", ""))
	if len(b.calls) != 2 || len(b.replies) != 1 || b.replies[0].Err.Code != rpc.Unavailable {
		t.Errorf("%d calls, replies %+v", len(b.calls), b.replies)
	}
}

func TestClosedCancelsCalls(t *testing.T) {
	b := newBench(t, nil)
	oneway, err := new(wire.Dialect).AppendCall(nil, 2, notify, &word{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.feed(slices.Concat(preamble(), nativeCall(t, 1, "", nil), oneway))
	b.session.Closed(errors.New("gone"))
	if b.calls[0].Context().Err() == nil {
		t.Error("the call goes on")
	}
	if b.calls[1].Context().Err() != nil {
		t.Error("the oneway call was canceled")
	}
	detached := newBench(t, nil)
	detached.feed(slices.Concat(preamble(), nativeCall(t, 1, "", nil)))
	detached.calls[0].Detach()
	detached.session.Closed(errors.New("gone"))
	if detached.calls[0].Context().Err() != nil {
		t.Error("a call whose reply will be asked for elsewhere was canceled")
	}
	b.answer(b.calls[0])
	b.answer(b.calls[1])

	b = newBench(t, nil)
	b.feed(slices.Concat(thriftCall(t, dialects[0], 1, "echo", ""), thriftCall(t, dialects[0], 2, "echo", "")))
	b.session.Closed(errors.New("gone"))
	b.answer(b.calls[0])
	for i, c := range b.calls {
		if c.Context().Err() == nil {
			t.Errorf("Thrift call %d goes on", i)
		}
	}
}

func TestTimeouts(t *testing.T) {
	whole := slices.Concat(preamble(), nativeCall(t, 1, strings.Repeat("x", 4000), nil))
	cases := []struct {
		name  string
		steps func(b *bench)
		fine  time.Duration // since the last step
		late  time.Duration
		want  error
	}{
		{"silence", func(b *bench) {}, 10 * time.Second, 10*time.Second + 1, ErrFirstFrameTimeout},
		{"half a preamble", func(b *bench) { b.feed(whole[:20]) }, 10 * time.Second, 11 * time.Second, ErrFirstFrameTimeout},
		{"two bytes of anything", func(b *bench) { b.feed([]byte{0x80, 1}) }, 10 * time.Second, 11 * time.Second, ErrFirstFrameTimeout},
		{"half a Thrift frame", func(b *bench) { b.feed(thriftCall(t, dialects[3], 1, "echo", "abc")[:20]) },
			10 * time.Second, 11 * time.Second, ErrFirstFrameTimeout},
		{"nothing after the preamble", func(b *bench) { b.feed(preamble()) }, 10 * time.Minute, 10*time.Minute + 1, ErrIdle},
		{"no byte of a frame's payload", func(b *bench) { b.feed(whole[:wire.PreambleSize+wire.FrameHeaderSize]) },
			5 * time.Second, 5*time.Second + 1, ErrTooSlow},
		{"half a frame header", func(b *bench) { b.feed(whole[:wire.PreambleSize+3]) }, 5 * time.Second, 6 * time.Second, ErrTooSlow},
		{"a byte a second", func(b *bench) {
			b.feed(whole[:50])
			for i := range 5 {
				b.clock = b.clock.Add(time.Second)
				b.feed(whole[50+i : 51+i])
			}
		}, 0, 1, ErrTooSlow},
		{"too long in all", func(b *bench) {
			b.feed(preamble())
			big := nativeCall(b.t, 1, strings.Repeat("random"[:5], 1), nil)
			h, _ := wire.ParseFrameHeader(big)
			h.Length = 1 << 20
			b.feed(append(wire.AppendFrameHeader(nil, h), big[wire.FrameHeaderSize:]...))
			for range 30 {
				b.clock = b.clock.Add(time.Second)
				b.feed(make([]byte, 2048))
			}
		}, 0, 1, ErrFrameTimeout},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, nil)
			tc.steps(b)
			if err := b.check(tc.fine); err != nil {
				t.Errorf("after %v: %v", tc.fine, err)
			}
			if err := b.check(tc.late); !errors.Is(err, tc.want) {
				t.Errorf("after %v: %v, want %v", tc.late, err, tc.want)
			}
		})
	}
}

func TestNotIdleWithACallInFlight(t *testing.T) {
	b := newBench(t, nil)
	b.feed(slices.Concat(preamble(), nativeCall(t, 1, "", nil)))
	if err := b.check(time.Hour); err != nil {
		t.Error(err)
	}
	b.answer(b.calls[0])
	if err := b.check(time.Hour); !errors.Is(err, ErrIdle) {
		t.Error(err)
	}
	b = newBench(t, func(c *Config) { c.IdleTimeout = -1 })
	b.feed(preamble())
	if err := b.check(1000 * time.Hour); err != nil {
		t.Error(err)
	}
}

// What ends the connection, and what the peer is told.
func TestConnectionErrors(t *testing.T) {
	frame := func(h wire.FrameHeader, payload ...byte) []byte {
		return slices.Concat(preamble(), wire.AppendFrameHeader(nil, h), payload)
	}
	native := map[string][]byte{
		"oversized frame":  frame(wire.FrameHeader{Length: 16_384_001, Kind: wire.KindCall, Stream: 1}),
		"largest length":   frame(wire.FrameHeader{Length: 1<<32 - 1, Kind: wire.KindCall, Stream: 1}),
		"unknown kind":     frame(wire.FrameHeader{Kind: 0x33}),
		"a reply":          frame(wire.FrameHeader{Kind: wire.KindReply, Stream: 1}),
		"long header":      frame(wire.FrameHeader{Length: 4, HeaderLen: 5, Kind: wire.KindCall, Stream: 1}),
		"id used twice":    slices.Concat(preamble(), nativeCall(t, 2, "", nil), nativeCall(t, 2, "", nil)),
		"id going back":    slices.Concat(preamble(), nativeCall(t, 2, "", nil), nativeCall(t, 1, "", nil)),
		"small max frame":  wire.AppendPreamble(nil, wire.Preamble{MaxFrame: 10}),
		"ping of one byte": frame(wire.FrameHeader{Length: 1, Kind: wire.KindPing}, 1),
	}
	for name, in := range native {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			err := b.session.Feed(in)
			var broken *wire.ConnError
			if !errors.As(err, &broken) {
				t.Fatalf("got %v", err)
			}
			if g := b.goAways(); len(g) != 1 || g[0].Code != broken.Code || g[0].Message != broken.Reason {
				t.Errorf("told %+v of %v", g, err)
			}
		})
	}
	foreign := map[string]struct{ in, answer, text string }{
		"HTTP":     {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "my port"},
		"HTTP/2":   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x04", "my port"},
		"TLS":      {"\x16\x03\x01\x02\x00\x01", "\x15\x03\x03", ""},
		"Hadoop":   {"hrpc\x09\x00\x00", "", ""},
		"garbage":  {"\xff\xfe\xfd\xfc\xfb\xfa\xf9", "", ""},
		"zeros":    {strings.Repeat("\x00", 64), "", ""},
		"negative": {"\x80\x00\x00\x00\x80\x01\x00\x01", "", ""},
	}
	for name, tc := range foreign {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.Banner = "my port" })
			if err := b.session.Feed([]byte(tc.in)); !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v", err)
			}
			if !strings.HasPrefix(string(b.sent), tc.answer) || !strings.Contains(string(b.sent), tc.text) || tc.answer == "" && len(b.sent) > 0 {
				t.Errorf("answered %q", b.sent)
			}
		})
	}
	t.Run("pipelining without end", func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.MaxCalls = 3 })
		var in []byte
		for i := range int32(4) {
			in = append(in, thriftCall(t, dialects[0], i, "echo", "")...)
		}
		if err := b.session.Feed(in); !errors.Is(err, ErrPipeline) {
			t.Errorf("got %v", err)
		}
	})
}

// What ends only the call.
func TestCallErrors(t *testing.T) {
	unknown := &rpc.Method{Service: "Test", Name: "walk", FullName: "Test.walk"}
	b := newBench(t, nil)
	in, err := new(wire.Dialect).AppendCall(preamble(), 1, unknown, &word{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in = append(in, wire.AppendFrameHeader(nil, wire.FrameHeader{Length: 1, HeaderLen: 1, Kind: wire.KindCall, Stream: 2})...)
	b.feed(append(append(in, 0), nativeCall(t, 3, "", nil)...))
	if len(b.calls) != 1 || len(b.replies) != 2 || b.replies[0].Err.Code != rpc.Unimplemented || b.replies[1].Err.Code != rpc.InvalidArgument {
		t.Errorf("%d calls, replies %+v", len(b.calls), b.replies)
	}
	for _, r := range b.replies {
		if r.Err.Execution != rpc.NotExecuted {
			t.Errorf("%v: %v", r.Err, r.Err.Execution)
		}
	}
}

// A length that is merely claimed must not cost memory.
func TestClaimedLengthCostsNothing(t *testing.T) {
	b := newBench(t, nil)
	b.feed(preamble())
	b.feed(wire.AppendFrameHeader(nil, wire.FrameHeader{Length: 16_000_000, Kind: wire.KindCall, Stream: 1}))
	b.feed(make([]byte, 100))
	n := b.session.proto.(*native)
	if cap(n.part) > firstBody {
		t.Errorf("%d bytes are set aside for 100", cap(n.part))
	}
	for range 10 {
		b.feed(make([]byte, 10_000))
	}
	if cap(n.part) > 4*len(n.part) {
		t.Errorf("%d bytes are set aside for %d", cap(n.part), len(n.part))
	}
}

// scripts are streams of several messages, as seeds and for the property that chunking does not matter.
func scripts(t testing.TB) [][]byte {
	var all [][]byte
	all = append(all, slices.Concat(preamble(), nativeCall(t, 1, "one", nil), wire.AppendPing(nil, 1),
		nativeCall(t, 2, strings.Repeat("long ", 9000), &wire.CallOptions{Timeout: time.Minute}), wire.AppendCancel(nil, 1),
		wire.AppendFrameHeader(nil, wire.FrameHeader{Length: 2, Kind: 0x99}), []byte{1, 2}, nativeCall(t, 9, "nine", nil)))
	for _, d := range dialects {
		all = append(all, slices.Concat(thriftCall(t, d, 1, "echo", "one"), thriftCall(t, d, 2, "Test:echo", strings.Repeat("long ", 100)),
			thriftCall(t, d, 3, "nosuch", "")))
	}
	return append(all, []byte("GET / HTTP/1.0\r\n\r\n"), binary.BigEndian.AppendUint32(nil, 1<<31))
}

// seen is what one chunking of a stream led to.
type seen struct {
	Calls   []string
	Refused []string
	Sent    string
	Err     string
}

func observe(t testing.TB, chunks [][]byte) seen {
	b := newBench(t, func(c *Config) { c.MaxFrame = 1 << 20; c.MaxMessage = 1 << 20 })
	var s seen
	for _, p := range chunks {
		if err := b.session.Feed(bytes.Clone(p)); err != nil {
			s.Err = err.Error()
			if errors.Is(err, ErrProtocol) {
				s.Err = ErrProtocol.Error() // the text quotes what has come so far
			}
			break
		}
	}
	for i := 0; i < len(b.calls); i++ {
		c := b.calls[i]
		name := c.Name
		if c.Handler != nil {
			name = c.Handler.Method.FullName
		}
		s.Calls = append(s.Calls, fmt.Sprintf("%d %s %q canceled=%v", c.ID, name, c.Body, c.Context().Err()))
		b.replies = b.replies[:len(b.replies):len(b.replies)]
		b.answer(c)
	}
	for _, r := range b.replies {
		if r.Err != nil {
			s.Refused = append(s.Refused, r.Err.Error())
		}
	}
	s.Sent = string(b.sent)
	return s
}

func TestChunkingDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i, stream := range scripts(t) {
		want := observe(t, [][]byte{stream})
		if len(want.Calls) == 0 && want.Err == "" {
			t.Fatalf("script %d shows nothing", i)
		}
		bytewise := slices.Collect(slices.Chunk(stream, 1))
		if diff := cmp.Diff(want, observe(t, bytewise)); diff != "" {
			t.Errorf("script %d byte by byte (-whole +cut):\n%s", i, diff)
		}
		for range 20 {
			var chunks [][]byte
			for rest := stream; len(rest) > 0; {
				n := 1 + rng.IntN(min(len(rest), 1+rng.IntN(200)))
				chunks, rest = append(chunks, rest[:n]), rest[n:]
			}
			if diff := cmp.Diff(want, observe(t, chunks)); diff != "" {
				t.Fatalf("script %d (-whole +cut):\n%s", i, diff)
			}
		}
	}
}

func FuzzFrameSplit(f *testing.F) {
	for _, s := range scripts(f) {
		f.Add(s, uint64(1))
		f.Add(s[:len(s)/2], uint64(2))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		if len(stream) > 1<<16 {
			return
		}
		want := observe(t, [][]byte{stream})
		rng := rand.New(rand.NewPCG(seed, 0))
		var chunks [][]byte
		for rest := stream; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			if rng.IntN(2) == 0 {
				n = min(len(rest), 1+rng.IntN(9))
			}
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		if diff := cmp.Diff(want, observe(t, chunks)); diff != "" {
			t.Fatalf("-whole +cut:\n%s", diff)
		}
	})
}

func BenchmarkFeed(b *testing.B) {
	const batch = 32
	s := newBench(b, func(c *Config) { c.Dispatcher = discard{} })
	s.feed(preamble())
	body := strings.Repeat("x", 1000)
	s.feed(nativeCall(b, 1, body, nil))
	frame := nativeCall(b, 2, body, nil)
	in := bytes.Repeat(frame, batch)
	id := uint64(2)
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for i := 0; i < b.N; i += batch {
		for j := range batch {
			binary.BigEndian.PutUint64(in[j*len(frame)+8:], id)
			id++
		}
		s.feed(in)
	}
}

type discard struct{}

func (discard) Dispatch(calls []*rpc.Call) {
	for _, c := range calls {
		c.Replier.(*Session).release(c, true)
	}
}
