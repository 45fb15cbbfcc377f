package prom_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/observe/prom"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// empty is a struct without fields.
type empty struct{}

func (empty) EncodeThrift(e *codec.Encoder) { e.EndStruct(e.BeginStruct()) }
func (empty) DecodeThrift(d *codec.Decoder) { d.Skip(codec.Struct) }

// A server that serves, a client that calls, and a scrape of both.
func TestServer(t *testing.T) {
	m := prom.New(prom.Options{})
	srv := server.New(server.WithEvents(m.Events()), server.WithLogger(slog.New(slog.DiscardHandler)))
	invoke := func(context.Context, codec.Decodable) (codec.Encodable, error) { return empty{}, nil }
	if err := srv.Register(&rpc.Service{Name: "Echo", Handlers: []rpc.Handler{
		{Method: echo, NewArgs: func() codec.Decodable { return empty{} }, Invoke: invoke},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := m.Watch("main", srv); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen("unix://" + filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	c, err := client.Dial(t.Context(), address, client.WithEvents(m.Events()))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := c.Call(t.Context(), echo, empty{}, empty{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Call(t.Context(), &rpc.Method{FullName: "Echo.gone"}, empty{}, empty{}); rpc.CodeOf(err) != rpc.Unimplemented {
		t.Fatal(err)
	}
	during := scrape(t, m)
	const idle = `kuafu_rpc_calls_in_flight{server="main"} 0`
	for late := time.Now().Add(time.Minute); !strings.Contains(during, idle+"\n") && time.Now().Before(late); time.Sleep(time.Millisecond) {
		during = scrape(t, m) // a reply may arrive before the server has put its call aside
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := srv.Shutdown(t.Context()); err != nil { // after this, every call and connection has been told of
		t.Fatal(err)
	}
	if err := <-served; !errors.Is(err, server.ErrClosed) {
		t.Error(err)
	}
	after := scrape(t, m)
	for _, line := range []string{
		`kuafu_rpc_open_connections{network="unix"} 1`,
		idle,
		`kuafu_rpc_client_calls_total{code="ok",method="Echo.echo"} 3`,
	} {
		if !strings.Contains(during, line+"\n") {
			t.Errorf("no line %s in\n%s", line, during)
		}
	}
	for _, line := range []string{
		`kuafu_rpc_open_connections{network="unix"} 0`,
		`kuafu_rpc_connections_total{network="unix"} 1`,
		`kuafu_rpc_calls_total{code="ok",method="Echo.echo"} 3`,
		`kuafu_rpc_calls_total{code="unimplemented",method="_OTHER"} 1`,
		`kuafu_rpc_queue_seconds_count{method="Echo.echo"} 3`,
		`kuafu_rpc_processing_seconds_count{method="Echo.echo"} 3`,
		`kuafu_rpc_response_seconds_count{method="Echo.echo"} 3`,
		`kuafu_rpc_processing_seconds_count{method="_OTHER"} 0`,
	} {
		if !strings.Contains(after, line+"\n") {
			t.Errorf("no line %s in\n%s", line, after)
		}
	}
}
