package compat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/suite"
	"github.com/kuafu-rpc/kuafu/interop/compat/gen/compat"
)

// handler serves the suite in Apache's types.
type handler struct {
	mu   sync.Mutex
	logs map[string][]string
}

var _ compat.Compat = (*handler)(nil)

func (h *handler) Ping(_ context.Context, text string) (string, error) { return text, nil }

func (h *handler) Nothing(context.Context) error { return nil }

func (h *handler) Specimen(_ context.Context, which compat.Specimen) (*compat.Everything, error) {
	return specimen(which), nil
}

func (h *handler) Same(_ context.Context, which compat.Specimen, value *compat.Everything) (bool, error) {
	return reflect.DeepEqual(specimen(which), value), nil
}

func (h *handler) Echo(_ context.Context, v *compat.Everything) (*compat.Everything, error) {
	return v, nil
}

func (h *handler) EchoBool(_ context.Context, v bool) (bool, error)               { return v, nil }
func (h *handler) EchoI8(_ context.Context, v int8) (int8, error)                 { return v, nil }
func (h *handler) EchoI16(_ context.Context, v int16) (int16, error)              { return v, nil }
func (h *handler) EchoI32(_ context.Context, v int32) (int32, error)              { return v, nil }
func (h *handler) EchoI64(_ context.Context, v int64) (int64, error)              { return v, nil }
func (h *handler) EchoDouble(_ context.Context, v float64) (float64, error)       { return v, nil }
func (h *handler) EchoString(_ context.Context, v string) (string, error)         { return v, nil }
func (h *handler) EchoBinary(_ context.Context, v []byte) ([]byte, error)         { return v, nil }
func (h *handler) EchoMood(_ context.Context, v compat.Mood) (compat.Mood, error) { return v, nil }
func (h *handler) EchoList(_ context.Context, v []string) ([]string, error)       { return v, nil }
func (h *handler) EchoSet(_ context.Context, v []int32) ([]int32, error)          { return v, nil }

func (h *handler) EchoMap(_ context.Context, v map[string]int32) (map[string]int32, error) {
	return v, nil
}

func (h *handler) EchoShape(_ context.Context, v *compat.Shape) (*compat.Shape, error) {
	return v, nil
}

func (h *handler) Join(_ context.Context, a int32, b string, c bool) (string, error) {
	return fmt.Sprint(a, " ", b, " ", c), nil
}

func (h *handler) Attempt(_ context.Context, which int32) (int32, error) {
	switch which {
	case 1:
		return 1, nil
	case 2:
		return 0, refusal()
	case 3:
		return 0, &compat.Overload{RetryAfterMs: -1500}
	}
	return 0, errors.New("that is hopeless")
}

func (h *handler) Refuse(_ context.Context, really bool) error {
	if really {
		return refusal()
	}
	return nil
}

func (h *handler) Note(_ context.Context, log, line string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logs[log] = append(h.logs[log], line)
	return nil
}

func (h *handler) Notes(_ context.Context, log string) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.logs[log]
	delete(h.logs, log)
	return lines, nil
}

// listenApache returns a server socket of Apache's that is bound to a free port, and its address. Serving binds nothing
// again.
func listenApache(t *testing.T) (*thrift.TServerSocket, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bound := func(net.Addr) (net.Listener, error) { return ln, nil }
	return thrift.NewTServerSocketFromFactoryTimeout(bound, ln.Addr(), 20*time.Second), "tcp://" + ln.Addr().String()
}

// serveApache runs a server of Apache's until the test ends, and returns its address.
func serveApache(t *testing.T, processor thrift.TProcessor, d dialect) string {
	t.Helper()
	if d.service != "" {
		multiplexed := thrift.NewTMultiplexedProcessor()
		multiplexed.RegisterProcessor(d.service, processor)
		processor = multiplexed
	}
	socket, address := listenApache(t)
	srv := thrift.NewTSimpleServer4(processor, socket, d.transports, d.protocols)
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(srv.Stop(), <-served); err != nil {
			t.Error("Apache's server:", err)
		}
	})
	return address
}

func TestApacheServer(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil))) // what Apache's server says about refused calls
	t.Cleanup(func() { slog.SetDefault(before) })
	processor := compat.NewCompatProcessor(&handler{logs: make(map[string][]string)})
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			address := serveApache(t, processor, d)
			ours, err := suite.Find(d.ours)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			calls, err := ours.Run(ctx, address, false)
			if err != nil {
				t.Fatalf("after %d calls: %v", calls, err)
			}
			if calls < 150 {
				t.Errorf("%d calls are not the whole suite", calls)
			}
		})
	}
}
