package wire

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/compress"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// echoed is a message as generated code would write it: {1: string text, 2: i64 number}, and as a result struct with
// the text in field 0.
type echoed struct {
	Text   string
	Number int64
	result bool
	fail   error
}

func (m *echoed) EncodeThrift(e *codec.Encoder) {
	outer := e.BeginStruct()
	id := int16(1)
	if m.result {
		id = 0
	}
	e.StringField(id, m.Text)
	if m.Number != 0 {
		e.I64Field(2, m.Number)
	}
	e.Fail(m.fail)
	e.EndStruct(outer)
}

func (m *echoed) DecodeThrift(d *codec.Decoder) {
	outer := d.BeginStruct()
	for f := d.Field(); f.Type != codec.Stop; f = d.Field() {
		switch f.Key() {
		case 0<<8 | uint32(codec.String), 1<<8 | uint32(codec.String):
			m.Text = d.String()
		case 2<<8 | uint32(codec.I64):
			m.Number = d.I64()
		default:
			d.Skip(f.Type)
		}
	}
	d.EndStruct(outer)
}

var echo = &rpc.Method{Service: "Echo", Name: "echo", FullName: "Echo.echo"}

// split takes apart the only frame in b.
func split(t *testing.T, b []byte) (h FrameHeader, header, body []byte) {
	t.Helper()
	h, ok := ParseFrameHeader(b)
	if !ok {
		t.Fatalf("no frame in %x", b)
	}
	if err := h.Check(math.MaxInt32); err != nil {
		t.Fatal(err)
	}
	payload := b[FrameHeaderSize:]
	if int(h.Length) != len(payload) {
		t.Fatalf("length %d, but %d bytes follow", h.Length, len(payload))
	}
	return h, payload[:h.HeaderLen], payload[h.HeaderLen:]
}

// receive does what a server's reader does with a Call frame.
func receive(t *testing.T, frame []byte) *rpc.Call {
	t.Helper()
	f, header, body := split(t, frame)
	if f.Kind != KindCall {
		t.Fatalf("a %v frame", f.Kind)
	}
	h, err := ParseCallHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	return &rpc.Call{
		ID: f.Stream, Name: string(h.Method), Encoding: h.Encoding, Oneway: f.Flags&FlagOneway != 0, Body: body,
		Compression: h.Compression, RawSize: h.RawSize, Retry: h.Retry, Metadata: h.Metadata,
		Handler: &rpc.Handler{Method: echo},
	}
}

// long returns a compressible string.
func long(n int) string { return strings.Repeat("a call, a reply; ", n/17+1)[:n] }

