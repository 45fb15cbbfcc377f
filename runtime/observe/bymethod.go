package observe

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// maxMethods is how many methods ByMethod tells apart. A program's own methods are far fewer; the bound is for those that
// make methods up as they go.
const maxMethods = 1024

// ByMethod keeps one T for each method, made when the method is first seen, so that an adapter resolves a method's
// metrics once and not for every call. Methods that do not exist, and those beyond 1,024, share one T under the name
// Other. It may be used concurrently.
type ByMethod[T any] struct {
	make  func(method string) *T
	other *T
	known atomic.Pointer[map[string]*T] // replaced, never changed

	mu sync.Mutex // of writers
}

// NewByMethod returns a ByMethod that makes its values with make, one at a time. make is called at once for Other.
func NewByMethod[T any](make func(method string) *T) *ByMethod[T] {
	b := &ByMethod[T]{make: make, other: make(Other)}
	b.known.Store(&map[string]*T{})
	return b
}

// Of returns the value for m, which may be nil.
func (b *ByMethod[T]) Of(m *rpc.Method) *T {
	if m == nil {
		return b.other
	}
	if v := (*b.known.Load())[m.FullName]; v != nil {
		return v
	}
	return b.add(methodName(m))
}

func (b *ByMethod[T]) add(name string) *T {
	if name == Other {
		return b.other
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	known := *b.known.Load()
	if v := known[name]; v != nil {
		return v
	}
	if len(known) == maxMethods {
		return b.other
	}
	known = maps.Clone(known)
	v := b.make(name)
	known[name] = v
	b.known.Store(&known)
	return v
}
