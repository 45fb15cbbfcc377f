package server_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

func TestRegisterErrors(t *testing.T) {
	srv := server.New()
	if err := srv.Register(echotest.NewClockService(clock{})); err != nil {
		t.Fatal(err)
	}
	if err := srv.Register(echotest.NewClockService(clock{})); err == nil || !strings.Contains(err.Error(), "Clock") {
		t.Errorf("a second Clock: %v", err)
	}
	if err := srv.Register(&rpc.Service{}); err == nil {
		t.Error("a service without a name")
	}
	h := start(t)
	check(t, h.echo(), 1) // so it serves by now
	if err := h.srv.Register(echotest.NewBaseService(h.impl)); err == nil {
		t.Error("a service was registered while serving")
	}
}

func TestListenErrors(t *testing.T) {
	srv := server.New()
	defer srv.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	bound, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := srv.Listen("unix://" + filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"127.0.0.1:80":                   "want tcp://",
		"http://127.0.0.1:80":            "unknown scheme",
		"tcp://127.0.0.1":                "port",
		bound:                            "address already in use",
		socket:                           "another process is listening there",
		"unix://" + file:                 "not a socket",
		"unix://" + dir + "/none/socket": "does not exist",
	} {
		if _, err := srv.Listen(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "mine" || err != nil {
		t.Errorf("the file was touched: %q, %v", b, err)
	}
	if _, err := srv.Listen(bound); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close() // as a process that was killed leaves it

	noLeaks(t)
	srv := server.New(server.WithSocketMode(0o600))
	if err := srv.Register(echotest.NewClockService(clock{})); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	c, err := client.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := echotest.NewClockClient(c).Ticks(t.Context(), 1); n != 1001 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, server.ErrClosed) {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestServeErrors(t *testing.T) {
	noLeaks(t)
	srv := server.New()
	if err := srv.Serve(); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("without an address: %v", err)
	}
	if err := srv.ListenAndServe("tcp://127.0.0.1:0", "nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a bad address: %v", err)
	}
	if err := srv.Serve(); !errors.Is(err, server.ErrClosed) {
		t.Errorf("after that: %v", err)
	}
	if _, err := srv.Listen("tcp://127.0.0.1:0"); err == nil {
		t.Error("an address was bound by a closed server")
	}
	if err := srv.Register(echotest.NewClockService(clock{})); err == nil {
		t.Error("a service was registered by a closed server")
	}

	h := start(t)
	check(t, h.echo(), 1)
	if err := h.srv.Serve(); err == nil || !strings.Contains(err.Error(), "called before") {
		t.Errorf("a second Serve: %v", err)
	}
}

// Every option that can be wrong makes Serve fail at once, and the server closed by ListenAndServe.
func TestBadOptions(t *testing.T) {
	noLeaks(t)
	for name, opt := range map[string]server.Option{
		"workers":       server.WithWorkers(-1),
		"queue":         server.WithQueue(-1),
		"loops":         server.WithLoops(-1),
		"busy poll":     server.WithBusyPoll(handler.MaxBusyPoll + 1),
		"calls":         server.WithMaxCalls(-1),
		"frame":         server.WithMaxMessage(-1, 0),
		"small frame":   server.WithMaxMessage(1000, 0),
		"message":       server.WithMaxMessage(0, -1),
		"pending":       server.WithMaxPending(-1),
		"first frame":   server.WithFrameTimeouts(-1, 0),
		"later frame":   server.WithFrameTimeouts(0, -1),
		"stall timeout": server.WithStallTimeout(-1),
	} {
		srv := server.New(opt)
		err := srv.ListenAndServe("tcp://127.0.0.1:0")
		if err == nil || errors.Is(err, server.ErrClosed) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Errorf("%s: Shutdown: %v", name, err)
		}
		if err := srv.Serve(); !errors.Is(err, server.ErrClosed) {
			t.Errorf("%s: it was not closed: %v", name, err)
		}
	}
}
