package server_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

func TestThriftDialects(t *testing.T) {
	h := start(t)
	dialects := map[string]client.Thrift{
		"framed binary":            {},
		"framed non-strict binary": {NonStrict: true},
		"framed compact":           {Encoding: codec.Compact},
		"unframed binary":          {Transport: client.Unframed},
		"unframed non-strict":      {Transport: client.Unframed, NonStrict: true},
		"unframed compact":         {Transport: client.Unframed, Encoding: codec.Compact},
		"THeader binary":           {Transport: client.Header},
		"THeader compact":          {Transport: client.Header, Encoding: codec.Compact},
	}
	for name, d := range dialects {
		for _, pipeline := range []int{0, 16} {
			d.Pipeline = pipeline
			if pipeline > 0 {
				name += ", pipelined"
			}
			t.Run(name, func(t *testing.T) {
				c := h.dial(h.tcp, client.WithThrift(d))
				exercise(t, h, c, false)
				e := echotest.NewEchoClient(c)
				var wg sync.WaitGroup
				for i := range 100 {
					wg.Go(func() { check(t, e, int64(i)) })
				}
				wg.Wait()
			})
		}
	}
	t.Run("Unix", func(t *testing.T) { exercise(t, h, h.dial(h.unix, client.WithThrift(client.Thrift{})), false) })
}

// Names without a service are fine as long as one service has them.
func TestThriftNames(t *testing.T) {
	h := start(t)
	whoami := func(service string) (string, error) {
		c := h.dial(h.tcp, client.WithThrift(client.Thrift{Service: service}))
		return echotest.NewBaseClient(c).Whoami(t.Context())
	}
	for service, want := range map[string]string{"Echo": "echo", "Clock": "clock", "Base": "echo"} {
		if got, err := whoami(service); got != want || err != nil {
			t.Errorf("%s: %q, %v", service, got, err)
		}
	}
	_, err := whoami("")
	wantError(t, err, rpc.Unimplemented, rpc.NotExecuted, "several services have a method whoami")
	_, err = whoami("Nobody")
	wantError(t, err, rpc.Unimplemented, rpc.NotExecuted, "no method whoami in a service Nobody")
}

// tap records what goes over a connection.
type tap struct {
	mu       sync.Mutex
	sent     bytes.Buffer
	received bytes.Buffer
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c *tapped) Write(b []byte) (int, error) {
	c.tap.mu.Lock()
	c.tap.sent.Write(b) // before the reply can come
	c.tap.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tap.mu.Lock()
	c.tap.received.Write(b[:n])
	c.tap.mu.Unlock()
	return n, err
}

func (p *tap) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tapped{nc, p}, nil
}

// traffic is what one call has put on the wire.
type traffic struct{ sent, received []byte }

func (p *tap) take() traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := traffic{bytes.Clone(p.sent.Bytes()), bytes.Clone(p.received.Bytes())}
	p.sent.Reset()
	p.received.Reset()
	return t
}

// What travels compressed does so in the Snappy framing format, which begins with this.
const snappyMark = "\xff\x06\x00\x00sNaPpY"

func TestCompressionOnTheWire(t *testing.T) {
	const size = 600_000
	text := strings.Repeat("round and round ", size/16)
	cases := []struct {
		name           string
		server         int // threshold
		client         int
		call           func(*echotest.EchoClient) error
		sent, received bool // compressed?
		small          bool
	}{
		{name: "large both ways", sent: true, received: true, call: func(e *echotest.EchoClient) error {
			_, err := e.Echo(t.Context(), &echotest.Msg{Text: text})
			return err
		}},
		{name: "small", small: true, call: func(e *echotest.EchoClient) error {
			_, err := e.Echo(t.Context(), &echotest.Msg{Text: text[:1000]})
			return err
		}},
		{name: "annotated none", call: func(e *echotest.EchoClient) error {
			_, err := e.Plain(t.Context(), size)
			return err
		}},
		{name: "annotated snappy", small: true, sent: true, received: true, call: func(e *echotest.EchoClient) error {
			_, err := e.Packed(t.Context(), text[:1000])
			return err
		}},
		{name: "incompressible", call: func(e *echotest.EchoClient) error {
			_, err := e.Big(t.Context(), size)
			return err
		}},
		{name: "off at the server", server: -1, sent: true, call: func(e *echotest.EchoClient) error {
			_, err := e.Echo(t.Context(), &echotest.Msg{Text: text})
			return err
		}},
		{name: "off at the client", client: -1, received: true, call: func(e *echotest.EchoClient) error {
			_, err := e.Echo(t.Context(), &echotest.Msg{Text: text})
			return err
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			h := start(t, server.WithCompression(tc.server))
			var p tap
			opts := []client.Option{client.WithDialer(p.dial)}
			if tc.client != 0 {
				opts = append(opts, client.WithCompression(tc.client))
			}
			e := h.echo(opts...)
			check(t, e, 1) // preambles and the like
			p.take()
			if err := tc.call(e); err != nil {
				t.Fatal(err)
			}
			got := p.take()
			for way, b := range map[string][]byte{"sent": got.sent, "received": got.received} {
				want := tc.sent
				if way == "received" {
					want = tc.received
				}
				if found := bytes.Contains(b, []byte(snappyMark)); found != want {
					t.Errorf("%s: %d bytes, compressed: %v", way, len(b), found)
				}
				if want && !tc.small && len(b) > size/10 {
					t.Errorf("%s: %d bytes for %d of text", way, len(b), size)
				}
			}
		})
	}
}
