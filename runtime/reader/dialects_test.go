package reader

import (
	"testing"
	"unsafe"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/wire"
	"github.com/kuafu-rpc/kuafu/runtime/wire/thrift"
)

// TestDialectsAreShared: connections that speak the same have one dialect, with the limits of both ends, and peers that
// announce ever new limits are not remembered.
func TestDialectsAreShared(t *testing.T) {
	b := newBench(t, nil)
	cache := b.config.dialects
	if d := cache.native(wire.DefaultMaxFrame); d != b.config.Dialect {
		t.Errorf("the default limit has the dialect %+v", d)
	}
	one := cache.native(1 << 20)
	if one.MaxFrame != 1<<20 || one.Threshold != b.config.Dialect.Threshold || b.config.Dialect.MaxFrame != 0 {
		t.Errorf("a limit of 1 MiB has the dialect %+v, others %+v", one, b.config.Dialect)
	}
	for i := range 2 * keepLimits {
		if limit := 2<<20 + i; cache.native(limit).MaxFrame != limit {
			t.Fatalf("limit %d: %+v", limit, cache.native(limit))
		}
	}
	if n := len(cache.byLimit); n != keepLimits {
		t.Errorf("%d limits are remembered, want %d", n, keepLimits)
	}
	if cache.native(1<<20) != one {
		t.Error("a limit that came early has been forgotten")
	}

	forms := []thrift.Dialect{
		{Framed: true, Encoding: codec.Binary, Strict: true},
		{Framed: true, Encoding: codec.Binary},
		{Framed: true, Encoding: codec.Compact},
		{Encoding: codec.Binary, Strict: true},
		{Framed: true, Header: true, Encoding: codec.Binary, Strict: true},
	}
	seen := make(map[*thrift.Dialect]bool)
	for _, f := range forms {
		d := cache.thrift(f)
		if d.String() != f.String() || d.MaxFrame != b.config.MaxFrame || d.MaxMessage != b.config.MaxMessage {
			t.Errorf("%v became %+v", &f, d)
		}
		if cache.thrift(f) != d {
			t.Errorf("%v is not shared", d)
		}
		seen[d] = true
	}
	if len(seen) != len(forms) {
		t.Errorf("%d dialects for %d forms", len(seen), len(forms))
	}
}

// TestSizes bounds what there is of for every connection, however idle.
func TestSizes(t *testing.T) {
	for _, s := range []struct {
		name       string
		size, most uintptr
	}{
		{"Session", unsafe.Sizeof(Session{}), 240},
		{"native", unsafe.Sizeof(native{}), 96},
		{"apache", unsafe.Sizeof(apache{}), 48},
	} {
		if s.size > s.most {
			t.Errorf("%s has grown to %d bytes from %d", s.name, s.size, s.most)
		}
	}
}
