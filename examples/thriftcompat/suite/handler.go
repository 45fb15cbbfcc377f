package suite

import (
	"context"
	"fmt"
	"sync"

	"github.com/kuafu-rpc/kuafu/examples/thriftcompat/compat"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Handler implements both services of the example.
type Handler struct {
	mu   sync.Mutex
	logs map[string][]string
}

var (
	_ compat.Compat   = (*Handler)(nil)
	_ compat.Registry = (*Handler)(nil)
)

// NewHandler returns a Handler with empty logs.
func NewHandler() *Handler { return &Handler{logs: make(map[string][]string)} }

// Services returns what to register with a server.
func (h *Handler) Services() []*rpc.Service {
	return []*rpc.Service{compat.NewCompatService(h), compat.NewRegistryService(h)}
}

func (h *Handler) Ping(_ context.Context, text string) (string, error) { return text, nil }

func (h *Handler) Nothing(context.Context) error { return nil }

func (h *Handler) Specimen(_ context.Context, which compat.Specimen) (*compat.Everything, error) {
	if v := Specimen(which); v != nil {
		return v, nil
	}
	return nil, rpc.Errorf(rpc.NotFound, "no specimen %d", which)
}

func (h *Handler) Same(_ context.Context, which compat.Specimen, value *compat.Everything) (bool, error) {
	v := Specimen(which)
	return v != nil && Equal(v, value), nil
}

func (h *Handler) Echo(_ context.Context, v *compat.Everything) (*compat.Everything, error) {
	return v, nil
}

func (h *Handler) EchoBool(_ context.Context, v bool) (bool, error)               { return v, nil }
func (h *Handler) EchoI8(_ context.Context, v int8) (int8, error)                 { return v, nil }
func (h *Handler) EchoI16(_ context.Context, v int16) (int16, error)              { return v, nil }
func (h *Handler) EchoI32(_ context.Context, v int32) (int32, error)              { return v, nil }
func (h *Handler) EchoI64(_ context.Context, v int64) (int64, error)              { return v, nil }
func (h *Handler) EchoDouble(_ context.Context, v float64) (float64, error)       { return v, nil }
func (h *Handler) EchoString(_ context.Context, v string) (string, error)         { return v, nil }
func (h *Handler) EchoBinary(_ context.Context, v []byte) ([]byte, error)         { return v, nil }
func (h *Handler) EchoMood(_ context.Context, v compat.Mood) (compat.Mood, error) { return v, nil }
func (h *Handler) EchoList(_ context.Context, v []string) ([]string, error)       { return v, nil }
func (h *Handler) EchoSet(_ context.Context, v []int32) ([]int32, error)          { return v, nil }

func (h *Handler) EchoMap(_ context.Context, v map[string]int32) (map[string]int32, error) {
	return v, nil
}

func (h *Handler) EchoShape(_ context.Context, v *compat.Shape) (*compat.Shape, error) {
	return v, nil
}

func (h *Handler) Join(_ context.Context, a int32, b string, c bool) (string, error) {
	return fmt.Sprint(a, " ", b, " ", c), nil
}

// Attempt shows the ends that a call can have.
func (h *Handler) Attempt(_ context.Context, which int32) (int32, error) {
	switch which {
	case 1:
		return 1, nil
	case 2:
		return 0, refusal()
	case 3:
		return 0, &compat.Overload{RetryAfterMs: overloadPause}
	}
	return 0, rpc.Errorf(rpc.FailedPrecondition, undeclared, which)
}

// What Attempt and Refuse answer.
const (
	overloadPause = -1500
	undeclared    = "attempt %d is hopeless"
)

func refusal() *compat.Refusal {
	return &compat.Refusal{Code: -2, Reason: Unicode, Hints: []string{"wait", ""}}
}

func (h *Handler) Refuse(_ context.Context, really bool) error {
	if really {
		return refusal()
	}
	return nil
}

func (h *Handler) Note(_ context.Context, log, line string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logs[log] = append(h.logs[log], line)
	return nil
}

func (h *Handler) Notes(_ context.Context, log string) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.logs[log]
	delete(h.logs, log)
	return lines, nil
}

func (h *Handler) EchoUUID(_ context.Context, v [16]byte) ([16]byte, error) { return v, nil }

func (h *Handler) EchoIdentity(_ context.Context, v *compat.Identity) (*compat.Identity, error) {
	return v, nil
}
