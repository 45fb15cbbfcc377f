package server_test

import (
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// A client tells of each call once, also of one that was sent several times, and whichever way it was made.
func TestClientEvents(t *testing.T) {
	h := start(t)
	told := make(chan observe.ClientCallDone, 10)
	c := h.echo(client.WithEvents(observe.Events{ClientCallDone: func(d observe.ClientCallDone) { told <- d }}), client.WithEvents(observe.Events{}))
	for _, tt := range []struct {
		name, method string
		do           func() error
		code         rpc.Code
	}{
		{"a call", "Echo.echo", func() error { _, err := c.Echo(t.Context(), message(1)); return err }, 0},
		{"an asynchronous one", "Echo.echo", func() error { _, err := c.EchoAsync(t.Context(), message(1)).Wait(t.Context()); return err }, 0},
		{"a oneway one", "Echo.note", func() error { return c.Note(t.Context(), "x") }, 0},
		{"a declared exception", "Echo.refuse", func() error { c.Refuse(t.Context(), 5); return nil }, 0},
		{"an error", "Echo.refuse", func() error { _, err := c.Refuse(t.Context(), -5); return err }, rpc.NotFound},
		{"tried again", "Echo.refuse", func() error { _, err := c.Refuse(t.Context(), -int32(rpc.Unavailable)); return err }, rpc.Unavailable},
	} {
		before := time.Now()
		err := tt.do()
		d := next(t, told)
		if d.Method.FullName != tt.method || d.Code() != tt.code || d.Took <= 0 || d.Took > time.Since(before) || d.Start.Before(before) {
			t.Errorf("%s (%v): %+v", tt.name, err, d)
		}
		if len(told) != 0 {
			t.Errorf("%s was told of twice", tt.name)
		}
	}
}