func TestCallAndReply(t *testing.T) {
	for _, enc := range []codec.Encoding{codec.Binary, codec.Compact} {
		for _, size := range []int{0, 5, DefaultThreshold, 100_000} {
			d := &Dialect{Encoding: enc}
			prefix := []byte("before")
			args := &echoed{Text: long(size), Number: 7}
			frame, err := d.AppendCall(bytes.Clone(prefix), 9, echo, args, &CallOptions{Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(frame, prefix) {
				t.Fatal("what was in dst is gone")
			}
			c := receive(t, frame[len(prefix):])
			if want := size >= DefaultThreshold; (c.Compression == CompressionSnappy) != want {
				t.Errorf("%v, %d bytes: compression %d", enc, size, c.Compression)
			}
			if c.Compression == CompressionSnappy && len(frame) > size/2 {
				t.Errorf("%d bytes became %d", size, len(frame))
			}
			for range 2 { // a second Open changes nothing
				if err := d.Open(c); err != nil {
					t.Fatal(err)
				}
			}
			var got echoed
			if err := new(Dialect).decodeBody(c.Encoding, c.Body, false, &got); err != nil {
				t.Fatal(err)
			}
			if got.Text != args.Text || got.Number != 7 || c.ID != 9 || c.Name != "Echo.echo" || c.Encoding != enc {
				t.Errorf("%v, %d bytes: the call came as %+v", enc, size, c)
			}

			frame = d.AppendReply(bytes.Clone(prefix), c, rpc.Reply{Result: &echoed{Text: args.Text, result: true}})
			if !bytes.HasPrefix(frame, prefix) {
				t.Fatal("what was in dst is gone")
			}
			h, _, _ := split(t, frame[len(prefix):])
			if h.Kind != KindReply || h.Stream != 9 {
				t.Errorf("reply frame %+v", h)
			}
			got = echoed{}
			if err := d.DecodeReply(echo, h, frame[len(prefix)+FrameHeaderSize:], &got); err != nil || got.Text != args.Text {
				t.Errorf("%v, %d bytes: reply of %d bytes, %v", enc, size, len(got.Text), err)
			}
		}
	}
}

func TestCompressionWishes(t *testing.T) {
	random := make([]byte, 100_000)
	for i, x := 0, uint32(1); i < len(random); i++ {
		x = x*1664525 + 1013904223
		random[i] = byte(x >> 24)
	}
	for _, tc := range []struct {
		name      string
		threshold int
		wish      rpc.Compress
		text      string
		want      uint8
	}{
		{"small", 0, rpc.CompressDefault, long(DefaultThreshold - 100), CompressionNone},
		{"large", 0, rpc.CompressDefault, long(DefaultThreshold), CompressionSnappy},
		{"own threshold", 100, rpc.CompressDefault, long(100), CompressionSnappy},
		{"never by default", -1, rpc.CompressDefault, long(100_000), CompressionNone},
		{"always for this method", -1, rpc.CompressSnappy, long(200), CompressionSnappy},
		{"never for this method", 0, rpc.CompressNone, long(100_000), CompressionNone},
		{"does not shrink", 0, rpc.CompressDefault, string(random), CompressionNone},
		{"shrinks by less than an eighth", 0, rpc.CompressDefault, string(random) + long(9000), CompressionNone},
		{"shrinks by less than an eighth, wanted", 0, rpc.CompressSnappy, string(random) + long(9000), CompressionSnappy},
		{"repeats only what no sample sees", 0, rpc.CompressDefault, strings.Repeat(string(random[:3000]), 30), CompressionNone},
		{"that, wanted", 0, rpc.CompressSnappy, strings.Repeat(string(random[:3000]), 30), CompressionSnappy},
		{"does not shrink, though wanted", 0, rpc.CompressSnappy, "x", CompressionNone},
	} {
		d := &Dialect{Threshold: tc.threshold}
		m := *echo
		m.Compress = tc.wish
		frame, err := d.AppendCall(nil, 1, &m, &echoed{Text: tc.text}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := receive(t, frame)
		if c.Compression != tc.want {
			t.Errorf("%s: call with compression %d, want %d", tc.name, c.Compression, tc.want)
		}
		c.Handler = &rpc.Handler{Method: &m}
		_, header, _ := split(t, d.AppendReply(nil, c, rpc.Reply{Result: &echoed{Text: tc.text}}))
		h, err := ParseReplyHeader(header)
		if err != nil || h.Compression != tc.want {
			t.Errorf("%s: reply with compression %d, %v; want %d", tc.name, h.Compression, err, tc.want)
		}
	}

	// What does not look promising is compressed all the same where a frame has no room for it as it is.
	d := Dialect{MaxFrame: 50_000}
	frame, err := d.AppendCall(nil, 1, echo, &echoed{Text: strings.Repeat(string(random[:3000]), 30)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := receive(t, frame); c.Compression != CompressionSnappy {
		t.Errorf("too long for a frame: compression %d", c.Compression)
	}
}

// replyError decodes a frame that has to be an error.
func replyError(t *testing.T, frame []byte) *rpc.Error {
	t.Helper()
	h, _, _ := split(t, frame)
	err := new(Dialect).DecodeReply(echo, h, frame[FrameHeaderSize:], new(echoed))
	var e *rpc.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *rpc.Error", err)
	}
	return e
}

func TestErrorReplies(t *testing.T) {
	for _, tc := range []struct {
		name  string
		d     Dialect
		reply rpc.Reply
		want  rpc.Error
	}{
		{"error", Dialect{}, rpc.Reply{Err: &rpc.Error{Code: rpc.NotFound, Message: "no such file", Execution: rpc.Executed}},
			rpc.Error{Code: rpc.NotFound, Message: "no such file", Execution: rpc.Executed}},
		{"refusal", Dialect{}, rpc.Reply{Err: &rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted}},
			rpc.Error{Code: rpc.ResourceExhausted, Execution: rpc.NotExecuted}},
		{"no code", Dialect{}, rpc.Reply{Err: &rpc.Error{Message: "?"}},
			rpc.Error{Code: rpc.Unknown, Message: "?"}},
		{"nothing", Dialect{}, rpc.Reply{},
			rpc.Error{Code: rpc.Internal, Message: "the handler gave no reply", Execution: rpc.Executed}},
		{"not encodable", Dialect{}, rpc.Reply{Result: &echoed{fail: errors.New("union without a value")}},
			rpc.Error{Code: rpc.Internal, Message: "result: union without a value", Execution: rpc.Executed}},
		{"over the message limit", Dialect{MaxMessage: 1000}, rpc.Reply{Result: &echoed{Text: long(993)}}, // 8 bytes go round it
			rpc.Error{Code: rpc.ResourceExhausted, Message: "result: 1001 bytes, at most 1000 allowed", Execution: rpc.Executed}},
		{"over the frame limit", Dialect{MaxFrame: 1000}, rpc.Reply{Result: &echoed{Text: long(991)}},
			rpc.Error{Code: rpc.ResourceExhausted, Message: "result: a frame of 1001 bytes, the peer accepts 1000", Execution: rpc.Executed}},
	} {
		c := &rpc.Call{ID: 3, Handler: &rpc.Handler{Method: echo}}
		prefix := []byte("before")
		frame := tc.d.AppendReply(bytes.Clone(prefix), c, tc.reply)
		if !bytes.HasPrefix(frame, prefix) {
			t.Fatalf("%s: what was in dst is gone", tc.name)
		}
		tc.want.Remote, tc.want.Method = true, "Echo.echo"
		if diff := cmp.Diff(&tc.want, replyError(t, frame[len(prefix):])); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tc.name, diff)
		}

		c.Oneway = true
		if frame := tc.d.AppendReply(bytes.Clone(prefix), c, tc.reply); !bytes.Equal(frame, prefix) {
			t.Errorf("%s: a oneway call got a reply: %x", tc.name, frame)
		}
	}
}

// At the limits, calls and replies pass; the frame limit holds for what is really sent.
func TestAtTheLimits(t *testing.T) {
	c := func() *rpc.Call { return &rpc.Call{ID: 3, Handler: &rpc.Handler{Method: echo}} }
	const around = 8 // bytes of the encoded struct that are not the text
	for _, tc := range []struct {
		name string
		d    Dialect
		text int
		ok   bool
	}{
		{"message", Dialect{MaxMessage: 10_000}, 10_000 - around, true},
		{"message + 1", Dialect{MaxMessage: 10_000}, 10_000 - around + 1, false},
		{"reply frame", Dialect{MaxFrame: 1000}, 1000 - around - replyHeaderMin, true},
		{"reply frame + 1", Dialect{MaxFrame: 1000}, 1000 - around - replyHeaderMin + 1, false},
		{"frame that fits when compressed", Dialect{MaxFrame: 10_000}, 50_000, true},
	} {
		h, _, _ := split(t, tc.d.AppendReply(nil, c(), rpc.Reply{Result: &echoed{Text: long(tc.text)}}))
		if ok := h.Kind == KindReply; ok != tc.ok {
			t.Errorf("%s: reply: a %v frame of %d bytes", tc.name, h.Kind, h.Length)
		}
	}

	header := len(appendCallHeader(nil, echo.FullName, 0, 0, 0, &noOptions))
	for _, tc := range []struct {
		name string
		d    Dialect
		text int
		ok   bool
	}{
		{"message", Dialect{MaxMessage: 10_000}, 10_000 - around, true},
		{"message + 1", Dialect{MaxMessage: 10_000}, 10_000 - around + 1, false},
		{"call frame", Dialect{MaxFrame: 1000}, 1000 - around - header, true},
		{"call frame + 1", Dialect{MaxFrame: 1000}, 1000 - around - header + 1, false},
		{"frame that fits when compressed", Dialect{MaxFrame: 10_000}, 50_000, true},
	} {
		prefix := []byte("before")
		got, err := tc.d.AppendCall(prefix, 1, echo, &echoed{Text: long(tc.text)}, nil)
		if (err == nil) != tc.ok {
			t.Errorf("%s: call: %v", tc.name, err)
		}
		if err != nil && (rpc.CodeOf(err) != rpc.ResourceExhausted || !bytes.Equal(got, prefix)) {
			t.Errorf("%s: call: %v, dst %q", tc.name, err, got)
		}
	}
}

func TestAppendCallRefuses(t *testing.T) {
	pairs := bytes.Repeat([]byte("\x01k\x01v"), MaxMetadataPairs)
	unencodable := errors.New("union without a value")
	for _, tc := range []struct {
		name string
		m    rpc.Method
		args codec.Encodable
		o    *CallOptions
		code rpc.Code // 0: taken
	}{
		{"plain", *echo, &echoed{}, nil, 0},
		{"everything", *echo, &echoed{}, &CallOptions{Timeout: 1, HasClientID: true, Retry: 1, Metadata: pairs, Trace: make([]byte, TraceSize)}, 0},
		{"longest name", rpc.Method{FullName: strings.Repeat("m", MaxMethod)}, &echoed{}, nil, 0},
		{"no name", rpc.Method{}, &echoed{}, nil, rpc.InvalidArgument},
		{"name too long", rpc.Method{FullName: strings.Repeat("m", MaxMethod+1)}, &echoed{}, nil, rpc.InvalidArgument},
		{"late", *echo, &echoed{}, &CallOptions{Timeout: -1}, rpc.DeadlineExceeded},
		{"pairs", *echo, &echoed{}, &CallOptions{Metadata: append(bytes.Clone(pairs), "\x01k\x01v"...)}, rpc.ResourceExhausted},
		{"metadata bytes", *echo, &echoed{}, &CallOptions{Metadata: make([]byte, MaxMetadata+1)}, rpc.ResourceExhausted},
		{"metadata garbage", *echo, &echoed{}, &CallOptions{Metadata: []byte{9}}, rpc.InvalidArgument},
		{"metadata line break", *echo, &echoed{}, &CallOptions{Metadata: []byte("\x01k\x02\r\n")}, rpc.InvalidArgument},
		{"trace", *echo, &echoed{}, &CallOptions{Trace: make([]byte, TraceSize-1)}, rpc.InvalidArgument},
		{"unencodable", *echo, &echoed{fail: unencodable}, nil, rpc.InvalidArgument},
	} {
		prefix := []byte("before")
		got, err := new(Dialect).AppendCall(prefix, 1, &tc.m, tc.args, tc.o)
		if tc.code == 0 {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
				continue
			}
			receive(t, got[len(prefix):])
			continue
		}
		var e *rpc.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v", tc.name, err)
			continue
		}
		if e.Code != tc.code || e.Execution != rpc.NotExecuted || e.Remote || e.Method != tc.m.FullName || !bytes.Equal(got, prefix) {
			t.Errorf("%s: %#v, dst %q", tc.name, e, got)
		}
		if tc.name == "unencodable" && !errors.Is(err, unencodable) {
			t.Errorf("%s: the cause is lost: %v", tc.name, err)
		}
	}
}

