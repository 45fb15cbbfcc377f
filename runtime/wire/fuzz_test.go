package wire

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func FuzzFrameHeader(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add(AppendFrameHeader(nil, FrameHeader{Length: 100, Kind: KindCall, Flags: FlagOneway, HeaderLen: 50, Stream: 1}), 100)
	f.Add(AppendPing(nil, 1), 0)
	f.Add(AppendGoAway(nil, GoAway{Last: 3, Message: "bye"}), 0)
	f.Add(AppendFrameHeader(nil, FrameHeader{Length: math.MaxUint32, Kind: 0x80}), math.MaxInt)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		h, ok := ParseFrameHeader(b)
		if ok != (len(b) >= FrameHeaderSize) {
			t.Fatalf("%d bytes: %v", len(b), ok)
		}
		if !ok {
			return
		}
		if got := AppendFrameHeader(nil, h); !bytes.Equal(got, b[:FrameHeaderSize]) {
			t.Errorf("%x came back as %x", b[:FrameHeaderSize], got)
		}
		if h.Check(limit) != nil {
			return
		}
		if limit <= 0 {
			limit = DefaultMaxFrame
		}
		if int64(h.Length) > int64(limit) || !h.Kind.Known() && !h.Kind.Ignorable() {
			t.Errorf("%+v passes with a limit of %d", h, limit)
		}
		if h.Kind.Known() && (int64(h.HeaderLen) > int64(h.Length) || h.HeaderLen > MaxHeader) {
			t.Errorf("%+v passes", h)
		}
	})
}

func FuzzPreamble(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("KUA"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(AppendPreamble(nil, testPreamble))
	f.Add(AppendPreamble(nil, Preamble{Version: 2, Features: 0xffff}))
	f.Add(AppendPreamble(nil, Preamble{Features: FeatureStreams, Window: MinWindow}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok, err := ParsePreamble(b)
		if ok && err != nil {
			t.Fatal("both right and wrong")
		}
		if !ok {
			if err == nil && len(b) >= PreambleSize {
				t.Errorf("%x: neither right nor wrong", b)
			}
			return
		}
		again, ok, err := ParsePreamble(AppendPreamble(nil, p))
		if !ok || err != nil || again != p {
			t.Errorf("%+v came back as %+v, %v", p, again, err)
		}
		// More bytes never change what was right.
		if later, ok, err := ParsePreamble(append(bytes.Clone(b), 0)); !ok || err != nil || later != p {
			t.Errorf("%+v, with a byte more: %+v, %v", p, later, err)
		}
		for n := range PreambleSize {
			if _, ok, err := ParsePreamble(b[:n]); ok || err != nil {
				t.Errorf("the first %d bytes: %v, %v", n, ok, err)
			}
		}
	})
}

func FuzzCallHeader(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendCallHeader(nil, &CallHeader{Method: []byte("Echo.echo")}))
	f.Add(AppendCallHeader(nil, &CallHeader{Method: []byte("Echo.echo"), Encoding: codec.Compact, Compression: CompressionSnappy, RawSize: 5000,
		CallOptions: CallOptions{Timeout: time.Second, ClientID: testID, HasClientID: true, Retry: 1, Metadata: []byte("\x01k\x01v"), Trace: testTrace}}))
	f.Add(AppendCallHeader(nil, &CallHeader{Method: []byte("Files.read"), CallOptions: CallOptions{Stream: true, Window: MinWindow}}))
	f.Add([]byte("\x00\x00\x01m\x64\x00\x65\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseCallHeader(b)
		if err != nil {
			if _, ok := err.(*rpc.Error); !ok {
				t.Fatalf("error %T", err)
			}
			return
		}
		if len(b) > MaxHeader || len(h.Method) == 0 || len(h.Method) > MaxMethod || h.RawSize < 0 || h.Timeout < 0 || len(h.Metadata) > MaxMetadata {
			t.Errorf("%x became %+v", b, h)
		}
		pairs := 0
		for k, v := range Metadata(h.Metadata) {
			if pairs++; checkPair(k, v) != "" {
				t.Errorf("pair %q %q", k, v)
			}
		}
		if pairs > MaxMetadataPairs {
			t.Errorf("%d pairs", pairs)
		}
		// What a client would refuse to send must not be taken, and the other way round.
		if err := h.check(); err != nil {
			t.Errorf("%x: taken, but would not be sent: %v", b, err)
		}
		if len(h.Metadata) == 0 {
			h.Metadata = nil // an empty option is not sent again
		}
		again, err := ParseCallHeader(AppendCallHeader(nil, &h))
		if diff := cmp.Diff(h, again); err != nil || diff != "" {
			t.Errorf("%x: %v (-want +got)\n%s", b, err, diff)
		}
	})
}

// FuzzReply takes anything as what a server sends back: DecodeReply never does worse than an *rpc.Error about the call.
func FuzzReply(f *testing.F) {
	c := &rpc.Call{ID: 1}
	d := &Dialect{MaxMessage: 1 << 20, Threshold: 64}
	for _, r := range []rpc.Reply{
		{Result: &echoed{Text: "hi", result: true}},
		{Result: &echoed{Text: long(1000), result: true}},
		{Err: &rpc.Error{Code: rpc.NotFound, Message: "no such file"}},
		{},
	} {
		b := d.AppendReply(nil, c, r)
		h, _ := ParseFrameHeader(b)
		f.Add(byte(h.Kind), h.HeaderLen, b[FrameHeaderSize:])
	}
	f.Fuzz(func(t *testing.T, kind byte, headerLen uint16, payload []byte) {
		var got echoed
		err := d.DecodeReply(echo, FrameHeader{Kind: Kind(kind), HeaderLen: headerLen}, payload, &got)
		if e, ok := err.(*rpc.Error); err != nil && (!ok || !e.Code.Valid() || e.Method != "Echo.echo" || e.Error() == "") {
			t.Errorf("error %#v", err)
		}
	})
}

// FuzzGoAway covers the other frames that are parsed.
func FuzzGoAway(f *testing.F) {
	f.Add(AppendGoAway(nil, GoAway{Last: 3, Code: rpc.Internal, Message: "bye"})[FrameHeaderSize:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := ParseGoAway(b)
		if err != nil {
			if _, ok := err.(*ConnError); !ok {
				t.Fatalf("error %T", err)
			}
			return
		}
		again, err := ParseGoAway(AppendGoAway(nil, g)[FrameHeaderSize:])
		if len(g.Message) <= MaxMessageText && (err != nil || again != g) {
			t.Errorf("%+v came back as %+v, %v", g, again, err)
		}
	})
}
