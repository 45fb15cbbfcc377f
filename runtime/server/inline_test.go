package server_test

import (
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// Methods that run on the event loop do all that others do: results, exceptions, errors, panics.
func TestInlineMethods(t *testing.T) {
	h := start(t, server.WithInline("Echo.echo", "Echo.refuse", "Echo.explode", "Echo.ring"))
	native := h.dial(h.tcp)
	check(t, echotest.NewEchoClient(native), 1)
	if s := h.srv.CallStats(); s.CallSuccesses != 1 || s.Workers != 0 {
		t.Errorf("the first call was not run by its loop: %+v", s)
	}
	exercise(t, h, native, true)
	exercise(t, h, h.dial(h.tcp, client.WithThrift(client.Thrift{})), false)
}

func TestInlineMethodsMustExist(t *testing.T) {
	s := server.New(server.WithInline("Echo.nothing"))
	if err := s.Register(echotest.NewEchoService(newEcho())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err == nil || !strings.Contains(err.Error(), "Echo.nothing") {
		t.Errorf("Serve: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