func TestOneway(t *testing.T) {
	m := rpc.Method{FullName: "Log.put", Oneway: true}
	frame, err := new(Dialect).AppendCall(nil, 0, &m, &echoed{Text: "x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	SetStream(frame, 1<<40)
	if c := receive(t, frame); !c.Oneway || c.ID != 1<<40 {
		t.Errorf("oneway %v, id %d", c.Oneway, c.ID)
	}
}

func TestOpen(t *testing.T) {
	packed := compress.AppendSnappy(nil, []byte(long(2000)))
	for _, tc := range []struct {
		name        string
		body        []byte
		compression uint8
		rawSize     int
		code        rpc.Code // 0: taken
	}{
		{"plain at the limit", make([]byte, 2000), CompressionNone, 0, 0},
		{"plain over the limit", make([]byte, 2001), CompressionNone, 0, rpc.ResourceExhausted},
		{"packed at the limit", packed, CompressionSnappy, 2000, 0},
		{"packed over the limit", packed, CompressionSnappy, 2001, rpc.ResourceExhausted},
		{"size is wrong", packed, CompressionSnappy, 1999, rpc.InvalidArgument},
		{"bomb", packed[:20], CompressionSnappy, 2000, rpc.InvalidArgument},
		{"negative", packed, CompressionSnappy, -1, rpc.InvalidArgument},
		{"unknown", packed, 2, 2000, rpc.Unimplemented},
	} {
		c := &rpc.Call{Body: tc.body, Compression: tc.compression, RawSize: tc.rawSize}
		err := (&Dialect{MaxMessage: 2000}).Open(c)
		if tc.code == 0 {
			if err != nil || len(c.Body) != 2000 || c.Compression != CompressionNone || c.RawSize != 0 {
				t.Errorf("%s: %v, %d bytes", tc.name, err, len(c.Body))
			}
			continue
		}
		var e *rpc.Error
		if !errors.As(err, &e) || e.Code != tc.code || e.Execution != rpc.NotExecuted {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.code)
		}
		if &c.Body[0] != &tc.body[0] {
			t.Errorf("%s: the body was replaced", tc.name)
		}
	}
}

func TestDecodeReplyOfGarbage(t *testing.T) {
	okBody := []byte{byte(codec.Stop)}
	reply := FrameHeader{Kind: KindReply, HeaderLen: 2}
	for _, tc := range []struct {
		name    string
		h       FrameHeader
		payload []byte
		result  codec.Decodable
		code    rpc.Code
	}{
		{"fine", reply, append([]byte{0, 0}, okBody...), new(echoed), 0},
		{"header longer than the frame", FrameHeader{Kind: KindReply, HeaderLen: 4}, []byte{0, 0, 0}, new(echoed), rpc.Internal},
		{"a call", FrameHeader{Kind: KindCall, HeaderLen: 2}, []byte{0, 0, 0}, new(echoed), rpc.Internal},
		{"nobody asked", reply, append([]byte{0, 0}, okBody...), nil, rpc.Internal},
		{"empty header", FrameHeader{Kind: KindReply}, okBody, new(echoed), rpc.Internal},
		{"unknown encoding", reply, append([]byte{1, 0}, okBody...), new(echoed), rpc.Internal},
		{"unknown compression", reply, append([]byte{0, 9}, okBody...), new(echoed), rpc.Internal},
		{"empty body", reply, []byte{0, 0}, new(echoed), rpc.Internal},
		{"more than the result", reply, append([]byte{0, 0}, 0, 0), new(echoed), rpc.Internal},
		{"truncated", reply, []byte{0, 0, byte(codec.String), 0, 0, 0, 0, 0, 9, 'x'}, new(echoed), rpc.Internal},
		{"bad snappy", FrameHeader{Kind: KindReply, HeaderLen: 3}, []byte{0, 1, 1, 0}, new(echoed), rpc.Internal},
		{"too big", reply, make([]byte, 1003), new(echoed), rpc.ResourceExhausted},
		{"bomb", FrameHeader{Kind: KindReply, HeaderLen: 4}, []byte{0, 1, 0xe9, 0x07, 0}, new(echoed), rpc.ResourceExhausted},
		{"empty error", FrameHeader{Kind: KindError}, nil, new(echoed), rpc.Internal},
	} {
		err := (&Dialect{MaxMessage: 1000}).DecodeReply(echo, tc.h, tc.payload, tc.result)
		if tc.code == 0 {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		want := rpc.Executed
		if tc.h.Kind == KindError {
			want = rpc.MaybeExecuted
		}
		var e *rpc.Error
		if !errors.As(err, &e) || e.Code != tc.code || e.Execution != want || e.Remote || e.Method != "Echo.echo" {
			t.Errorf("%s: %#v, want %v", tc.name, err, tc.code)
		}
	}
}

// The pools keep nothing of what went through them.
func TestPoolsForget(t *testing.T) {
	if _, err := encodeBody(make([]byte, 0, 64), nil, codec.Binary, &echoed{Text: "secret", fail: errors.New("x")}); err == nil {
		t.Fatal("no error")
	}
	e := encoders.Get().(*codec.Encoder)
	if e.Bytes() != nil || e.Err() != nil {
		t.Errorf("an encoder with %d bytes and %v", len(e.Bytes()), e.Err())
	}
	if err := new(Dialect).decodeBody(codec.Binary, []byte{0, 0, 0}, false, new(echoed)); err == nil {
		t.Fatal("no error")
	}
	d := decoders.Get().(*codec.Decoder)
	if d.Remaining() != 0 || d.Err() != nil {
		t.Errorf("a decoder with %d bytes and %v", d.Remaining(), d.Err())
	}
}
