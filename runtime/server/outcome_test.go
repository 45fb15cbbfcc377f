package server_test

import (
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// The event of a call whose result could not be sent has the error that the caller got in its place.
func TestEventsOfResultsThatCannotBeSent(t *testing.T) {
	const limit = 1 << 20
	for name, opts := range map[string][]client.Option{
		"native":         nil,
		"framed binary":  {client.WithThrift(client.Thrift{})},
		"framed compact": {client.WithThrift(client.Thrift{Encoding: codec.Compact})},
		"THeader":        {client.WithThrift(client.Thrift{Transport: client.Header})},
	} {
		t.Run(name, func(t *testing.T) {
			calls := make(chan observe.CallDone, 100)
			h := start(t, server.WithMaxMessage(limit, limit), server.WithEvents(observe.Events{CallDone: func(c observe.CallDone) { calls <- c }}))
			c := h.echo(opts...)
			for what, do := range map[string]func() error{
				"too large":     func() error { _, err := c.Big(t.Context(), 2*limit); return err },
				"not encodable": func() error { _, err := c.Ring(t.Context()); return err },
			} {
				err := do()
				d := next(t, calls)
				if err == nil || d.Err == nil || d.Unsent {
					t.Fatalf("%s: the caller got %v, the event says %+v", what, err, d)
				}
				if d.Err.Execution != rpc.Executed || !strings.Contains(err.Error(), d.Err.Message) || d.Code() != rpc.CodeOf(err) {
					t.Errorf("%s: the caller got %v, the event says %v", what, err, d.Err)
				}
				if d.ReplyBytes <= 0 || d.ReplyBytes > 1000 {
					t.Errorf("%s: an error of %d bytes", what, d.ReplyBytes)
				}
			}
		})
	}
}

// The event says how large a reply would have been without compression.
func TestEventsOfCompressedReplies(t *testing.T) {
	calls := make(chan observe.CallDone, 100)
	h := start(t, server.WithEvents(observe.Events{CallDone: func(c observe.CallDone) { calls <- c }}))
	const size = 60_000
	sent := strings.Repeat("packed", size/6)
	for name, do := range map[string]func() error{
		"native": func() error { _, err := h.echo().Packed(t.Context(), sent); return err },
		"THeader and zlib": func() error {
			d := thrift.Dialect{Header: true, Strict: true, Transforms: []thrift.Transform{thrift.Zlib}}
			nc := h.raw()
			if _, err := nc.Write(thriftCall(t, d, 1, "packed", text(sent))); err != nil {
				return err
			}
			_, err := thriftReply(t, d, nc)
			return err
		},
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if d := next(t, calls); d.ReplyRawBytes < size || d.ReplyRawBytes > size+100 || d.ReplyBytes > size/5 {
			t.Errorf("%s: %d bytes, %d without compression", name, d.ReplyBytes, d.ReplyRawBytes)
		}
	}
	if _, err := h.echo().Plain(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	if d := next(t, calls); d.ReplyRawBytes != d.ReplyBytes || d.ReplyBytes < size {
		t.Errorf("plain: %d bytes, %d without compression", d.ReplyBytes, d.ReplyRawBytes)
	}
}

// Every call of a stream is told of once, whatever it ended with.
func TestEventsOfStreams(t *testing.T) {
	calls := make(chan observe.CallDone, 1000)
	h, _ := startStreams(t, server.WithEvents(observe.Events{CallDone: func(c observe.CallDone) { calls <- c }}))
	c := h.streams()
	const rounds = 50
	ended := 0
	for i := range rounds {
		s, err := c.Download(t.Context(), 3, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // which may cross the reply
			s.Cancel()
			continue
		}
		for err == nil {
			_, err = s.Recv(t.Context())
		}
		ended++
	}
	sent := 0
	for range rounds {
		d := next(t, calls)
		if d.MethodName() != "Streams.download" || d.Unsent == (d.ReplyBytes > 0) {
			t.Errorf("%+v", d)
		}
		if !d.Unsent && d.Err == nil {
			sent++
		}
	}
	if sent < ended {
		t.Errorf("%d streams ended well, %d are told of", ended, sent)
	}
	if n := len(calls); n > 0 {
		t.Errorf("%d more are told of", n)
	}
}
